// The MESSAGES channel as another server hears it.

const PATIENCE = 10_000;

export class Bus {
  /** Every envelope so far: `{ text, serverId, type, data }`; not JSON: only `text`. */
  envelopes = [];
  #waiting = new Set();

  static async open(redis) {
    const bus = new Bus();
    await bus.listen(redis);
    return bus;
  }

  /** Also hears `redis` from now on: one that has come back. */
  async listen(redis) {
    await redis.subscribe('MESSAGES', (text) => this.#heard(text));
  }

  #heard(text) {
    let parsed = {};
    try {
      parsed = JSON.parse(text) ?? {};
    } catch {
      // Kept as text only.
    }
    this.envelopes.push({ ...parsed, text });
    for (const check of [...this.#waiting]) check();
  }

  mark() {
    return this.envelopes.length;
  }

  /** What servers published since `mark`: without what the tests did, or had done to wait for something. */
  since(mark) {
    return this.envelopes.slice(mark).filter(({ serverId, data }) =>
      typeof serverId === 'string' && !serverId.startsWith('elsewhere') && !String(data?.roomId ?? data?.id).startsWith('settled:'));
  }

  /** The first envelope from `mark` on that `accept` takes. */
  next(accept, mark = this.mark(), ms = PATIENCE) {
    return new Promise((resolve, reject) => {
      let at = mark;
      const check = () => {
        while (at < this.envelopes.length) {
          const envelope = this.envelopes[at];
          at += 1;
          if (!accept(envelope)) continue;
          clearTimeout(timer);
          this.#waiting.delete(check);
          resolve(envelope);
          return;
        }
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(check);
        reject(new Error(`no such envelope within ${ms} ms; ${this.envelopes.length - mark} others came`));
      }, ms);
      this.#waiting.add(check);
      check();
    });
  }

  presence(type, id, mark, ms) {
    return this.next((envelope) => envelope.type === type && String(envelope.data?.id) === String(id), mark, ms);
  }
}
