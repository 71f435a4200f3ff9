// Redis goes away and comes back: the sockets stay, what they send is held in order and
// done once (realtime.md §11, §14; the original's process ends).
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Polling } from '../../lib/engine.mjs';
import { MEBI, rssOf } from '../../lib/hostile.mjs';
import { ownWorld } from '../../lib/rt-own.mjs';
import { gapless, numbersOf, series, whole } from '../../lib/rt-series.mjs';
import { message } from '../../lib/rt-world.mjs';
import { deviation } from '../../lib/target.mjs';

const LIMITS = { timeout: 60_000 };
const isShow = (frame) => frame.startsWith?.('42["show.room"');
const connectedFrame = (frame) => frame.startsWith?.('4');

/** The published messages of `user`, as numbers. */
const published = (world, user, since) => world.bus.since(since)
  .filter(({ type, data }) => type === 'message' && data.from === String(user.id)).map(({ data }) => Number(data.message));

/** Sends numbers `from` to `to` as messages. */
async function say(socket, user, room, from, to) {
  for (let n = from; n < to; n += 1) await socket.emit('message', message(user, room, String(n), n));
}

/** Everything `user` said arrived everywhere, once and in order. */
async function complete(world, user, room, count, { since, receivers }) {
  await world.eventually(() => published(world, user, since).length >= count, `${count} published`, 25_000);
  const own = (frame) => frame.includes?.(`"from":"${user.id}"`);
  for (const receiver of receivers) {
    await receiver.waitFor(({ frames }) => numbersOf(frames.filter(own)).length >= count);
    assert.deepEqual(series(numbersOf(receiver.frames.filter(own)), count), whole(count), 'delivered');
  }
  assert.deepEqual(series(published(world, user, since), count), whole(count), 'published');
  const stored = (await world.stored(room)).map((text) => JSON.parse(text)).filter(({ from }) => from === String(user.id));
  assert.deepEqual(series(stored.map(({ message: text }) => Number(text)), count), whole(count), 'stored');
}

describe('redis away', { concurrency: true }, () => {
  for (const durable of [true, false]) {
    deviation(durable ? 'away.killed' : 'away.killed-and-back-empty', LIMITS, async (t) => {
      const world = await ownWorld(t, { durable });
      const [a, b] = [await world.user('a'), await world.user('b')];
      const ws = await world.ws({ user: a, rooms: ['0'] });
      const polling = await world.polling({ user: b, rooms: ['0'] });
      const since = world.bus.mark();
      await world.redisDies();
      await sleep(300);
      // Known room, new private room; by both transports.
      await say(ws, a, '0', 0, 50);
      await say(polling, b, `${a.id}:${b.id}`, 0, 20);
      await sleep(1500);
      assert.deepEqual([ws.closed, polling.closed], [undefined, undefined], 'the sockets stay');
      assert.ok(world.server.alive());
      await world.redisReturns();
      await complete(world, a, '0', 50, { since, receivers: [ws, polling] });
      await complete(world, b, `${a.id}:${b.id}`, 20, { since, receivers: [] });
      await world.eventually(() => ws.frames.some(isShow));
      assert.equal(ws.frames.filter(isShow).length, 1);
      assert.ok(await world.serves(ws, a));
      // The subscription is back too, and so are the ones who were online.
      await world.subscribed();
      await world.publish('x', 1);
      for (const socket of [ws, polling]) await socket.next((frame) => frame === '42["x",1]');
      assert.deepEqual([await world.online(a), await world.online(b)], [1, 1]);
    });
  }

  deviation('away.stalled', LIMITS, async (t) => {
    // Redis does not answer, and nobody closes the link: as with a broken network.
    const world = await ownWorld(t);
    const a = await world.user('a');
    const ws = await world.ws({ user: a, rooms: ['0'] });
    const since = world.bus.mark();
    await say(ws, a, '0', 0, 20);
    world.proxy.stall();
    await say(ws, a, '0', 20, 40);
    await sleep(4000);
    await say(ws, a, '0', 40, 60);
    assert.equal(ws.closed, undefined);
    world.proxy.resume();
    await complete(world, a, '0', 60, { since, receivers: [ws] });
  });

  deviation('away.busy', LIMITS, async (t) => {
    // Redis answers, but somebody's script keeps it from doing anything.
    const world = await ownWorld(t);
    const [a, b] = [await world.user('a'), await world.user('b')];
    const ws = await world.ws({ user: a, rooms: ['0'] });
    const since = world.bus.mark();
    await say(ws, a, '0', 0, 10);
    const blocker = await world.redis.connect();
    await blocker.config('SET', 'lua-time-limit', '50');
    const script = blocker.eval('while true do end', 0).catch(() => {});
    await world.eventually(() => world.client.ping().then(() => false, ({ message: why }) => why.startsWith('BUSY')), 'busy');
    // Known room, new private room.
    await say(ws, a, '0', 10, 20);
    await say(ws, a, `${a.id}:${b.id}`, 20, 30);
    await sleep(1500);
    await world.client.script('KILL');
    await script;
    await world.eventually(() => published(world, a, since).length >= 30, 'all is published', 25_000);
    assert.deepEqual(series(published(world, a, since), 30), whole(30));
    assert.equal((await world.stored(`${a.id}:${b.id}`)).length, 10);
    assert.equal(ws.closed, undefined);
  });

  deviation('away.held-bounded', LIMITS, async (t) => {
    // Past the bound the server stops reading that socket, or closes it: nothing goes missing in between.
    const world = await ownWorld(t, { env: { HELD_EVENTS: '20' }, durable: true });
    const [a, b] = [await world.user('a'), await world.user('b')];
    const [eager, other] = [await world.ws({ user: a }), await world.ws({ user: b })];
    const since = world.bus.mark();
    await world.redisDies();
    await sleep(300);
    await say(eager, a, '0', 0, 500);
    await say(other, b, '0', 0, 10);
    await sleep(1000);
    await world.redisReturns();
    await world.eventually(() => published(world, b, since).length >= 10, 'the other one is served', 20_000);
    await world.eventually(() => published(world, a, since).length >= 500 || eager.closed !== undefined, 'all, or closed');
    const numbers = published(world, a, since);
    assert.ok(gapless(numbers) && (numbers[0] ?? 0) === 0, `${numbers.length} published`);
    assert.deepEqual(series(published(world, b, since), 10), whole(10));
  });

  deviation('away.held-bytes', LIMITS, async (t) => {
    // Past the bound over all sockets who sends more is told so and closed. What was taken is done, in order.
    const world = await ownWorld(t, { env: { COMPAT: 'safe', HELD_BYTES: '2000000', ROOM_BYTES: '800000' }, durable: true });
    const [a, b, c] = [await world.user('a'), await world.user('b'), await world.user('c')];
    // With COMPAT=safe nobody who is not signed in hears of them, so they join by themselves.
    const join = async (user) => {
      await world.client.sadd(`user:${user.id}:rooms`, '0');
      const ws = await world.ws({ user, ns: false });
      await ws.next((frame) => frame.startsWith?.('0{'));
      await ws.connectNs();
      return ws;
    };
    const [eager, joining, other] = [await join(a), await join(b), await join(c)];
    const since = world.bus.mark();
    await world.redisDies();
    await sleep(300);
    const before = rssOf(world.server.pid);
    for (let n = 0; n < 60 && eager.closed === undefined; n += 1) await eager.emit('message', { ...message(a, '0', String(n), n), more: 'x'.repeat(200_000) });
    await eager.closing(10_000);
    assert.deepEqual(eager.closed, { closed: 1013 });
    for (let n = 0; n < 60 && joining.closed === undefined; n += 1) await joining.emit('room.join', `${n}${'x'.repeat(700_000)}`);
    await joining.closing(10_000);
    assert.deepEqual(joining.closed, { closed: 1013 });
    // Longer than all names of a socket's rooms may be: refused without a look at the store.
    other.send(`427${JSON.stringify(['room.join', 'x'.repeat(999_000)])}`);
    assert.match(await other.next((frame) => frame.startsWith('437')), /too many rooms/);
    assert.ok(rssOf(world.server.pid) - before < 40 * MEBI, `${rssOf(world.server.pid) - before} bytes more`);
    await world.redisReturns();
    await world.eventually(() => published(world, a, since).length > 0, 'some were taken');
    await other.emit('message', message(c, '0', '1'));
    await world.eventually(() => published(world, c, since).length === 1, 'the other one is served');
    const numbers = published(world, a, since);
    assert.ok(gapless(numbers) && numbers[0] === 0 && numbers.length < 60, `${numbers}`);
  });

  deviation('away.who-left-holds-nothing', LIMITS, async (t) => {
    // A client whose event waits for Redis is remembered until that is done, but not the half of a further one.
    const world = await ownWorld(t, { env: { UNFINISHED_BYTES: '400000' }, durable: true });
    const [a, b] = [await world.user('a'), await world.user('b')];
    const sockets = [];
    for (let n = 0; n < 3; n += 1) sockets.push(await world.ws({ user: a }));
    const honest = await world.ws({ user: b });
    const since = world.bus.mark();
    await world.redisDies();
    await sleep(300);
    for (const [n, socket] of sockets.entries()) {
      await socket.emit('message', message(a, '0', String(n), n));
      socket.send(`451-["message",{"x":"${'x'.repeat(120_000)}"}]`);
    }
    await sleep(300);
    await Promise.all(sockets.map((socket) => socket.close()));
    honest.send(`451-["message",{"x":"${'x'.repeat(120_000)}"}]`);
    await sleep(1_000);
    assert.equal(honest.closed, undefined);
    await world.redisReturns();
    await world.eventually(() => published(world, a, since).length === 3, 'what they sent is done', 20_000);
  });

  deviation('away.connect-held', LIMITS, async (t) => {
    const world = await ownWorld(t, { durable: true });
    const a = await world.user('a');
    const anon = await world.ws();
    await world.redisDies();
    await sleep(300);
    const since = world.bus.mark();
    const [ws, polling] = [await world.ws({ user: a, ns: false }), await world.polling({ user: a, ns: false })];
    for (const socket of [ws, polling]) socket.send('40');
    await sleep(2000);
    assert.deepEqual([...ws.frames, ...polling.frames].filter(connectedFrame), [], 'held');
    await world.redisReturns();
    for (const socket of [ws, polling]) assert.match(await socket.next(connectedFrame), /^40\{"sid":/);
    // As the user of the cookie, not as nobody.
    await world.bus.presence('user.connected', a.id, since);
    await anon.next((frame) => frame.includes('user.connected') && frame.includes(a.username));
    assert.ok(await world.serves(ws, a));
  });

  deviation('away.connect-too-long', LIMITS, async (t) => {
    const world = await ownWorld(t, { durable: true });
    const a = await world.user('a');
    await world.redisDies();
    await sleep(300);
    const [ws, polling] = [await world.ws({ user: a, ns: false }), await world.polling({ user: a, ns: false })];
    const start = Date.now();
    for (const socket of [ws, polling]) socket.send('40');
    await Promise.all([ws.closing(20_000), polling.closing(20_000)]);
    assert.ok(Date.now() - start > 8000, 'it waits for Redis a while');
    // Neither an error, after which a stock client would not try again, nor an anonymous join.
    assert.deepEqual([...ws.frames, ...polling.frames].filter(connectedFrame), []);
    await world.redisReturns();
    const since = world.bus.mark();
    const again = await world.ws({ user: a, ns: false });
    again.send('40');
    assert.match(await again.next(connectedFrame), /^40/);
    await world.bus.presence('user.connected', a.id, since);
  });

  deviation('away.anonymous-connects', LIMITS, async (t) => {
    // Without a session there is nothing to ask Redis for.
    const world = await ownWorld(t);
    await world.redisDies();
    await sleep(300);
    assert.match(await (await world.ws({ ns: false })).connectNs(), /^40/);
    const polling = await new Polling(world.base).open();
    await polling.post('40');
    assert.match((await polling.get()).text, /^40/);
  });

  deviation('away.leave-goes-last', LIMITS, async (t) => {
    const world = await ownWorld(t, { durable: true });
    const a = await world.user('a');
    const watcher = await world.ws({ rooms: [] });
    const ws = await world.ws({ user: a });
    await world.fence(watcher);
    const since = world.bus.mark();
    await world.redisDies();
    await sleep(300);
    await say(ws, a, '0', 0, 20);
    await ws.close();
    await sleep(500);
    await world.redisReturns();
    await world.bus.presence('user.disconnected', a.id, since, 25_000);
    assert.deepEqual(series(published(world, a, since), 20), whole(20));
    assert.equal(world.bus.since(since).at(-1).type, 'user.disconnected');
    await world.eventually(async () => (await world.online(a)) === 0);
    await watcher.next((frame) => frame.includes('user.disconnected'));
  });

  deviation('away.subscription-lost', LIMITS, async (t) => {
    // Only the links are cut: afterwards what others publish is heard again.
    const world = await ownWorld(t);
    const ws = await world.ws();
    for (let round = 0; round < 3; round += 1) {
      const before = world.proxy.opened();
      world.proxy.cut();
      await world.eventually(() => world.proxy.opened() >= before + 2, 'both links are back');
      await world.subscribed();
      await world.publish(`round${round}`, 1);
      await ws.next((frame) => frame === `42["round${round}",1]`);
    }
    assert.equal(ws.closed, undefined);
  });
});
