// Who is online, counted over the servers on one Redis: tabs on several of them, servers that stop, are killed or lose
// their link, and a Node server that counts nothing (realtime.md §8.2, §8.6).
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fence, heard, message, random, useSafe } from '../../lib/safe.mjs';
import { Person } from '../../lib/embedded.mjs';
import { nodePeer } from '../../lib/rt-peer.mjs';
import { patiently, witnesses as watch } from '../../lib/presence.mjs';
import { startRedis } from '../../lib/redis.mjs';
import { startProxy } from '../../lib/rt-proxy.mjs';
import { launch } from '../../lib/target.mjs';

/** Seconds. A killed server's users are offline a third of it later at the latest. */
const LEASE = 1.5;
const SETTLED = LEASE * 1000 * 2;
const env = { PRESENCE_LEASE: String(LEASE) };
const beside = {};
const t = useSafe({
  env,
  async further({ start, redis }) {
    beside.proxy = await startProxy(redis.port);
    beside.safe = await start({ env: { ...env, SERVER_ID: 'other:1' } });
    beside.cut = await start({ env: { ...env, SERVER_ID: 'cut:1' }, redis: beside.proxy });
    if (nodePeer) beside.node = await start({ commandLine: nodePeer.commandLine, env: { SERVER_ID: 'node:1' } });
  },
});

after(() => beside.proxy?.stop());

const isOnline = async ({ id }) => (await t.redis.client.sismember('online_users', String(id))) === 1;
const leases = () => t.redis.client.zrange('rs:leases', 0, -1);

const witnesses = (...bases) => watch(t, bases, SETTLED + 5000);
const person = async () => {
  const one = await t.newcomer();
  return Object.assign(one, { at: (base) => t.socket(one, { base }) });
};

/** Runs the command on the file's Redis. */
async function rebuild(args = [], redis = t.redis) {
  const run = await launch({ redis, env: { PORT: undefined, STORE: undefined }, args: ['rebuild-presence', ...args] });
  const code = await run.ended();
  return { code, said: run.stdout(), words: run.stderr() };
}

describe('tabs on two servers', () => {
  test('the first one of a person is announced everywhere, and the last one', async () => {
    const [one, all] = [await person(), await witnesses(t.server.base, beside.safe.base)];
    const here = await one.at(t.server.base);
    await all.hear(one, '+');
    const there = await one.at(beside.safe.base);
    const second = await one.at(beside.safe.base);
    await here.close();
    await second.close();
    assert.deepEqual(await all.of(one), ['+', '+']);
    assert.ok(await isOnline(one));
    await there.close();
    await all.hear(one, '+-');
    assert.equal(await isOnline(one), false);
  });
  test('one after the other on both is two comings and two goings', async () => {
    const [one, all] = [await person(), await witnesses(t.server.base, beside.safe.base)];
    for (const base of [t.server.base, beside.safe.base]) {
      const socket = await one.at(base);
      await socket.close();
      await patiently(async () => assert.equal(await isOnline(one), false));
    }
    await all.hear(one, '+-+-');
  });
});

describe('a server that ends', () => {
  test('killed: its people are offline, announced once; who has another tab stays', async () => {
    const doomed = await t.start({ env: { ...env, SERVER_ID: 'doomed:1' } });
    const [gone, stays, back] = [await person(), await person(), await person()];
    const all = await witnesses(t.server.base, beside.safe.base);
    for (const one of [gone, stays, back]) await one.at(doomed.base);
    await stays.at(t.server.base);
    assert.equal((await leases()).length, 4);
    await doomed.kill();
    t.forget(doomed);
    // Before the lease has ended: a page that finds another server.
    await back.at(beside.safe.base);
    await all.hear(gone, '+-');
    assert.equal(await isOnline(gone), false);
    await patiently(async () => assert.equal((await leases()).length, 3), SETTLED);
    for (const one of [stays, back]) {
      assert.ok(await isOnline(one));
      assert.deepEqual(await all.of(one), ['+', '+']);
    }
    assert.deepEqual(await all.of(gone), ['+-', '+-']);
    assert.deepEqual((await t.redis.client.keys('rs:held:*')).filter((key) => key.includes('doomed')), []);
  });
  test('stopped: its people are offline, and its lease is gone at once', async () => {
    const leaving = await t.start({ env: { ...env, SERVER_ID: 'leaving:1' } });
    const [one, all] = [await person(), await witnesses(t.server.base, beside.safe.base)];
    await one.at(leaving.base);
    await all.hear(one, '+');
    assert.equal(await leaving.stop(), 0);
    t.forget(leaving);
    assert.equal((await leases()).length, 3);
    await all.hear(one, '+-');
    assert.deepEqual((await t.redis.client.keys('rs:held:*')).filter((key) => key.includes('leaving')), []);
  });
  test('cut off for longer than its lease: its people go, and come back with it', async () => {
    const [one, all] = [await person(), await witnesses(t.server.base)];
    const inside = await witnesses(beside.cut.base);
    await one.at(beside.cut.base);
    await all.hear(one, '+');
    const elsewhere = await person();
    beside.proxy.refuse();
    await all.hear(one, '+-');
    const socket = await elsewhere.at(t.server.base);
    beside.proxy.accept();
    await all.hear(one, '+-+');
    assert.ok(await isOnline(one));
    // Who sees them there is not told otherwise.
    assert.deepEqual(await inside.of(one), ['+']);
    // What happened meanwhile is told late there.
    await inside.hear(elsewhere, '+');
    beside.proxy.refuse();
    await socket.close();
    await patiently(async () => assert.equal(await isOnline(elsewhere), false));
    beside.proxy.accept();
    await inside.hear(elsewhere, '+-');
  });
});

test('Redis away for longer than a lease, and nobody leaves: nothing is announced', async () => {
  const redis = await startRedis();
  const proxy = await startProxy(redis.port);
  try {
    const bases = [];
    for (const id of ['one:1', 'two:1', 'doomed:3']) {
      bases.push(await t.start({ env: { ...env, SERVER_ID: id }, redis: proxy }));
    }
    const doomed = bases.pop();
    const sockets = [];
    const people = [];
    for (const { base } of [...bases, doomed]) {
      const one = await Person.signIn(base, random(), 'a password');
      people.push(one);
      sockets.push(await t.socket(one, { base }));
    }
    const gone = people.pop();
    sockets.pop();
    await sleep(LEASE * 1000);
    for (const socket of sockets) await fence(socket);
    const before = sockets.map((socket) => socket.frames.length);
    const said = () => sockets.map(({ frames }, at) => heard({ frames: frames.slice(before[at]) }, 'user.connected', 'user.disconnected')
      .map(([event, { id }]) => `${event} ${id}`));
    proxy.refuse();
    await sleep(LEASE * 2000);
    proxy.accept();
    await sleep(SETTLED);
    for (const socket of sockets) await fence(socket);
    assert.deepEqual(said(), [[], []]);
    // One that is killed meanwhile is found out, later.
    proxy.refuse();
    await doomed.kill();
    t.forget(doomed);
    await sleep(LEASE * 2000);
    proxy.accept();
    const bye = [`user.disconnected ${gone.id}`];
    await patiently(async () => assert.deepEqual(said(), [bye, bye]), SETTLED + 5000);
    assert.deepEqual((await redis.client.smembers('online_users')).sort(), people.map(({ id }) => String(id)).sort());
    for (const server of bases) {
      await server.kill();
      t.forget(server);
    }
  } finally {
    await proxy.stop();
    await redis.stop('SIGKILL');
  }
});

describe('somebody else changes the set', () => {
  test('who is taken out by hand is back with the next message, and announced', async () => {
    const [one, all] = [await person(), await witnesses(t.server.base, beside.safe.base)];
    const socket = await one.at(t.server.base);
    await all.hear(one, '+');
    await t.redis.client.srem('online_users', String(one.id));
    await socket.emit('message', message(one, '0', random()));
    await all.hear(one, '++');
    assert.ok(await isOnline(one));
  });
  test('who comes or goes while Redis takes no writes is counted when it does', async () => {
    const [comes, goes, all] = [await person(), await person(), await witnesses(t.server.base, beside.safe.base)];
    const socket = await goes.at(t.server.base);
    await all.hear(goes, '+');
    await t.redis.client.config('SET', 'maxmemory', '1');
    try {
      await socket.close();
      await comes.at(t.server.base);
      await sleep(200);
      assert.deepEqual([await isOnline(goes), await isOnline(comes)], [true, false]);
    } finally {
      await t.redis.client.config('SET', 'maxmemory', '0');
    }
    await all.hear(goes, '+-');
    await all.hear(comes, '+');
    assert.deepEqual([await isOnline(goes), await isOnline(comes)], [false, true]);
  });
  test('a session that is deleted elsewhere ends its sockets, and those of no other', async () => {
    const [one, other] = [await person(), await person()];
    const [socket, kept] = [await one.at(t.server.base), await other.at(t.server.base)];
    const sid = decodeURIComponent(one.cookie).match(/s:([^.]+)\./)[1];
    assert.equal(await t.redis.client.del(`sess:${sid}`), 1);
    assert.equal(await socket.next((frame) => frame === '41', SETTLED + 5000), '41');
    await sleep(LEASE * 1000);
    await fence(kept);
  });
  test('a session that ends of itself leaves its socket alone', async () => {
    const one = await person();
    const sid = decodeURIComponent(one.cookie).match(/s:([^.]+)\./)[1];
    await t.redis.client.expire(`sess:${sid}`, 2);
    const socket = await one.at(t.server.base);
    await sleep(2000 + LEASE * 1000);
    assert.equal(await t.redis.client.exists(`sess:${sid}`), 0);
    await fence(socket);
    assert.equal(socket.frames.includes('41'), false);
  });
});

if (nodePeer) describe('beside a Node server', () => {
  test('it takes out who is still here: corrected once', async () => {
    const [one, all] = [await person(), await witnesses(t.server.base, beside.safe.base, beside.node.base)];
    await one.at(t.server.base);
    await one.at(beside.safe.base);
    await all.hear(one, '+');
    const there = await one.at(beside.node.base);
    await all.hear(one, '++');
    await there.close();
    await all.hear(one, '++-+');
    assert.ok(await isOnline(one));
    await sleep(LEASE * 1000);
    assert.deepEqual(await all.of(one), ['++-+', '++-+', '++-+']);
  });
  for (const [what, come] of Object.entries({
    'a tab': async (one) => {
      await one.at(t.server.base);
      await one.at(beside.safe.base);
    },
    'a message': async (one, socket) => socket.emit('message', message(one, '0', random())),
  })) {
    test(`it takes somebody out, and says so behind ${what} of theirs: corrected once`, async () => {
      const [one, all] = [await person(), await witnesses(t.server.base, beside.safe.base)];
      const before = what === 'a message' ? await one.at(t.server.base) : await one.at(beside.node.base);
      await all.hear(one, '+');
      // What it does in two steps, which others may come between.
      await t.redis.client.srem('online_users', String(one.id));
      await come(one, before);
      await all.hear(one, '++');
      const data = { id: String(one.id), username: one.username, online: false };
      await t.redis.client.publish('MESSAGES', JSON.stringify({ serverId: 'node:1', type: 'user.disconnected', data }));
      await all.hear(one, '++-+');
      assert.ok(await isOnline(one));
      await sleep(LEASE * 1000);
      assert.deepEqual(await all.of(one), ['++-+', '++-+']);
    });
  }
  test('who is still there stays when the last tab here goes', async () => {
    const [one, all] = [await person(), await witnesses(t.server.base, beside.safe.base, beside.node.base)];
    const there = await one.at(beside.node.base);
    await all.hear(one, '+');
    const here = await one.at(t.server.base);
    await here.close();
    await sleep(LEASE * 1000);
    assert.deepEqual(await all.of(one), ['+', '+', '+']);
    assert.ok(await isOnline(one));
    await there.close();
    await all.hear(one, '+-');
  });
  test('nor does the death of one of ours take out who is there', async () => {
    const doomed = await t.start({ env: { ...env, SERVER_ID: 'doomed:2' } });
    const [one, all] = [await person(), await witnesses(t.server.base)];
    await one.at(doomed.base);
    await one.at(beside.node.base);
    await doomed.kill();
    t.forget(doomed);
    await patiently(async () => assert.equal((await leases()).length, 3), SETTLED + 5000);
    assert.ok(await isOnline(one));
    assert.deepEqual(await all.of(one), ['++']);
  });
  test('a log out there ends the sockets here', async () => {
    const there = await Person.signIn(beside.node.base, `node ${random()}`, 'a password');
    const socket = await t.socket(there);
    await there.ask('POST', '/logout');
    assert.equal(await socket.next((frame) => frame === '41', SETTLED + 5000), '41');
  });
});

describe('rebuild-presence', () => {
  if (nodePeer) test('refuses while a Node server listens, and changes nothing', async () => {
    await t.redis.client.sadd('online_users', '4711');
    const { code, words } = await rebuild();
    assert.equal(code, 1);
    assert.match(words, /1 server listens .* does not count .*--force.* Nothing was changed/s);
    assert.ok(await isOnline({ id: 4711 }));
  });
  test('takes out who is nowhere, with an announcement, and nobody else', async () => {
    const [ghost, one] = [await person(), await person()];
    await one.at(beside.safe.base);
    const all = await witnesses(t.server.base, beside.safe.base);
    await t.redis.client.sadd('online_users', String(ghost.id), 'nobody');
    const { code, said } = await rebuild(['--force']);
    assert.equal(code, 0);
    assert.match(said, /Taken out: \d+ \(.*\); \d+ online\./);
    await all.hear(ghost, '-');
    assert.deepEqual(await all.of(one), ['', '']);
    assert.ok(await isOnline(one));
    assert.equal(await isOnline(ghost), false);
    assert.match((await rebuild(['--force'])).said, /Nobody had to be taken out/);
  });
  test('takes out whom a killed server left, and says so, when no other runs', async () => {
    const redis = await startRedis();
    try {
      const last = await t.start({ env, redis });
      const one = await Person.signIn(last.base, random());
      await t.socket(one, { base: last.base });
      await last.kill();
      t.forget(last);
      await sleep(LEASE * 1000);
      const { code, said } = await rebuild([], redis);
      assert.deepEqual([code, said.trim()], [0, `Taken out: 1 (${one.id}); 0 online.`]);
      assert.deepEqual(await redis.client.keys('rs:held:*'), []);
    } finally {
      await redis.stop('SIGKILL');
    }
  });
});

if (nodePeer) test('a Node server that ended leaves nobody behind of whom was heard', async () => {
  const [one, all] = [await person(), await witnesses(t.server.base, beside.safe.base)];
  await one.at(beside.node.base);
  await all.hear(one, '+');
  await beside.node.kill();
  t.forget(beside.node);
  assert.ok(await isOnline(one));
  // Six beats.
  await patiently(async () => assert.equal(await isOnline(one), false), LEASE * 2000 + SETTLED + 5000);
  await all.hear(one, '+-');
  assert.equal(heard(await t.socket(), 'user.connected').length, 0);
});
