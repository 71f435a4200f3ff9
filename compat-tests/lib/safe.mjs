// A server with COMPAT=safe, and people on it. What the original does in the same place says the contract;
// `SAFE_DEGREE=exact` runs the cases on that, where each that is about a difference must fail.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, afterEach, before } from 'node:test';
import { has } from './capabilities.mjs';
import { Person } from './embedded.mjs';
import { Polling, Ws, request } from './engine.mjs';
import { startRedis } from './redis.mjs';
import { startServer } from './target.mjs';

export const SAFE = { COMPAT: process.env.SAFE_DEGREE ?? 'safe' };

export const random = () => randomBytes(6).toString('hex');
export const isEvent = (name) => (frame) => typeof frame === 'string' && frame.startsWith(`42${JSON.stringify([name]).slice(0, -1)},`);
export const dataOf = (frame) => JSON.parse(frame.slice(2))[1];
export const isMessage = (text) => (frame) => isEvent('message')(frame) && dataOf(frame).message === text;
export const isOf = (event, { id }) => (frame) => isEvent(event)(frame) && String(dataOf(frame).id) === String(id);

let date = Math.floor(Date.now() / 1000);
/** A message with a date of its own. */
export const message = (from, roomId, text, more = {}) => ({ from: from.id, date: (date += 1), message: text, roomId, ...more });

/** Opens a socket with these options; `polling: true` for one that polls. */
export async function connect(base, { polling = false, ...options } = {}) {
  const socket = polling ? (await new Polling(base, options).open()).loop() : await Ws.open(base, options);
  await socket.next((frame) => frame.startsWith?.('0{'));
  await socket.connectNs();
  return socket;
}

/** All that was sent to the socket before is there after this. */
export async function fence(socket) {
  const name = random();
  await socket.send(`40/${name},`);
  await socket.next((frame) => frame.startsWith?.(`44/${name},`));
}

/** Emits with an acknowledgement and gives it. */
export async function ask(socket, event, ...args) {
  ask.number = (ask.number ?? 0) + 1;
  const start = `43${ask.number}[`;
  await socket.send(`42${ask.number}${JSON.stringify([event, ...args])}`);
  return JSON.parse((await socket.next((frame) => frame.startsWith?.(start))).slice(start.length - 1))[0];
}

/** Events of these names that came so far. */
export const heard = (socket, ...names) => socket.frames.filter((frame) => names.some((name) => isEvent(name)(frame))).map((frame) => JSON.parse(frame.slice(2)));

/** Registers the file's server; `further(t)` starts what else it needs on the same Redis. */
export function useSafe({ env = {}, further = () => {} } = {}) {
  const sockets = [];
  const servers = [];
  const t = {
    keep(socket) {
      sockets.push(socket);
      return socket;
    },
    async start(options = {}) {
      const server = await startServer({ redis: t.redis, ...options, env: { ...(options.commandLine ? {} : SAFE), ...options.env } });
      servers.push(server);
      return server;
    },
    /** A server that ends in the case. */
    forget: (server) => servers.splice(servers.indexOf(server), 1),
    request: (path, options = {}, base = t.server.base) => request(base, { path, ...options }),
    newcomer: (username = `safe ${random()}`, base = t.server.base) => Person.signIn(base, username, 'a password'),
    async socket(person, options = {}) {
      return t.keep(await connect(options.base ?? t.server.base, { cookie: person?.cookie, ...options }));
    },
    async room(a, b) {
      const { status, body } = await a.ask('POST', '/room', { user1: a.id, user2: b.id });
      assert.equal(status, 201);
      return body.id;
    },
    history: async (person, room) => (await person.get(`/room/${room}/messages?offset=0&size=50`)).map((one) => one.message),
    /** A log in with a cookie; gives the answer's status, sid and cookie line. */
    async login(cookie, username, password = 'a password', base = t.server.base) {
      const headers = { 'content-type': 'application/json', ...(cookie && { cookie }) };
      const answer = await request(base, { method: 'POST', path: '/login', headers, body: JSON.stringify({ username, password }) });
      const line = answer.headers['set-cookie']?.[0];
      return { status: answer.status, line, cookie: line?.split(';')[0], user: JSON.parse(answer.text) };
    },
    me: async (cookie, base = t.server.base) => {
      const answer = await request(base, { path: '/me', headers: { cookie } });
      return { user: JSON.parse(answer.text), line: answer.headers['set-cookie']?.[0] };
    },
  };
  before(async () => {
    if (has('redis')) t.redis = await startRedis();
    t.server = await t.start({ env });
    await further(t);
  });
  afterEach(async () => {
    await Promise.all(sockets.splice(0).map((socket) => socket.close()));
    for (const server of servers) assert.ok(server.alive(), `a server ended: ${server.stderr()}`);
  });
  after(async () => {
    for (const server of servers) await server.kill();
    await t.redis?.stop('SIGKILL');
  });
  return t;
}
