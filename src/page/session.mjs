// Everything of one signed-in user: the model, the connection, and what the user does.
import { Chat } from './model/chat.mjs';
import * as outbox from './model/outbox.mjs';
import { Sync } from './sync.mjs';
import * as api from './wire/api.mjs';
import { Link } from './wire/link.mjs';

/** Characters of a message; the server takes up to a million bytes in a packet. */
export const LONGEST_MESSAGE = 20_000;

/** Sockets do not renew the session in the store, which lasts a day; requests do. */
const RENEWAL = 30 * 60_000;

export class Session {
  #stopListening = new AbortController();
  #renewal;

  /** `on`: `signedOut(why)` and `otherUser(me)`. */
  constructor(me, on) {
    this.chat = new Chat(me, { storage: storageIfAny('localStorage') });
    this.link = new Link({
      up: () => this.#up(),
      lost: () => this.chat.linkLost(),
      event: (name, data) => this.#event(name, data),
      changed: () => this.chat.changed(),
    });
    const signedOut = () => on.signedOut('Your session has ended. Please sign in again.');
    this.sync = new Sync({ chat: this.chat, api, link: this.link, on: { ...on, signedOut } });
  }

  start() {
    this.chat.restore(outbox.load(this.chat.myId, storageIfAny('sessionStorage')));
    // The history is there before the connection is, and even without one.
    this.sync.request();
    this.link.start();
    this.#renewal = setInterval(() => this.recheck(), RENEWAL);
    const options = { signal: this.#stopListening.signal };
    addEventListener('online', () => this.link.tryNow(), options);
    addEventListener('storage', ({ key }) => this.chat.marks.concerns(key) && this.chat.marksChanged(), options);
    addEventListener('pagehide', () => this.#suspend(), options);
    // Brought back from the browser's cache of pages.
    addEventListener('pageshow', ({ persisted }) => persisted && this.link.start(), options);
    document.addEventListener('visibilitychange', () => this.#visible(), options);
  }

  /** `forget`: also what is not sent yet. Whoever did not sign out may come back for it. */
  end({ forget = false } = {}) {
    this.#saveUnsent(forget ? [] : this.chat.unsent());
    this.#stopListening.abort();
    clearInterval(this.#renewal);
    this.sync.stop();
    this.link.stop();
  }

  #suspend() {
    this.link.stop();
    this.chat.linkLost();
    this.#saveUnsent(this.chat.unsent());
  }

  #saveUnsent(unsent) {
    outbox.save(this.chat.myId, unsent, storageIfAny('sessionStorage'));
  }

  #visible() {
    // A hidden tab may end without a further word.
    if (document.visibilityState !== 'visible') return this.#saveUnsent(this.chat.unsent());
    this.link.tryNow();
    return this.recheck();
  }

  /** Finds out whether the session is still what it was. Failures show elsewhere. */
  recheck() {
    this.sync.checkSession().catch(() => {});
  }

  #up() {
    for (const room of this.chat.rooms.values()) room.holdAnchor();
    this.sync.request();
  }

  #event(name, data) {
    if (name === 'user.connected') this.chat.presence(data, true);
    else if (name === 'user.disconnected') this.chat.presence(data, false);
    else if (name === 'message') this.#received(data);
    else if (name === 'show.room') this.#announced(data);
  }

  #received(data) {
    const known = new Set(this.chat.rooms.keys());
    const room = this.chat.receive(data);
    if (!room) return;
    if (!known.has(room.id)) this.#enter(room);
    this.#quietly(() => this.sync.learnStrangers());
  }

  /** Somebody has written the first message of a private room: it is on its way. */
  #announced(data) {
    if (data === null || typeof data !== 'object' || !this.chat.admits(data.id)) return;
    const isNew = !this.chat.rooms.has(String(data.id));
    const room = this.chat.addRoom(data);
    if (!isNew) return;
    room.opened = Date.now() / 1000;
    // Nothing of it has been seen yet.
    room.anchor = new Set();
    this.#enter(room);
  }

  /** Joins a room and reads its history. If that fails, a whole run of the sync makes up for it. */
  async #enter(room) {
    try {
      this.sync.join(room.id);
      await this.link.settled();
      await this.sync.readNewest(room);
      await this.sync.learnStrangers();
    } catch {
      if (this.link.isUp) this.sync.request();
    }
  }

  async #quietly(action) {
    try {
      await action();
    } catch {
      // The names come with the next run.
    }
  }

  /** The private room with a user, made if need be. Throws an ApiError. */
  async privateRoom(userId) {
    const known = this.chat.privateRoomWith(userId);
    if (known) return known;
    const room = this.chat.addRoom(await api.privateRoom(this.chat.me.id, userId));
    room.opened = Date.now() / 1000;
    this.#enter(room);
    return room;
  }

  send(text) {
    this.chat.compose(this.chat.current, text);
    this.sync.sendWaiting();
  }

  /**
   * Sends a message again that did not arrive. It is the same to the letter, so if the first one
   * arrives after all, the store still has it once.
   */
  sendAgain(message) {
    message.state = 'waiting';
    this.sync.sendWaiting();
    this.chat.changed();
  }

  /** What is waited for is tried at once. */
  retry() {
    this.link.tryNow();
    if (this.link.isUp) this.sync.request();
  }
}

function storageIfAny(name) {
  try {
    return window[name];
  } catch {
    return undefined;
  }
}
