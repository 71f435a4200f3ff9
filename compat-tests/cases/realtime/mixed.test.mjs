// Two servers on one Redis: of the target, of the original's double, and one of each;
// PEER_CMD makes the other one something else (realtime.md §9, §12.1).
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Polling, request } from '../../lib/engine.mjs';
import { startRedis } from '../../lib/redis.mjs';
import { Bus } from '../../lib/rt-bus.mjs';
import { clusters, startOne } from '../../lib/rt-peer.mjs';
import { series, whole } from '../../lib/rt-series.mjs';
import { connected, once, stock } from '../../lib/rt-stock.mjs';
import { World, furnish, message, recordings } from '../../lib/rt-world.mjs';

const fixture = recordings('mixed');
const DIRECTIONS = [['ref', 'cand'], ['cand', 'ref']];
const presence = (frame) => /^42\["user\.(dis)?connected"/.test(frame);

for (const cluster of clusters()) describe(`${cluster.cand.name} beside ${cluster.ref.name}`, () => {
  let redis;
  let bus;
  /** `ref` and `cand`, as in the recordings. */
  const servers = {};

  before(async () => {
    redis = await startRedis();
    await furnish(redis.client);
    bus = await Bus.open(redis);
    servers.cand = await startOne(cluster.cand, redis);
    servers.ref = await startOne(cluster.ref, redis);
  });

  after(async () => {
    await Promise.all(Object.values(servers).map((server) => server.kill()));
    await redis?.stop('SIGKILL');
  });

  /** Runs `run(world)`; what it returns is compared with the recording. */
  function mixed(id, run, { timeout = 30_000 } = {}) {
    test(id, { timeout }, async () => {
      const world = new World({ redis, server: servers.cand, bus, id });
      try {
        const observed = await run(world);
        if (fixture[id]) assert.deepEqual(JSON.parse(JSON.stringify(observed)), fixture[id].observed);
        assert.ok(servers.ref.alive() && servers.cand.alive(), 'a server ended');
      } finally {
        await world.close();
      }
    });
  }

  /** `run(from, to, round)` for both directions, by the recordings' names. */
  async function bothWays(run) {
    const observed = {};
    for (const [from, to] of DIRECTIONS) observed[`${from}->${to}`] = await run(servers[from], servers[to], `${from}${to}`);
    return observed;
  }

  mixed('mixed.session-both-ways', (world) => bothWays(async (from, to) => {
    // Registered on one server, known to the other as soon as the answer is complete.
    const username = `both ways ${from.port}`;
    const answer = await request(from.base, {
      method: 'POST', path: '/login', body: JSON.stringify({ username, password: 'p' }), headers: { 'content-type': 'application/json' },
    });
    const cookie = answer.headers['set-cookie'][0].split(';')[0];
    const me = JSON.parse((await request(to.base, { path: '/me', headers: { cookie } })).text);
    const watcher = await world.ws({ base: from.base });
    await world.ws({ cookie, base: to.base });
    const [user] = await watcher.event('user.connected');
    return { seen: user.username === username, me: me.username === username };
  }));

  mixed('mixed.presence', (world) => bothWays(async (from, to, round) => {
    const user = await world.user(round);
    const [near, far] = [await world.ws({ base: from.base }), await world.ws({ base: to.base })];
    await world.startCounting(near, far);
    const socket = await world.ws({ user, base: from.base });
    await socket.close();
    for (const watcher of [near, far]) await watcher.next((frame) => frame.includes('user.disconnected'));
    await world.fence(near, far);
    const frames = far.events().filter(presence);
    return { n: frames.length, equal: JSON.stringify(frames) === JSON.stringify(near.events().filter(presence)) };
  }));

  mixed('mixed.show-room', (world) => bothWays(async (from, to, round) => {
    const [a, b] = [await world.user(`${round}a`), await world.user(`${round}b`)];
    const room = `${a.id}:${b.id}`;
    const sender = await world.ws({ user: a, base: from.base });
    const far = await world.ws({ base: to.base });
    await world.startCounting(far);
    sender.emit('message', message(a, room, 'first'));
    await far.next((frame) => frame.startsWith('42["message"'));
    const frames = far.events().filter((frame) => !presence(frame)).map((frame) => JSON.parse(frame.slice(2)));
    const names = JSON.stringify(frames[0][1]) === JSON.stringify({ id: room, names: [[a.username], [b.username]] });
    return `${frames.map(([event]) => event).join()} ${names}`;
  }));

  mixed('mixed.5000-each-way', async (world) => {
    const COUNT = 5000;
    await redis.client.set('room:big:name', 'big');
    const [u, v] = [await world.user('u'), await world.user('v')];
    const all = {
      atRef: await world.ws({ user: u, rooms: ['big'], base: servers.ref.base }),
      atCand: await world.ws({ user: v, rooms: ['big'], base: servers.cand.base }),
    };
    await world.startCounting(all.atRef, all.atCand);
    const first = new Map(Object.values(all).map((socket) => [socket, socket.frames.length]));
    // Dates of their own, so that each message is stored.
    for (let n = 0; n < COUNT; n += 1) {
      all.atRef.emit('message', message(u, 'big', String(n), n));
      all.atCand.emit('message', message(v, 'big', String(n), n));
      if (n % 200 === 199) await redis.client.ping();
    }
    const numbers = (socket, { id }) => {
      const own = `42["message",{"from":"${id}"`;
      return socket.frames.filter((frame) => frame.startsWith(own)).map((frame) => Number(JSON.parse(frame.slice(2))[1].message));
    };
    const observed = {};
    for (const [name, socket] of Object.entries(all)) {
      // On time-out the comparison says what is missing.
      await socket.waitFor(({ frames }) => frames.length - first.get(socket) >= 2 * COUNT, 25_000).catch(() => {});
      for (const [tag, user] of Object.entries({ u, v })) {
        const got = series(numbers(socket, user), COUNT);
        observed[`${name}.${tag}`] = JSON.stringify(got) === JSON.stringify(series(Array.from({ length: COUNT }, (_, n) => n), COUNT)) ? 'all in order' : got;
      }
    }
    return { ...observed, stored: (await world.stored('big')).length };
  }, { timeout: 60_000 });

  mixed('mixed.no-echo', async (world) => {
    const [a, b] = [await world.user('a'), await world.user('b')];
    const atA = await world.ws({ user: a, rooms: ['0'], base: servers.ref.base });
    const atB = await world.ws({ user: b, rooms: ['0'], base: servers.cand.base });
    const observed = {};
    for (const [name, sender, user] of [['a', atA, a], ['b', atB, b]]) {
      await world.startCounting(atA, atB);
      const since = bus.mark();
      sender.emit('message', message(user, '0', `echo ${name}`));
      for (const socket of [atA, atB]) await socket.next((frame) => frame.includes(`echo ${name}`));
      await world.settled(sender, user);
      await world.fence(atA, atB);
      observed[name] = bus.since(since).length;
      for (const socket of [atA, atB]) assert.equal(socket.events().filter((frame) => frame.includes('echo')).length, 1);
    }
    return observed;
  });

  mixed('mixed.envelope', async (world) => {
    const shapes = [];
    const ids = new Set();
    for (const server of [servers.ref, servers.cand]) {
      const user = await world.user(`on${server.port}`);
      const since = bus.mark();
      const ws = await world.ws({ user, base: server.base });
      ws.emit('message', message(user, '0', 'é<'));
      await bus.next(({ type }) => type === 'message', since);
      await ws.close();
      await bus.presence('user.disconnected', user.id, since);
      // Someone of an earlier scenario may be leaving still.
      const own = bus.since(since).filter(({ type, text }) => type === 'message' || text.includes(user.username));
      shapes.push(own.map(({ text, serverId }) => {
        ids.add(serverId);
        return text.replace(serverId, '<server>').replaceAll(String(user.id), '<id>').replace(user.username, '<name>');
      }));
    }
    assert.equal(ids.size, 2, 'each has an id of its own');
    return { equal: JSON.stringify(shapes[0]) === JSON.stringify(shapes[1]), n: shapes[0].length };
  });

  mixed('mixed.switch-server', (world) => bothWays(async (from, to, round) => {
    const [user, w] = [await world.user(round), await world.user(`${round}w`)];
    const tab = async (base) => {
      const since = bus.mark();
      const client = stock(base, { cookie: user.cookie, events: ['message'] });
      world.sockets.push({ close: client.shut });
      await connected(client);
      await bus.presence('user.connected', user.id, since);
      client.emit('room.join', round);
      return client;
    };
    (await tab(from.base)).close();
    await world.eventually(async () => (await world.online(user)) === 0);
    const watcher = await world.ws({ user: w, base: from.base });
    await world.startCounting(watcher);
    const moved = await tab(to.base);
    moved.emit('message', message(user, round, 'moved'));
    await once(moved, 'message');
    await world.fence(watcher);
    const seen = watcher.events().filter(presence).map((frame) => JSON.parse(frame.slice(2))[0]);
    const observed = { connected: moved.connected, got: moved.log.filter(Array.isArray).map(([, data]) => data.message), seen };
    moved.close();
    return observed;
  }));

  mixed('mixed.stale-sid', () => bothWays(async (from, to) => {
    const client = await new Polling(from.base).open();
    client.base = to.base;
    const answers = [await client.get(), await client.post('40')];
    client.base = from.base;
    await client.close();
    return answers.map(({ status, text }) => `${status} ${text}`).join(' ');
  }));

  mixed('mixed.private-conversation', async (world) => {
    // Both sides of a new private room on different servers: complete, in order, show.room before the first message.
    const [u, v] = [await world.user('u'), await world.user('v')];
    const room = `${u.id}:${v.id}`;
    const atRef = await world.ws({ user: u, rooms: [room], base: servers.ref.base });
    const atCand = await world.ws({ user: v, rooms: [room], base: servers.cand.base });
    await world.startCounting(atRef, atCand);
    for (let n = 0; n < 100; n += 1) {
      atRef.emit('message', message(u, room, String(n), n));
      await atCand.next((frame) => frame.startsWith(`42["message",{"from":"${u.id}"`));
      atCand.emit('message', message(v, room, String(n), n));
      await atRef.next((frame) => frame.startsWith(`42["message",{"from":"${v.id}"`));
    }
    const own = (socket, user) => socket.events().filter((frame) => frame.startsWith(`42["message",{"from":"${user.id}"`))
      .map((frame) => Number(JSON.parse(frame.slice(2))[1].message));
    // The last one back to its own sender.
    await atCand.waitFor(() => own(atCand, v).length >= 100);
    // The last echo on its own server may come after its arrival on the other one.
    await world.eventually(() => own(atRef, u).length >= 100 && own(atCand, v).length >= 100);
    for (const socket of [atRef, atCand]) {
      for (const user of [u, v]) assert.deepEqual(series(own(socket, user), 100), whole(100));
    }
    assert.match(atCand.events()[0], /^42\["show\.room"/);
    assert.equal((await world.stored(room)).length, 200);
  });
});
