// The book of a chat under faults: what was sent, what its senders saw echoed, what
// every connection got; and the judgement over it. Knows nothing of sockets.
//
// Accepted is a message whose sender saw the echo. A `server` here is an object with
// `node` (it keeps only what the original promises) and `died` (it ended without leave).

/** One connection of a client: from `connect` to `disconnect`. */
class Stay {
  /** sender → the numbers received, as they came */
  got = new Map();
  /** sender → the first number it must get; from `join()` on */
  from;
  ended = false;
  /** Times in which its Node server could not hear the others: `{ after, until }`, by sender. */
  deafness = [];

  constructor(client, server) {
    Object.assign(this, { client, server });
  }

  receive(sender, n) {
    if (!this.got.has(sender)) this.got.set(sender, []);
    this.got.get(sender).push(n);
  }

  last(sender) {
    return this.got.get(sender)?.at(-1) ?? -1;
  }
}

export class Ledger {
  /** sender → the server that each of its messages was sent to, by number */
  #sent = new Map();
  /** sender → the numbers that it saw echoed */
  #echoed = new Map();
  /** Times in which a server had no Redis: `{ server, after, until }`, by sender. */
  #cuts = [];
  stays = [];

  addSender(sender) {
    this.#sent.set(sender, []);
    this.#echoed.set(sender, new Set());
  }

  /** Notes that `sender` sends its next message to `server`; gives its number. */
  send(sender, server) {
    return this.#sent.get(sender).push(server) - 1;
  }

  echo(sender, n) {
    this.#echoed.get(sender).add(n);
  }

  /** How many of its messages `sender` saw echoed. */
  accepted(sender) {
    return this.#echoed.get(sender).size;
  }

  /** How many each sender has sent so far. */
  sentSoFar() {
    return new Map([...this.#sent].map(([sender, sent]) => [sender, sent.length]));
  }

  /** `client` is connected to `server`. */
  begin(client, server) {
    const stay = new Stay(client, server);
    this.stays.push(stay);
    return stay;
  }

  /** The client of `stay` is known to be in the room: what is sent from now on must reach it. */
  join(stay) {
    stay.from = this.sentSoFar();
  }

  end(stay) {
    stay.ended = true;
  }

  /**
   * `server` loses Redis about now. Gives what says that it has it again. A Node server that
   * survives may meanwhile miss one piece of each stream of the others, no more, and leave
   * unannounced what it was about to announce.
   */
  cutOff(server) {
    const lastEchoes = [...this.#echoed].map(([sender, numbers]) => [sender, [...numbers].at(-1) ?? -1]);
    const periods = [{ server, after: new Map(lastEchoes), until: undefined }];
    this.#cuts.push(periods[0]);
    for (const stay of this.stays.filter((each) => each.server === server && server.node && !each.ended)) {
      const last = [...this.#sent.keys()].map((sender) => [sender, stay.last(sender)]);
      stay.deafness.push({ after: new Map(last), until: undefined });
      periods.push(stay.deafness.at(-1));
    }
    return () => {
      for (const period of periods) period.until = this.sentSoFar();
    };
  }

  /**
   * Compares everything with the `stored` messages (`[{ sender, n }]`). Gives `faults`,
   * in words, and `figures`.
   */
  judge(stored) {
    const faults = [];
    const count = new Map();
    for (const { sender, n } of stored) count.set(`${sender} ${n}`, (count.get(`${sender} ${n}`) ?? 0) + 1);
    const isStored = (sender, n) => count.has(`${sender} ${n}`);
    let sent = 0;
    let accepted = 0;
    for (const [sender, { length }] of this.#sent) {
      sent += length;
      accepted += this.accepted(sender);
      for (const n of this.#echoed.get(sender)) if (!isStored(sender, n)) faults.push(`${sender} ${n}: accepted, not stored`);
    }
    for (const [what, times] of count) {
      const [sender, n] = what.split(' ');
      if (times > 1) faults.push(`${what}: stored ${times} times`);
      if (!(Number(n) < (this.#sent.get(sender)?.length ?? 0))) faults.push(`${what}: stored, never sent`);
    }
    const figures = { sent, accepted, stored: count.size, deliveries: 0, stays: this.stays.length, missedWhileDeaf: 0, lostByNode: 0, lateByNode: 0 };
    for (const stay of this.stays) this.#judgeStay(stay, isStored, faults, figures);
    return { faults, figures };
  }

  #judgeStay(stay, isStored, faults, figures) {
    for (const [sender, takers] of this.#sent) {
      const got = stay.got.get(sender) ?? [];
      const seen = new Set(got);
      const name = (n) => `${stay.client} on ${stay.server.name}, message ${sender} ${n}`;
      figures.deliveries += got.length;
      got.forEach((n, i) => {
        if (!isStored(sender, n)) faults.push(`${name(n)}: delivered, not stored`);
        if (i > 0 && n === got[i - 1]) faults.push(`${name(n)}: delivered twice`);
        if (i > 0 && n < got[i - 1]) {
          // Stored and never announced, it is found when the drop-in reads what it missed itself.
          if (isLastOfDeadNode(takers, n, seen) || this.#isOfCutNode(sender, n)) figures.lateByNode += 1;
          else faults.push(`${name(n)}: came after ${got[i - 1]}`);
        }
      });
      if (!stay.from) continue;
      // Where a connection ends, what was on its way over it is lost.
      const end = stay.ended ? stay.last(sender) : takers.length;
      for (let n = stay.from.get(sender) ?? 0; n < end; n += 1) {
        if (seen.has(n) || !this.#isDue(sender, n, isStored)) continue;
        if (takers[n] !== stay.server && isWithin(stay.deafness, sender, n)) figures.missedWhileDeaf += 1;
        else if (isLastOfDeadNode(takers, n, seen) || this.#isOfCutNode(sender, n)) figures.lostByNode += 1;
        else faults.push(`${name(n)}: not delivered`);
      }
    }
  }

  /** The drop-in stores and announces in one step, so there what is stored must be delivered, echo or not. */
  #isDue(sender, n, isStored) {
    const taker = this.#sent.get(sender)[n];
    return taker.node ? this.#echoed.get(sender).has(n) : isStored(sender, n);
  }

  /** Its Redis client drops an announcement that is under way when the link breaks, and says nothing. */
  #isOfCutNode(sender, n) {
    const taker = this.#sent.get(sender)[n];
    return taker.node && isWithin(this.#cuts.filter(({ server }) => server === taker), sender, n);
  }
}

const isWithin = (periods, sender, n) =>
  periods.some(({ after, until }) => n > (after.get(sender) ?? -1) && (until === undefined || n < (until.get(sender) ?? 0)));

/** A Node server announces after it stored, so what it does last before it dies may stay unannounced. */
function isLastOfDeadNode(takers, n, seen) {
  const taker = takers[n];
  if (!taker.node || !taker.died) return false;
  for (let later = n + 1; later < takers.length && takers[later] === taker; later += 1) if (seen.has(later)) return false;
  return true;
}
