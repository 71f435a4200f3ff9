// Brings what the page shows in line with the server: at the start, after every connection, and
// whenever it was not possible. One run at a time; a request during a run leads to one more.
import { delayBefore } from './model/backoff.mjs';
import { PAGE, catchUp, loadOlder } from './model/history.mjs';
import { readMessage } from './model/message.mjs';

/** Rooms whose history is read at the same time. */
const PARALLEL = 3;

/** Milliseconds after which an echo is looked for: a store that is full refuses without a word. */
const ECHO_LIMIT = 10_000;

export class Sync {
  /** Why the last run failed, in words, and when the next one is. */
  error = '';
  retryAt = 0;

  #chat;
  #api;
  #link;
  #on;
  #delay;
  #later;
  /** The connection in which rooms were joined, and which; and the one that is known to be this user's. */
  #joined = { generation: 0, rooms: new Set() };
  #verified = 0;
  #running = false;
  #again = false;
  #failures = 0;
  #timer;
  #stopped = false;

  /** `on`: `signedOut()` and `otherUser(me)`, when the session is not what it was. */
  constructor({ chat, api, link, on, delay = delayBefore, later = setTimeout.bind(globalThis) }) {
    this.#chat = chat;
    this.#api = api;
    this.#link = link;
    this.#on = on;
    this.#delay = delay;
    this.#later = later;
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async request() {
    clearTimeout(this.#timer);
    this.#again = true;
    if (this.#running) return;
    this.#running = true;
    while (this.#again && !this.#stopped) {
      this.#again = false;
      await this.#attempt();
    }
    this.#running = false;
  }

  async #attempt() {
    const { generation } = this.#link;
    try {
      await this.#run();
      this.error = '';
      this.#failures = 0;
    } catch (why) {
      if (this.#stopped || why === STOP) return;
      if (why.isSignedOut) return this.#on.signedOut();
      // A connection that ends meanwhile leads to a new run by itself.
      if (this.#link.isUp && this.#link.generation === generation) this.#retryLater(why);
    }
    this.#chat.changed();
  }

  #retryLater(why) {
    this.error = why.message;
    const ms = this.#delay(this.#failures);
    this.#failures += 1;
    this.retryAt = Date.now() + ms;
    this.#timer = setTimeout(() => this.request(), ms);
  }

  async #run() {
    const chat = this.#chat;
    const link = this.#link;
    await this.checkSession();
    for (const room of await this.#api.rooms(chat.myId)) chat.addRoom(room);
    const { isUp, generation } = link;
    if (isUp) {
      // First join, then read: what comes in between is then both heard and read, never missed.
      for (const id of chat.rooms.keys()) this.join(id);
      await link.settled();
      this.#verified = generation;
      this.sendWaiting();
    }
    chat.awaitOnline();
    chat.learnOnline(await this.#api.online());
    await this.learnStrangers();
    await this.#readAll();
    await this.learnStrangers();
    if (!isUp || link.generation !== generation || !link.isUp) return;
    for (const room of chat.rooms.values()) if (!room.error) room.reconcile();
  }

  /** Joins a room, once per connection: only then are its messages heard, the own ones too. */
  join(roomId) {
    const { generation } = this.#link;
    if (this.#joined.generation !== generation) this.#joined = { generation, rooms: new Set() };
    if (this.#joined.rooms.has(roomId)) return;
    this.#joined.rooms.add(roomId);
    this.#link.emit('room.join', roomId);
  }

  /** The session may have ended elsewhere, or become another user's. */
  async checkSession() {
    const me = await this.#api.me();
    if (this.#stopped) throw STOP;
    if (me === null) this.#on.signedOut();
    else if (String(me.id) !== this.#chat.myId) this.#on.otherUser(me);
    else return;
    throw STOP;
  }

  async #readAll() {
    const rooms = this.#chat.sortedRooms().sort((a, b) => (b.id === this.#chat.current) - (a.id === this.#chat.current));
    const worker = async () => {
      for (let room = rooms.shift(); room; room = rooms.shift()) await this.readNewest(room);
    };
    await Promise.all(Array.from({ length: PARALLEL }, worker));
  }

  async readNewest(room) {
    await this.#read(room, catchUp);
    if (room.loaded) this.#chat.markSeen(room);
  }

  async readOlder(room) {
    if (room.loading || room.complete) return;
    room.loading = true;
    this.#chat.changed();
    try {
      await this.#read(room, loadOlder);
      await this.learnStrangers();
    } catch (why) {
      if (why.isSignedOut) this.#on.signedOut();
      else room.error = why.message;
    } finally {
      room.loading = false;
      this.#chat.changed();
    }
  }

  async #read(room, how) {
    const fetchPage = async (offset) => {
      const found = await this.#api.messages(room.id, offset, PAGE - 1);
      return { count: found.length, messages: found.map(readMessage).filter(Boolean) };
    };
    try {
      await how(room, fetchPage, (message, missed) => this.#chat.keep(room, { ...message, roomId: room.id }, missed));
      room.error = '';
    } catch (why) {
      // One room that can't be read must not keep the others from being read.
      if (why.status === undefined || why.isSignedOut || why.isPassing) throw why;
      room.error = why.message;
    }
    this.#chat.changed();
  }

  /** Asks for the names behind ids that were mentioned. */
  async learnStrangers() {
    const ids = this.#chat.strangers();
    if (ids.length === 0) return;
    this.#chat.learn(await this.#api.users(ids));
    // Who is still unknown does not exist, and is not asked for again.
    for (const id of ids) if (!this.#chat.users.has(id)) this.#chat.users.set(id, { online: false });
  }

  /** Hands over what was written, if there is a connection and it is this user's. */
  sendWaiting() {
    if (!this.#link.isUp || this.#link.generation !== this.#verified) return;
    const sent = this.#chat.outgoingIn('waiting');
    for (const message of sent) {
      message.state = 'sending';
      this.join(message.roomId);
      this.#link.emit('message', message.wire);
    }
    if (sent.length > 0) this.#later(() => this.#doubt(sent), ECHO_LIMIT);
    this.#chat.changed();
  }

  /** Looks into the history for what was sent and has no echo yet. Should that come later, it counts. */
  async #doubt(sent) {
    const silent = this.#chat.outgoingIn('sending').filter((message) => sent.includes(message));
    if (silent.length === 0 || this.#stopped) return;
    for (const message of silent) message.state = 'unknown';
    await this.request();
  }
}

/** Ends a run whose session is over. */
const STOP = new Error('the session is over');
