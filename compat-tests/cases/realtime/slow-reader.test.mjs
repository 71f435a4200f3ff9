// Readers that do not keep up: they lose their connection, never a part of the stream,
// and nobody else notices (realtime.md §10.2).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe } from 'node:test';
import { RawWs } from '../../lib/rt-rawws.mjs';
import { gapless, numbersOf, publishNumbers, series, whole } from '../../lib/rt-series.mjs';
import { suite } from '../../lib/rt-world.mjs';

const MEBI = 1 << 20;
const left = (id) => (frame) => typeof frame === 'string' && frame.includes('user.disconnected') && frame.includes(`"id":${id}`);

/** Publishes `count` numbers, never far ahead of `fast`: what it has not read is not its fault. */
async function flood(world, fast, count, size) {
  const batch = Math.max(1, Math.floor((2 * MEBI) / 4 / size));
  for (let from = 0; from < count; from += batch) {
    const to = Math.min(from + batch, count);
    await publishNumbers(world.client, from, to, { size });
    const last = `42["n","${to - 1} `;
    await fast.waitFor(({ frames }) => frames.some((frame) => typeof frame === 'string' && frame.startsWith(last)), 20_000);
    // Only the numbers count: the rest need not be kept.
    fast.frames.forEach((frame, i) => {
      if (frame.startsWith?.('42["n","')) fast.frames[i] = `${frame.slice(0, 20).split(' ')[0]}"]`;
    });
  }
}

/** A fast reader, and `slow` of user `a`, who is announced as gone when it is cut off. */
async function readers(world, openSlow) {
  const [a, b] = [await world.user('a'), await world.user('b')];
  const fast = await world.ws({ user: b });
  const slow = await openSlow(a);
  return { a, fast, slow };
}

/** After the flood: `a` is gone for everybody, the fast reader has it all. */
async function cutOff(world, { a, fast }, count, mark) {
  await world.bus.presence('user.disconnected', a.id, mark, 5000);
  await fast.waitFor(({ frames }) => frames.some(left(a.id)));
  await world.eventually(async () => (await world.online(a)) === 0);
  assert.deepEqual(series(numbersOf(fast.frames), count), whole(count));
}

const pausedWs = (world) => async (user) => {
  const ws = await world.ws({ user });
  ws.pause();
  return ws;
};

describe('default bounds', () => {
  const { scenario } = suite('load');

  scenario('bp.slow-reader-10000x4096', async (world) => {
    const { slow, fast } = await readers(world, pausedWs(world));
    await flood(world, fast, 10_000, 4096);
    slow.resume();
    await slow.waitFor(({ frames }) => frames.some((frame) => frame.startsWith?.('42["n","9999 ')), 20_000);
    const numbers = numbersOf(slow.frames);
    const slowOk = gapless(numbers) && (numbers.length === 10_000 || slow.closed !== undefined);
    return { fast: series(numbersOf(fast.frames), 10_000), slowOk };
  }, { timeout: 60_000 });
});

describe('a small bound in bytes', () => {
  const { scenario, shared } = suite([], { env: { QUEUE_BYTES: String(MEBI) } });
  const deviation = (id, run) => scenario(id, run, { deviation: true, timeout: 60_000 });
  const [count, size] = [1000, 65_536];

  deviation('bp.bound-websocket', async (world) => {
    const all = await readers(world, pausedWs(world));
    const mark = world.bus.mark();
    await flood(world, all.fast, count, size);
    await cutOff(world, all, count, mark);
    // What it reads now is the beginning of the stream, and then the end of the connection.
    all.slow.resume();
    await all.slow.closing();
    const numbers = numbersOf(all.slow.frames);
    assert.ok(numbers.length < count && gapless(numbers) && (numbers[0] ?? 0) === 0, `${numbers.length}`);
  });

  deviation('bp.bound-tcp-stuck', async (world) => {
    // Not a byte is read, not even the answer to a close frame.
    const all = await readers(world, async (user) => {
      const since = world.bus.mark();
      const raw = world.watch(await RawWs.open(world.base, { cookie: user.cookie }));
      raw.send('40');
      await world.bus.presence('user.connected', user.id, since);
      raw.pause();
      return raw;
    });
    const mark = world.bus.mark();
    await flood(world, all.fast, count, size);
    await cutOff(world, all, count, mark);
  });

  deviation('bp.bound-polling-absent', async (world) => {
    const all = await readers(world, (user) => world.polling({ user, loop: false }));
    const mark = world.bus.mark();
    await flood(world, all.fast, count, size);
    await cutOff(world, all, count, mark);
    const { status, text } = await all.slow.get();
    assert.deepEqual([status, text], [400, '{"code":1,"message":"Session ID unknown"}']);
  });

  deviation('bp.bound-probing', async (world) => {
    // During the upgrade window everything waits for the websocket (§4.2): the same bound.
    const all = await readers(world, async (user) => {
      const client = await world.polling({ user, loop: false });
      const ws = await world.ws({ sid: client.sid, ns: false });
      ws.send('2probe');
      await ws.next();
      return client;
    });
    const mark = world.bus.mark();
    await flood(world, all.fast, count, size);
    await cutOff(world, all, count, mark);
  });

  deviation('bp.memory', async (world) => {
    const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${shared.server.pid}/status`, 'latin1'))[1]) * 1024;
    const fast = await world.ws();
    const before = rss();
    for (let i = 0; i < 20; i += 1) (await world.ws()).pause();
    await flood(world, fast, count, size);
    assert.deepEqual(series(numbersOf(fast.frames), count), whole(count));
    // Twenty times the bound and some room; without a bound it would be 1.3 GB.
    assert.ok(rss() - before < 200 * MEBI, `${rss() - before} bytes more`);
  });
});

describe('a small bound in packets', () => {
  const { scenario } = suite([], { env: { QUEUE_PACKETS: '1000', QUEUE_BYTES: String(512 * MEBI) } });

  scenario('bp.bound-packets', async (world) => {
    const all = await readers(world, pausedWs(world));
    const mark = world.bus.mark();
    await flood(world, all.fast, 8000, 4096);
    await cutOff(world, all, 8000, mark);
  }, { deviation: true, timeout: 60_000 });
});

describe('a write that stands still', () => {
  const { scenario } = suite([], { env: { STALL_TIMEOUT: '2', QUEUE_BYTES: String(512 * MEBI) } });

  scenario('bp.stalled-write', async (world) => {
    // Far below the bound, and nothing more comes: the stand-still alone ends it, long before the heartbeat.
    const all = await readers(world, pausedWs(world));
    const mark = world.bus.mark();
    await flood(world, all.fast, 300, 65_536);
    await world.bus.presence('user.disconnected', all.a.id, mark, 12_000);
    assert.equal(await world.online(all.a), 0);
  }, { deviation: true, timeout: 60_000 });
});
