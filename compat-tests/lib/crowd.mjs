// People who chat through the load balancer with the stock client, and re-join their
// room after every reconnect. Each has one tab: with several, the original's presence
// toggles (http-and-redis.md §15.7).
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Ledger } from './ledger.mjs';
import { stock } from './rt-stock.mjs';
import { message } from './rt-world.mjs';

export const ROOM = '0';

class Member {
  /** Numbers of the messages that have neither an echo nor lost their connection. */
  pending = new Set();
  /** The nonces of the fences that came. */
  fences = new Set();
  silent = true;
  date = 0;

  constructor(crowd, user, { transport, quits }) {
    Object.assign(this, { crowd, user, quits, name: user.tag, mark: crowd.cluster.bus.mark() });
    this.socket = stock(crowd.cluster.base, { cookie: user.cookie, transport });
    this.socket.on('connect', () => this.#connected());
    this.socket.on('disconnect', () => this.#cutOff());
    this.socket.on('message', (data) => this.#heard(data));
    this.socket.on('fence', (nonce) => this.fences.add(nonce));
  }

  get cookieValue() {
    return this.user.cookie.slice('connect.sid='.length);
  }

  get joined() {
    return this.stay?.from !== undefined;
  }

  #connected() {
    const { cluster, ledger } = this.crowd;
    this.stay = ledger.begin(this.name, cluster.instanceOf(this.cookieValue));
    this.socket.emit('room.join', ROOM);
    this.#joinSurely(this.stay).catch((error) => (this.error = error));
  }

  async #joinSurely(stay) {
    const { ledger, cluster: { bus } } = this.crowd;
    if (stay.server.node) {
      // It loses what comes before it has announced the user (realtime.md §8.3).
      await bus.next(({ type, data, serverId }) =>
        type === 'user.connected' && String(data.id) === String(this.user.id) && serverId.endsWith(`:${stay.server.port}`), this.mark);
      if (this.stay !== stay) return;
      this.socket.emit('room.join', ROOM);
    }
    await this.#answered();
    if (this.stay === stay) ledger.join(stay);
  }

  /** Events are dealt with in order, and an unknown namespace is refused at once: then all before it is done. */
  #answered() {
    const nsp = `/fence-${randomBytes(4).toString('hex')}`;
    const manager = this.socket.io;
    return new Promise((resolve) => {
      manager.on('packet', function refused(packet) {
        if (packet.nsp !== nsp) return;
        manager.off('packet', refused);
        resolve();
      });
      manager._packet({ type: 0, nsp });
    });
  }

  #cutOff() {
    const { stay } = this;
    this.mark = this.crowd.cluster.bus.mark();
    // The stock client also says so of a connection that had not come as far as `connect`.
    if (!stay) return;
    this.crowd.ledger.end(stay);
    this.stay = undefined;
    this.pending.clear();
    if (!this.quits || this.left) return;
    this.left = true;
    /** The server that was to take it off the list of those who are online. */
    this.lastServer = stay.server;
    this.socket.shut();
  }

  #heard({ from, message: text }) {
    const n = Number(text);
    this.stay?.receive(String(from), n);
    if (String(from) !== String(this.user.id)) return;
    this.pending.delete(n);
    this.crowd.ledger.echo(String(from), n);
  }

  say() {
    const n = this.crowd.ledger.send(String(this.user.id), this.stay.server);
    this.pending.add(n);
    // As a clock gives it, by which a server finds what it missed; no two are equal, so that the store keeps their order.
    this.date = Math.max(Date.now(), this.date + 1);
    this.socket.emit('message', message(this.user, ROOM, String(n), this.date / 1000));
  }

  async chat(every) {
    this.silent = false;
    while (!this.silent && !this.left) {
      if (this.joined && this.pending.size < this.crowd.window) this.say();
      await sleep(every);
    }
  }

  /** Goes away as one who closes the page, with nothing under way. */
  async leave() {
    this.silent = true;
    await this.crowd.cluster.world.eventually(() => this.joined && this.pending.size === 0, `${this.name}: ready to leave`, 20_000);
    this.left = true;
    this.socket.shut();
  }
}

export class Crowd {
  ledger = new Ledger();
  /** How many messages of one sender may be without an echo. */
  window = 40;
  members = [];

  constructor(cluster) {
    this.cluster = cluster;
  }

  /** Somebody who comes: pinned to `slot` if given; who `quits` does not come back once the connection is lost. */
  async add({ slot, transport = 'websocket', quits = false } = {}) {
    const user = await this.cluster.world.user(`${quits ? 'quitter' : 'member'}${this.members.length}`);
    const member = new Member(this, user, { transport, quits });
    if (slot !== undefined) this.cluster.pin(member.cookieValue, slot);
    this.ledger.addSender(String(user.id));
    this.members.push(member);
    return member;
  }

  /** Two who stay with each slot, so that each fault has its witnesses, and three who go anywhere. */
  async gather() {
    for (const slot of [0, 1]) for (const transport of ['websocket', 'upgrading']) await this.add({ slot, transport });
    for (const transport of ['websocket', 'polling', 'upgrading']) await this.add({ transport });
    await this.allJoined();
  }

  get present() {
    return this.members.filter(({ left }) => !left);
  }

  /** Everybody talks, a message each `every` ms, until `settle()`. */
  chat(every = 30) {
    for (const member of this.present) if (member.silent) member.chat(every);
  }

  /** Until each who talks has seen `count` more echoes: then there is load, however slow the machine. */
  heard(count = 3) {
    const accepted = ({ user }) => this.ledger.accepted(String(user.id));
    const talking = this.present.filter(({ silent }) => !silent).map((member) => [member, accepted(member) + count]);
    return this.cluster.world.eventually(() => talking.every(([member, wanted]) => member.left || accepted(member) >= wanted), 'everybody heard', 20_000);
  }

  allJoined(ms = 20_000) {
    // A connection to a server that is gone counts no more, even if its client has not noticed yet.
    const missing = () => this.present.filter(({ joined, stay }) => !joined || !this.cluster.slots.includes(stay.server));
    return this.cluster.world.eventually(() => missing().length === 0, 'everybody in the room (again)', ms)
      .catch((error) => Promise.reject(new Error(`${error.message}: ${missing().map(({ name, error: why }) => `${name} ${why ?? ''}`)}`)));
  }

  /** Silence: no message is under way to anybody any more. */
  async settle(ms = 30_000) {
    const { world } = this.cluster;
    for (const member of this.members) member.silent = true;
    await this.allJoined(ms);
    await world.eventually(() => this.present.every(({ pending }) => pending.size === 0), 'all echoes', ms);
    await this.fence(this.present, ms);
  }

  /** What was announced before has then come to `members`. Asks again, since a server without its Redis hears nothing. */
  async fence(members, ms = 20_000) {
    const nonces = [];
    let asked = 0;
    await this.cluster.world.eventually(async () => {
      if (Date.now() - asked > 100) {
        asked = Date.now();
        nonces.push(randomBytes(6).toString('hex'));
        await this.cluster.world.publish('fence', nonces.at(-1));
      }
      return members.every(({ fences }) => nonces.some((nonce) => fences.has(nonce)));
    }, 'a fence passes to everybody', ms);
  }

  close() {
    for (const member of this.members) {
      member.left = true;
      member.socket.shut();
    }
  }
}
