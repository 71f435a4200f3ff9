// What the page knows: who is who, who is here, the rooms and what was said. No network, no clock and
// no page in here; whoever changes something calls `changed`, and the view draws what it finds.
import { dateSource, isId, outgoing, readMessage } from './message.mjs';
import { ReadMarks } from './read-marks.mjs';
import { Room } from './room.mjs';
import { isWellFormed } from './text.mjs';

/** More messages than MOST in a room that nobody scrolls through are cut down to the newest KEPT. */
const MOST = 600;
const KEPT = 300;

const UNKNOWN = 'Unknown user';

/** Names in private rooms come as lists of one. */
const flatName = (name) => (Array.isArray(name) ? name[0] : name);

export class Chat {
  /** Of everybody who was ever mentioned, by id. */
  users = new Map();
  rooms = new Map();
  /** The room that is shown, and whether somebody is looking at it. */
  current = null;
  watched = false;

  #listeners = new Set();
  #nextDate;
  #heard = null;

  /** `me` is what the server calls `user`: `{id, username}`; its id is a number or a text. */
  constructor(me, { storage, now } = {}) {
    this.me = me;
    this.myId = String(me.id);
    this.marks = new ReadMarks(this.myId, storage);
    this.users.set(this.myId, { username: me.username, online: true });
    this.#nextDate = dateSource(now);
  }

  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  changed() {
    for (const listener of this.#listeners) listener();
  }

  // People

  /** A name; dots as long as it was not asked for. */
  nameOf(id) {
    const user = this.users.get(String(id));
    return user ? (user.username ?? UNKNOWN) : '…';
  }

  isOnline(id) {
    return String(id) === this.myId || (this.users.get(String(id))?.online ?? false);
  }

  /** Takes what the server tells of users: `{"1":{"id":"1","username":"Pablo","online":true},…}`. */
  learn(users) {
    for (const [id, { username, online }] of Object.entries(users)) this.#meet(id, username, online === true);
    this.changed();
  }

  /**
   * The list of all who are online is being asked for: what is heard until it comes may be newer than
   * the list, and counts.
   */
  awaitOnline() {
    this.#heard = new Map();
  }

  /** Takes the list of all who are online: who is not in it is not. */
  learnOnline(users) {
    for (const user of this.users.values()) user.online = false;
    this.learn(users);
    for (const [id, online] of this.#heard ?? []) this.users.get(id).online = online;
    this.#heard = null;
  }

  presence(user, online) {
    if (user === null || typeof user !== 'object' || !isId(user.id)) return;
    this.#meet(String(user.id), user.username, online);
    this.#heard?.set(String(user.id), online);
    this.changed();
  }

  #meet(id, username, online) {
    const known = this.users.get(id);
    this.users.set(id, { username: typeof username === 'string' ? username : known?.username, online });
  }

  /** Everybody else who is online, by name. */
  othersOnline() {
    const others = [...this.users].filter(([id, { online, username }]) => id !== this.myId && online && username !== undefined);
    return others.map(([id, { username }]) => ({ id, username })).sort((a, b) => a.username.localeCompare(b.username));
  }

  /** Ids that were mentioned, but whose names are not known. */
  strangers() {
    const mentioned = new Set();
    for (const room of this.rooms.values()) {
      for (const { from } of room.messages) mentioned.add(from);
      if (this.otherIn(room) !== undefined) mentioned.add(this.otherIn(room));
    }
    return [...mentioned].filter((id) => !this.users.has(id));
  }

  // Rooms

  /** The other one in a private room of this user; undefined for any other room. */
  otherIn({ id: roomId }) {
    const ids = roomId.split(':');
    return ids.length === 2 && ids.includes(this.myId) ? ids.find((id) => id !== this.myId) : undefined;
  }

  privateRoomWith(id) {
    return [...this.rooms.values()].find((room) => this.otherIn(room) === String(id));
  }

  titleOf(room) {
    const names = room.names.map(flatName).filter((name) => typeof name === 'string');
    const other = this.otherIn(room);
    if (other === undefined) return names[0] ?? `Room ${room.id}`;
    const known = this.users.get(other)?.username;
    return known ?? names.find((name) => name !== this.me.username) ?? UNKNOWN;
  }

  /** A room from the server's list of this user's rooms, added if it is new. */
  addRoom({ id, names }) {
    const room = this.rooms.get(String(id)) ?? new Room(String(id));
    if (Array.isArray(names)) room.names = names;
    this.rooms.set(room.id, room);
    this.changed();
    return room;
  }

  /**
   * Whether an event is about a room of this user. Servers also tell of the private rooms of
   * others, and would let anybody invent a room.
   */
  admits(roomId) {
    if (!isId(roomId)) return false;
    const id = String(roomId);
    return this.rooms.has(id) || (this.otherIn({ id }) !== undefined && isWellFormed(id));
  }

  /** Rooms by their latest activity. */
  sortedRooms() {
    return [...this.rooms.values()].sort((a, b) => b.activity - a.activity || this.titleOf(a).localeCompare(this.titleOf(b)));
  }

  unread() {
    return [...this.rooms.values()].reduce((sum, room) => sum + room.unread, 0);
  }

  show(roomId) {
    this.current = roomId;
    this.changed();
  }

  /** Somebody sees the newest messages of the current room, or not. */
  watch(watched) {
    this.watched = watched;
    const room = watched && this.rooms.get(this.current);
    if (room && this.#read(room)) this.changed();
  }

  #read(room) {
    if (room.last && Number.isFinite(room.last.date)) this.marks.set(room.id, room.last.date);
    return room.read();
  }

  /** What was there before a room was first seen counts as read, also after a reload. */
  markSeen(room) {
    if (this.marks.of(room.id) !== undefined) return;
    const seen = room.messages.findLast((message) => !message.unread && Number.isFinite(message.date));
    this.marks.set(room.id, seen?.date ?? 0);
  }

  /** Another tab has read something. */
  marksChanged() {
    this.marks.reload();
    for (const room of this.rooms.values()) {
      const mark = this.marks.of(room.id) ?? -Infinity;
      for (const message of room.messages) if (message.date <= mark) message.unread = false;
    }
    this.changed();
  }

  // Messages

  /** A `message` event. Its room, or null if it is not for this user. */
  receive(raw) {
    const message = readMessage(raw);
    if (!message || !this.admits(message.roomId)) return null;
    const room = this.rooms.get(message.roomId) ?? this.addRoom({ id: message.roomId });
    this.keep(room, message, true);
    this.#trim(room);
    this.changed();
    return room;
  }

  /** A page may be open for days. What is cut off is read again by whoever scrolls up. */
  #trim(room) {
    const isReadUpwards = room.id === this.current && !this.watched;
    if (room.messages.length > MOST && !isReadUpwards) room.forgetBefore(room.messages.at(-KEPT).key);
  }

  /** Puts a message into its room. `fresh`: it has been sent since the room was last heard of. */
  keep(room, message, fresh) {
    message.unread = message.from !== this.myId && (fresh || message.date > (this.marks.of(room.id) ?? Infinity));
    if (!room.add(message)) return;
    if (room.id === this.current && this.watched) this.#read(room);
  }

  /** A message that its user has just written. */
  compose(roomId, text) {
    const room = this.rooms.get(roomId);
    const message = outgoing({ roomId, from: this.me.id, text, date: this.#nextDate() });
    room.outgoing.push(message);
    this.changed();
    return message;
  }

  /** What was written before the page was loaded anew, as `unsent` gave it. */
  restore(list) {
    for (const { state, wire } of list) {
      const room = this.rooms.get(wire.roomId) ?? this.addRoom({ id: wire.roomId });
      room.outgoing.push({ ...outgoing({ ...wire, text: wire.message }), state });
    }
    this.changed();
  }

  /** What has been written and is not known to be stored. */
  unsent() {
    const all = [...this.rooms.values()].flatMap((room) => room.outgoing);
    return all.map(({ state, wire }) => ({ state: state === 'sending' ? 'unknown' : state, wire }));
  }

  /** Own messages in a certain state, in the order they were written. */
  outgoingIn(state) {
    const all = [...this.rooms.values()].flatMap((room) => room.outgoing);
    return all.filter((message) => message.state === state).sort((a, b) => a.date - b.date);
  }

  /** The connection is lost. */
  linkLost() {
    for (const room of this.rooms.values()) room.linkLost();
    this.changed();
  }
}
