// One Redis and one server per test file, and a world of users and sockets per case.
//
// A case is named by its scenario id. Where there is a recording of it
// (fixtures/realtime/), the case returns what it observed and that is compared with
// the recording; ids of users and sessions are replaced by <a>, <b>, … and <sid>.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { has } from './capabilities.mjs';
import { Polling, Ws } from './engine.mjs';
import { Bus } from './rt-bus.mjs';
import { startRedis } from './redis.mjs';
import { storeSession } from './session.mjs';
import { isUpstream, root, startServer } from './target.mjs';

const CASE_TIMEOUT = 30_000;

export const recordings = (group) => JSON.parse(readFileSync(join(root, 'fixtures', 'realtime', `${group}.json`)));

/** What the chat needs to find, so that the server does not seed its demo users. */
export async function furnish(client) {
  await client.set('total_users', '9000000');
  await client.set('room:0:name', 'General');
}

/** A message as the recordings have it. */
export const message = (user, roomId, text, date = 1700000000) => ({ from: String(user.id), date, message: text, roomId });

let ids = 7_300_000;

export class World {
  constructor({ redis, server, bus, id = 'case' }) {
    Object.assign(this, { redis, client: redis.client, server, base: server.base, bus, id });
    this.prefix = id.replace(/[^a-zA-Z0-9]/g, '_');
    this.users = new Map();
    this.sockets = [];
  }

  /** A registered user with a session, known in the case as `tag`. */
  async user(tag) {
    ids += 1;
    const user = { id: ids, username: `${this.prefix}_${tag}`, tag };
    await this.client.hset(`user:${user.id}`, 'username', user.username);
    Object.assign(user, await storeSession(this, { user: { id: user.id, username: user.username } }));
    this.users.set(String(user.id), user);
    return user;
  }

  /**
   * A websocket: of `user`, of somebody with `cookie`, or of nobody. It joins the
   * namespace unless `ns` is false, then the `rooms`.
   */
  async ws({ user, cookie = user?.cookie, ns = true, rooms = [], base = this.base, ...options } = {}) {
    const ws = await Ws.open(base, { cookie, ...options });
    return this.#begin(ws, { user, ns, rooms, base });
  }

  /** A polling client, polling in the background unless `loop` is false. */
  async polling({ user, cookie = user?.cookie, ns = true, rooms = [], loop = true, base = this.base, query, headers } = {}) {
    const polling = await new Polling(base, { cookie, headers }).open(query);
    if (loop) polling.loop();
    return this.#begin(polling, { user, ns, rooms, base });
  }

  async #begin(socket, { user, ns, rooms, base }) {
    this.watch(socket);
    if (!ns) return socket;
    const announced = user && (await this.#announcement(user, base));
    if (socket instanceof Polling && !socket.looping) {
      await socket.send('40');
      await socket.take();
    } else {
      await socket.next((frame) => frame.startsWith?.('0{'));
      await socket.connectNs();
    }
    await announced?.();
    for (const room of rooms) await socket.emit('room.join', room);
    socket.mark();
    return socket;
  }

  /**
   * Gives what waits until `user` is known to have come: to the other servers, and to the
   * sockets of this one, which an anonymous witness tells. The original takes a socket's
   * events only from then on (§8.3).
   */
  async #announcement(user, base) {
    const since = this.bus.mark();
    const witness = await Ws.open(base);
    await witness.connectNs();
    return async () => {
      await this.bus.presence('user.connected', user.id, since);
      await witness.next((frame) => frame.startsWith('42["user.connected"') && frame.includes(String(user.id)));
      await witness.close();
    };
  }

  /** Closes `socket` at the end of the case, and hides from it what other cases do. */
  watch(socket) {
    this.sockets.push(socket);
    socket.isNoise = (frame) => this.#isNoise(frame);
    return socket;
  }

  #isNoise(frame) {
    if (frame === '2' || frame === '6') return true;
    const presence = /^42\["user\.(?:dis)?connected",\{"id":"?(\d+)/.exec(frame);
    if (presence && presence[1].length === 7) return !this.users.has(presence[1]);
    return typeof frame === 'string' && (frame.startsWith('42["fence"') || /"(?:roomId|id)":"settled:/.test(frame));
  }

  /** Publishes an envelope as a server elsewhere would. */
  publish(type, data, serverId = 'elsewhere:1') {
    return this.client.publish('MESSAGES', JSON.stringify({ serverId, type, data }));
  }

  /** Everything broadcast before is then received by `sockets`. Polling ones must be looping. */
  async fence(...sockets) {
    const frame = `42["fence",${JSON.stringify(randomBytes(6).toString('hex'))}]`;
    await this.client.publish('MESSAGES', `{"serverId":"elsewhere:1","type":"fence","data":${frame.slice(11, -1)}}`);
    await Promise.all(sockets.map((socket) => socket.waitFor(({ frames }) => frames.includes(frame))));
  }

  /** Lets `sockets` receive what is on its way; from then on their `events()` count. */
  async startCounting(...sockets) {
    await this.fence(...sockets);
    for (const socket of sockets) socket.mark();
  }

  /**
   * Everything `socket` sent before is then dealt with, and what came of it is on its way
   * to the sockets: events of one socket go in order (§10.1).
   */
  async settled(socket, user) {
    const text = `s${randomBytes(6).toString('hex')}`;
    const since = this.bus.mark();
    // A new private room is the longest way through the original, so this overtakes nothing there.
    socket.emit('room.join', `settled:${text}`);
    socket.emit('message', message(user, `settled:${text}`, text));
    await this.bus.next(({ type, data }) => type === 'message' && data.message === text, since);
    await socket.waitFor(({ frames }) => frames.slice(-100).some((frame) => frame.includes?.(text)));
  }

  /** Does the socket still join rooms and get messages? */
  async serves(socket, user, room = `${this.prefix}_serves`) {
    const text = `s${randomBytes(6).toString('hex')}`;
    socket.emit('room.join', room);
    socket.emit('message', message(user, room, text));
    const frame = await socket.next((f) => typeof f === 'string' && f.includes(text), 1500).catch(() => ({}));
    return frame.closed === undefined && typeof frame === 'string';
  }

  stored(room) {
    return this.client.zrange(`room:${room}`, 0, -1);
  }

  online(user) {
    return this.client.sismember('online_users', String(user.id ?? user));
  }

  /** Until `check()` holds. */
  async eventually(check, what = 'condition', ms = 10_000) {
    const deadline = Date.now() + ms;
    while (!(await check())) {
      if (Date.now() > deadline) throw new Error(`${what}: not so within ${ms} ms`);
      await sleep(20);
    }
  }

  /** Replaces what differs from run to run. */
  clean(value) {
    if (Array.isArray(value)) return value.map((item) => this.clean(item));
    if (value && typeof value === 'object') {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.clean(item)]));
    }
    if (typeof value !== 'string') return value;
    let text = value.replace(/("sid\\?":\\?")[\w-]{16,}/g, '$1<sid>');
    for (const { id, tag } of this.users.values()) text = text.replaceAll(String(id), `<${tag}>`);
    return text;
  }

  async close() {
    await Promise.all(this.sockets.map((socket) => socket.close()));
    // Leaving must be over before the next case looks at who is online.
    const mine = [...this.users.keys()];
    if (mine.length > 0 && this.server.alive()) {
      await this.eventually(async () => (await this.client.smismember('online_users', ...mine)).every((on) => on === 0), 'all gone', 3000)
        .catch(() => {});
    }
  }
}

/**
 * Registers a file's Redis and server; `group` names its recordings. Gives
 * `scenario(id, run, options)`: `run(world, t)` returns what is compared with the recording, if there is one.
 * `or(observed)`: what else may be shown; a lax scenario without it need only run to
 * its end. `deviation`: not on the original. `needs`: capabilities without which it makes no sense.
 */
export function suite(group = [], { env, redisArgs = [] } = {}) {
  const fixture = Object.assign({}, ...[group].flat().map(recordings));
  const shared = {};
  let registered = false;
  function register() {
    registered = true;
    before(async () => {
      shared.redis = await startRedis({ args: redisArgs });
      await furnish(shared.redis.client);
      shared.bus = await Bus.open(shared.redis);
      shared.server = await startServer({ redis: shared.redis, env });
    });
    after(async () => {
      await shared.server?.kill();
      await shared.redis?.stop('SIGKILL');
    });
  }

  function scenario(id, run, { or, deviation = false, needs = [], timeout = CASE_TIMEOUT } = {}) {
    if ((deviation && isUpstream) || !needs.every(has)) return;
    // Only now: hooks of a file without cases would start a server that nothing ends.
    if (!registered) register();
    test(id, { timeout }, async (t) => {
      const world = new World({ ...shared, id });
      const recorded = fixture[id];
      try {
        const observed = world.clean(await run(world, t));
        if (recorded?.observed !== undefined) compare(observed, recorded, or);
        assert.ok(shared.server.alive(), 'the server ended');
      } finally {
        await world.close();
      }
    });
  }
  /** Ends the server and brings it back on the same port. `meanwhile()` runs in between. */
  async function restart({ signal = 'SIGKILL', meanwhile = () => {} } = {}) {
    await shared.server.stop(signal);
    await meanwhile();
    shared.server = await startServer({ redis: shared.redis, env, port: shared.server.port });
  }

  return { scenario, shared, fixture, restart };
}

function compare(observed, recorded, or) {
  const got = JSON.parse(JSON.stringify(observed));
  if (isUpstream) {
    // The recordings are of this server: nothing else will do, lax or not.
    assert.deepEqual(got, recorded.observed);
  } else if (recorded.lax && or === undefined) {
    // Measured, but no client depends on it: it is enough that the case ran to its end.
  } else if (or === undefined || !or(got)) {
    assert.deepEqual(got, recorded.observed);
  }
}
