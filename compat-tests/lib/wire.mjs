// For cases that need nothing but the wire: a server of any kind, also one that has run for long and
// holds other people's data. Everybody here is newly registered under a random name, talks in rooms of
// their own only, and looks at nothing but what concerns them.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before } from 'node:test';
import { has } from './capabilities.mjs';
import { Person } from './embedded.mjs';
import { Polling, Ws, request } from './engine.mjs';
import { startRedis } from './redis.mjs';
import { startServer } from './target.mjs';

export const random = () => randomBytes(6).toString('hex');

/** `{"id":…}` of somebody's coming or going, as frames hold it. */
const presenceOf = (event, { id }) => (frame) =>
  typeof frame === 'string' && frame.startsWith(`42["user.${event}"`) && String(JSON.parse(frame.slice(2))[1].id) === String(id);

export const cameOnline = (person) => presenceOf('connected', person);
export const wentOffline = (person) => presenceOf('disconnected', person);

/** A `message` frame of `room`, with this text unless it is left out. */
export const messageIn = (room, text) => (frame) => {
  if (typeof frame !== 'string' || !frame.startsWith('42["message"')) return false;
  const [, message] = JSON.parse(frame.slice(2));
  return message.roomId === room && (text === undefined || message.message === text);
};

export const parsed = (frame) => JSON.parse(frame.slice(2))[1];

/** Registers a file's server and returns the handle. */
export function useWire() {
  const sockets = [];
  let bystander;
  // Dates of their own, so that each message is stored once and the order is known.
  let date = Math.floor(Date.now() / 1000);

  const t = {
    /** One request; `cookie` is that of a session. */
    request: (path, { cookie, headers = {}, ...rest } = {}) =>
      request(t.server.base, { path, headers: { ...headers, ...(cookie && { cookie }) }, ...rest }),
    json: (path, body, { headers = {}, ...rest } = {}) =>
      t.request(path, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers }, ...rest }),

    newcomer: (username = `wire ${random()}`, password = 'a password') => Person.signIn(t.server.base, username, password),

    keep(socket) {
      sockets.push(socket);
      return socket;
    },

    /** A socket of nobody. */
    async nobody() {
      const ws = t.keep(await Ws.open(t.server.base));
      await ws.connectNs();
      return ws;
    },

    /** A socket that gets what goes to everybody: of nobody, unless only who is signed in hears something. */
    async witness() {
      if (!has('safe')) return t.nobody();
      bystander ??= t.newcomer();
      const ws = t.keep(await Ws.open(t.server.base, { cookie: (await bystander).cookie }));
      await ws.connectNs();
      return ws;
    },

    /**
     * A socket of `person` by one transport. The original takes its events only once it is announced (R8.3);
     * where presence is counted, only the first one of a person is.
     */
    async socket(person, { transport = 'websocket' } = {}) {
      const witness = has('safe') ? undefined : await t.witness();
      const { cookie } = person;
      const socket = t.keep(transport === 'polling'
        ? (await new Polling(t.server.base, { cookie }).open()).loop()
        : await Ws.open(t.server.base, { cookie }));
      await socket.next((frame) => frame.startsWith?.('0{'));
      await socket.connectNs();
      await witness?.next(cameOnline(person));
      await witness?.close();
      return socket;
    },

    /** Where presence is counted, the next socket of `person` is announced once `socket` is gone. */
    async onlyOne(person, socket, witness) {
      if (!has('safe')) return;
      await socket.close();
      await witness.next(wentOffline(person));
    },

    message: (person, roomId, message, more = {}) => ({ from: person.id, date: (date += 1), message, roomId, ...more }),

    /** Joins, and waits for an echo that tells that it is done. */
    async join(socket, person, room) {
      const text = `joined ${random()}`;
      await socket.emit('room.join', room);
      await socket.emit('message', t.message(person, room, text));
      await socket.next(messageIn(room, text));
    },

    async room(a, b) {
      const { status, body } = await a.ask('POST', '/room', { user1: a.id, user2: b.id });
      assert.equal(status, 201);
      return body.id;
    },

    /** Two people in a room of theirs: `{ a, b, room, atA, atB }`. */
    async pair(options) {
      const [a, b] = [await t.newcomer(), await t.newcomer()];
      const room = await t.room(a, b);
      const [atA, atB] = [await t.socket(a, options), await t.socket(b, options)];
      await t.join(atA, a, room);
      await t.join(atB, b, room);
      return { a, b, room, atA, atB };
    },
  };

  before(async () => {
    if (has('redis')) t.redis = await startRedis();
    t.server = await startServer({ redis: t.redis });
  });
  after(async () => {
    await Promise.all(sockets.map((socket) => socket.close()));
    await t.server?.kill();
    await t.redis?.stop('SIGKILL');
  });
  return t;
}
