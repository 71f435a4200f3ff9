// The link to Redis is cut in the middle of what goes over it, again and again: every
// message is stored once, published exactly once, delivered once, all in order
// (realtime.md §10.1, §11). CHAOS_SEED repeats a run.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ownWorld } from '../../lib/rt-own.mjs';
import { numbersOf, series, whole } from '../../lib/rt-series.mjs';
import { message } from '../../lib/rt-world.mjs';
import { seeded } from '../../lib/seeded.mjs';
import { deviation } from '../../lib/target.mjs';

const MESSAGES = 200;
const CUTS = 20;

/**
 * Cuts one link or all of them at a byte that ten messages are sure to reach: they make
 * some 3 kB of requests and 1 kB of replies.
 */
function cutSomewhere(world, pick, direction) {
  const bytes = 1 + pick(direction === 'up' ? 2500 : 600);
  return world.proxy.cutAfterBytes(bytes, direction, { all: pick(2) === 0 });
}

/**
 * Sends the messages in twenty lots, and cuts the link at a random byte during each.
 * `room(n)` names the room of message `n`; `direction(pick)` the way in which bytes count.
 */
async function run(t, { room, direction }) {
  const { what, pick } = seeded(t);
  const world = await ownWorld(t);
  const [a, b] = [await world.user('a'), await world.user('b')];
  const rooms = [...new Set(Array.from({ length: MESSAGES }, (_, n) => room(n)))];
  const sender = await world.ws({ user: a });
  const receiver = await world.ws({ user: b, rooms });
  await world.settled(receiver, b);
  const since = world.bus.mark();
  const published = () => world.bus.since(since).filter(({ type, data }) => type === 'message' && data.from === String(a.id));

  let cuts = 0;
  for (let lot = 0; lot < CUTS; lot += 1) {
    const cut = cutSomewhere(world, pick, direction(pick)).then(() => (cuts += 1));
    const first = (lot * MESSAGES) / CUTS;
    for (let n = first; n < first + MESSAGES / CUTS; n += 1) {
      sender.emit('message', message(a, room(n), String(n), n));
      if (pick(3) === 0) await sleep(pick(4));
    }
    await Promise.race([cut, sleep(5000, undefined, { ref: false })]);
    // The next lot comes while the link is away, or just when it is back.
    await sleep(pick(300));
  }
  world.proxy.disarm();

  await world.eventually(() => published().length >= MESSAGES, `${what}: all published`, 30_000);
  await receiver.waitFor(({ frames }) => numbersOf(frames).length >= MESSAGES, 10_000);
  // A copy would come now.
  await world.settled(sender, a);
  await world.subscribed();
  await world.fence(receiver);
  assert.deepEqual(series(published().map(({ data }) => Number(data.message)), MESSAGES), whole(MESSAGES), `${what}: published`);
  assert.deepEqual(series(numbersOf(receiver.events()), MESSAGES), whole(MESSAGES), `${what}: delivered`);
  const stored = (await Promise.all(rooms.map((name) => world.stored(name)))).flat();
  assert.equal(stored.length, MESSAGES, `${what}: stored`);
  assert.equal(cuts, CUTS, what);
  assert.equal(sender.closed, undefined);
  return { world, since };
}

const LIMITS = { timeout: 90_000 };
const either = (pick) => (pick(2) === 0 ? 'up' : 'down');

describe('chaos', { concurrency: true }, () => {
  deviation('chaos.requests-cut', LIMITS, (t) => run(t, { room: () => '0', direction: () => 'up' }));
  deviation('chaos.replies-cut', LIMITS, (t) => run(t, { room: () => '0', direction: () => 'down' }));

  deviation('chaos.new-rooms', LIMITS, async (t) => {
    // Every fifth message opens a new room: show.room once each, before the first message there.
    const { world, since } = await run(t, { room: (n) => `c:${Math.floor(n / 5)}`, direction: either });
    const seen = new Set();
    const shown = new Set();
    for (const { type, data } of world.bus.since(since)) {
      if (type === 'show.room') shown.add(data.id);
      if (type === 'message' && data.roomId.startsWith('c:') && !seen.has(data.roomId)) {
        assert.ok(shown.has(data.roomId), `no show.room before ${data.roomId}`);
        seen.add(data.roomId);
      }
    }
  });

  deviation('chaos.same-text', LIMITS, async (t) => {
    // An equal member proves nothing: identical messages are stored once and announced each time.
    const { what, pick } = seeded(t);
    const world = await ownWorld(t);
    const a = await world.user('a');
    const ws = await world.ws({ user: a, rooms: ['0'] });
    const since = world.bus.mark();
    for (let lot = 0; lot < 10; lot += 1) {
      const cut = cutSomewhere(world, pick, either(pick));
      for (let n = 0; n < 10; n += 1) ws.emit('message', message(a, '0', '7'));
      await Promise.race([cut, sleep(5000, undefined, { ref: false })]);
      await sleep(pick(200));
    }
    world.proxy.disarm();
    const count = () => world.bus.since(since).filter(({ type }) => type === 'message').length;
    await world.eventually(() => count() >= 100, what, 30_000);
    await world.settled(ws, a);
    await world.subscribed();
    await world.fence(ws);
    assert.deepEqual([count(), numbersOf(ws.events()).length, (await world.stored('0')).length], [100, 100, 1], what);
  });

  deviation('chaos.comings-and-goings', LIMITS, async (t) => {
    // Users come and go over a link that is cut at random: in the end only who is there is online.
    const { what, pick } = seeded(t);
    const world = await ownWorld(t);
    const users = await Promise.all(Array.from({ length: 20 }, (_, i) => world.user(`u${i}`)));
    /** Who has waited too long for Redis is turned away, and comes again as a browser would. */
    async function join(user) {
      const ws = await world.ws({ user, ns: false });
      ws.send('40');
      const answer = await ws.next((frame) => frame.startsWith?.('40'), 20_000);
      return answer.closed === undefined ? ws : join(user);
    }
    const staying = [];
    const comeAndGo = users.map(async (user, i) => {
      for (let round = 0; round < 5; round += 1) {
        const ws = await join(user);
        await sleep(pick(400));
        // Who stays, stays in the last round.
        if (round === 4 && i % 2 === 0) staying.push(String(user.id));
        else await ws.close();
      }
    });
    for (let cuts = 0; cuts < 8; cuts += 1) {
      await Promise.race([cutSomewhere(world, pick, either(pick)), sleep(500)]);
      await sleep(300);
    }
    world.proxy.disarm();
    await Promise.all(comeAndGo);
    const online = async () => (await world.client.smembers('online_users')).sort().join();
    await world.eventually(async () => (await online()) === staying.sort().join(), `${what}: online are those who stayed`, 20_000);
  });
});
