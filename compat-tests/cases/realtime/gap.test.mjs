// The link to Redis is lost, and other servers go on: what they stored and announced meanwhile is delivered when
// the link is back, once and in the order of the store (realtime.md §10.2; the original ends with its Redis).
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ownWorld } from '../../lib/rt-own.mjs';
import { numbersOf, series, whole } from '../../lib/rt-series.mjs';
import { message } from '../../lib/rt-world.mjs';
import { deviation } from '../../lib/target.mjs';

const LIMITS = { timeout: 60_000 };
const isShow = (frame) => frame.startsWith?.('42["show.room"');
const seconds = () => Date.now() / 1000;

/** Stores and announces `data` as a server elsewhere does: in one step, and not over the link that is lost. */
async function elsewhere(world, data) {
  const text = JSON.stringify(data);
  const envelope = `{"serverId":"elsewhere:1","type":"message","data":${text}}`;
  await world.client.multi().zadd(`room:${data.roomId}`, String(data.date), text).publish('MESSAGES', envelope).exec();
}

/** Somebody elsewhere who says a number every 20 ms until `stop()`, which gives how many. */
function talker(world, user, room) {
  let on = true;
  const talk = (async () => {
    let n = 0;
    for (; on; n += 1) {
      await elsewhere(world, message(user, room, String(n), seconds()));
      await sleep(20);
    }
    return n;
  })();
  return () => {
    on = false;
    return talk;
  };
}

const of = (user) => (frame) => frame.startsWith?.('42["message"') && frame.includes(`"from":"${user.id}"`);
const heard = (socket, user) => numbersOf(socket.frames.filter(of(user)));

const FAULTS = {
  'refused-1': { ms: 1_000, begin: 'refuse', end: 'accept' },
  'refused-10': { ms: 10_000, begin: 'refuse', end: 'accept' },
  // Nobody closes the link, as with a broken network: only the heartbeat tells.
  'stalled-8': { ms: 8_000, begin: 'stall', end: 'resume' },
};

describe('a gap', { concurrency: true }, () => {
  for (const [name, { ms, begin, end }] of Object.entries(FAULTS)) {
    deviation(`gap.${name}`, LIMITS, async (t) => {
      const world = await ownWorld(t);
      const [a, b, far] = [await world.user('a'), await world.user('b'), await world.user('far')];
      const ws = await world.ws({ user: a, rooms: ['0'] });
      const polling = await world.polling({ user: b, rooms: ['0'] });
      const stop = talker(world, far, '0');
      await world.eventually(() => heard(ws, far).length > 5);
      world.proxy[begin]();
      await sleep(ms / 2);
      // What its own users say comes back to them once, though it stands among what is read afterwards.
      for (let n = 0; n < 10; n += 1) await ws.emit('message', message(a, '0', String(n), seconds()));
      await sleep(ms / 2);
      world.proxy[end]();
      // Some time with the link restored, so that what is announced overlaps with what is read.
      await sleep(1500);
      const count = await stop();
      for (const socket of [ws, polling]) {
        await world.eventually(() => heard(socket, far).length >= count && heard(socket, a).length >= 10, 'everything', 15_000);
      }
      await world.fence(ws, polling);
      for (const socket of [ws, polling]) {
        assert.deepEqual(series(heard(socket, far), count), whole(count));
        assert.deepEqual(series(heard(socket, a), 10), whole(10));
      }
    });
  }

  deviation('gap.two', LIMITS, async (t) => {
    // Lost again while the first gap is filled.
    const world = await ownWorld(t);
    const [a, far] = [await world.user('a'), await world.user('far')];
    const ws = await world.ws({ user: a, rooms: ['0'] });
    const stop = talker(world, far, '0');
    await world.eventually(() => heard(ws, far).length > 5);
    for (let cut = 0; cut < 6; cut += 1) {
      world.proxy.refuse();
      await sleep(250);
      world.proxy.accept();
      await sleep(50 + 90 * cut);
    }
    await sleep(1000);
    const count = await stop();
    await world.eventually(() => heard(ws, far).length >= count, 'everything', 15_000);
    await world.fence(ws);
    assert.deepEqual(series(heard(ws, far), count), whole(count));
  });

  deviation('gap.dates', LIMITS, async (t) => {
    const world = await ownWorld(t);
    const [a, far] = [await world.user('a'), await world.user('far')];
    const ws = await world.ws({ user: a, rooms: ['0'] });
    // A server looks back to its own start at most.
    await sleep(3000);
    const texts = () => ws.frames.filter(of(far)).map((frame) => JSON.parse(frame.slice(2))[1].message);
    // Heard before the gap, and dated within what is read.
    await elsewhere(world, message(far, '0', 'before', seconds() - 5));
    await elsewhere(world, message(far, '0', 'from the future', seconds() + 60));
    await ws.waitFor(() => texts().length === 2);
    world.proxy.refuse();
    await sleep(500);
    // There is one message in the store for both; a reader of the history sees one too.
    const twice = message(far, '0', 'twice', seconds());
    await elsewhere(world, twice);
    await elsewhere(world, twice);
    await elsewhere(world, message(far, '0', 'a clock behind', seconds() - 2));
    await elsewhere(world, message(far, 'a room of nobody here', 'unheard', seconds()));
    await world.client.zadd('room:0', String(seconds()), 'no message at all');
    world.proxy.accept();
    await ws.waitFor(() => texts().length >= 4);
    await world.fence(ws);
    assert.deepEqual(texts(), ['before', 'from the future', 'a clock behind', 'twice']);
  });

  deviation('gap.ahead', LIMITS, async (t) => {
    // Messages of clocks that are ahead come once, also when their date comes long after they were heard.
    const world = await ownWorld(t, { env: { CATCHUP_SKEW: '1' } });
    const [a, far] = [await world.user('a'), await world.user('far')];
    const ws = await world.ws({ user: a, rooms: ['0'] });
    const texts = () => ws.frames.filter(of(far)).map((frame) => JSON.parse(frame.slice(2))[1].message);
    const began = seconds();
    for (const [text, ahead] of [['soon', 15], ['tomorrow', 86_400], ['milliseconds', 2e12]]) {
      await elsewhere(world, message(far, '0', text, Math.floor(began) + ahead));
    }
    await ws.waitFor(() => texts().length === 3);
    await sleep(14_500);
    // What was heard longer ago than eleven seconds is forgotten with this, if it is not dated ahead.
    await elsewhere(world, message(far, '0', 'now', seconds()));
    await ws.waitFor(() => texts().length === 4);
    world.proxy.refuse();
    await sleep(500);
    await elsewhere(world, message(far, '0', 'missed', seconds()));
    world.proxy.accept();
    await ws.waitFor(() => texts().length >= 5);
    await world.fence(ws);
    assert.deepEqual(texts(), ['soon', 'tomorrow', 'milliseconds', 'now', 'missed']);
  });

  deviation('gap.new-room', LIMITS, async (t) => {
    // A private room got its first message in the gap: the other one is shown it, once.
    const world = await ownWorld(t);
    const [a, far, old] = [await world.user('a'), await world.user('far'), await world.user('old')];
    const ws = await world.ws({ user: a, rooms: ['0'] });
    const rooms = [`${a.id}:${far.id}`, `${a.id}:${old.id}`];
    for (const room of rooms) await world.client.sadd(`user:${a.id}:rooms`, room);
    await elsewhere(world, message(old, rooms[1], 'long known', 1_700_000_000));
    await world.fence(ws);
    world.proxy.refuse();
    await sleep(500);
    await elsewhere(world, message(far, rooms[0], 'hello', seconds()));
    world.proxy.accept();
    const frame = await ws.next(isShow);
    assert.deepEqual(JSON.parse(frame.slice(2))[1], { id: rooms[0], names: [[a.username], [far.username]] });
    await world.fence(ws);
    assert.equal(ws.frames.filter(isShow).length, 1);
  });
});
