// The links of a server to Redis are lost, or slow, in the moment when it matters for who is online and for what was
// announced meanwhile (realtime.md §8.2, §8.6, §10.2).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, fence, isMessage, message, random, useSafe } from '../../lib/safe.mjs';
import { patiently, witnesses as watch } from '../../lib/presence.mjs';
import { startProxy } from '../../lib/rt-proxy.mjs';

/** Seconds. */
const LEASE = 1.5;
const SETTLED = LEASE * 1000 * 2;
const env = { PRESENCE_LEASE: String(LEASE) };
const beside = {};
const t = useSafe({
  env,
  async further({ start }) {
    beside.safe = await start({ env: { ...env, SERVER_ID: 'other:1' } });
    // What is said in its name is said by a server that counts.
    await start({ env: { ...env, SERVER_ID: 'cut:1' } });
  },
});

const isOnline = async ({ id }) => (await t.redis.client.sismember('online_users', String(id))) === 1;
const witnesses = (...bases) => watch(t, bases, SETTLED + 5000);
const person = async () => {
  const one = await t.newcomer();
  return Object.assign(one, { at: (base) => t.socket(one, { base }) });
};

/** A server whose link to Redis `filter` may break, somebody on it, and who hears of them there and elsewhere. */
async function scene(filter, what, more = {}) {
  const proxy = await startProxy(t.redis.port, { filter });
  const server = await t.start({ env: { ...env, ...more, SERVER_ID: 'gap:1' }, redis: proxy });
  try {
    const [one, all] = [await person(), await witnesses(t.server.base, beside.safe.base)];
    const inside = await witnesses(server.base);
    const socket = await one.at(server.base);
    await all.hear(one, '+');
    // So that the next one needs no answer but that to its own writes.
    await ask(socket, 'message', message(one, '0', random()));
    await what({ proxy, server, one, all, inside, socket });
  } finally {
    await server.stop();
    t.forget(server);
    await proxy.stop();
  }
}

/** As a server with a lease does it. */
const takeOut = ({ id, username }) => {
  const text = JSON.stringify({ serverId: 'cut:1', type: 'user.disconnected', data: { id: String(id), username, online: false } });
  return t.redis.client.multi().srem('online_users', String(id)).publish('MESSAGES', text).exec();
};

async function isBackOnce({ one, all, inside, socket }) {
  await sleep(LEASE * 1000);
  assert.deepEqual(await all.of(one), ['+-+', '+-+']);
  assert.match((await inside.of(one))[0], /\+$/);
  assert.ok(await isOnline(one));
  await socket.close();
  await all.hear(one, '+-+-');
}

const end = ({ up, down }) => [up, down].forEach((side) => side.destroy());

/** Holds back the answers on the link over which `isIt` goes; `release()` lets them through. */
function delay(isIt) {
  const held = { chunks: [] };
  const filter = ({ direction, chunk, link }) => {
    if (!held.armed) return chunk;
    if (direction === 'up' && isIt(chunk.toString())) held.link ??= link;
    if (direction === 'up' || link !== held.link) return chunk;
    held.chunks.push(chunk);
    return null;
  };
  const release = () => {
    held.armed = false;
    held.chunks.forEach((chunk) => held.link.down.write(chunk));
  };
  return { held, filter, release };
}

test('somebody is taken out, and it does not hear itself put them back: announced once', async () => {
  let lose = false;
  const filter = ({ direction, chunk, link }) => {
    if (!lose || direction !== 'down' || !/"gap:1","type":"user.connected"/.test(chunk)) return chunk;
    lose = false;
    end(link);
    return null;
  };
  await scene(filter, async (here) => {
    lose = true;
    await takeOut(here.one);
    await here.all.hear(here.one, '+-+');
    assert.equal(lose, false);
    await isBackOnce(here);
  });
});

test('somebody is taken out, and it hears of that while it looks for what it missed: announced once', async () => {
  const { held, filter, release } = delay((text) => /SMEMBERS\r\n.*\r\nonline_users/.test(text));
  await scene(filter, async (here) => {
    held.armed = true;
    here.proxy.cut();
    await patiently(async () => assert.ok(held.link && held.chunks.length > 0));
    await takeOut(here.one);
    await here.socket.emit('message', message(here.one, '0', random()));
    await here.all.hear(here.one, '+-+');
    release();
    await isBackOnce(here);
  });
});

test('somebody is taken out, and the answer to their next message is lost: announced once', async () => {
  const [late, text] = [[], random()];
  let phase = 'before';
  let bus;
  let writes;
  const filter = ({ direction, chunk, link }) => {
    if (phase === 'before' || phase === 'over') return chunk;
    // What is announced comes a little later.
    if (direction === 'down' && (bus === link || (!bus && /user\.disconnected/.test(chunk)))) {
      bus = link;
      late.push(chunk);
      return null;
    }
    if (direction === 'up' && chunk.includes(text)) writes = link;
    if (direction === 'down' && link === writes && phase === 'armed') {
      phase = 'lost';
      end(link);
      return null;
    }
    return chunk;
  };
  await scene(filter, async (here) => {
    phase = 'armed';
    await takeOut(here.one);
    await here.all.hear(here.one, '+-');
    await patiently(async () => assert.ok(bus));
    await here.socket.emit('message', message(here.one, '0', text));
    await patiently(async () => assert.equal(phase, 'lost'));
    phase = 'over';
    late.forEach((chunk) => bus.down.write(chunk));
    await here.all.hear(here.one, '+-+');
    await isBackOnce(here);
  });
});

test('a message and the end of its tab wait for longer than the lease: gone once', async () => {
  await scene(undefined, async ({ proxy, one, all, socket }) => {
    proxy.refuse();
    await socket.emit('message', message(one, '0', random()));
    await socket.close();
    await all.hear(one, '+-');
    proxy.accept();
    await sleep(SETTLED + 2000);
    assert.deepEqual(await all.of(one), ['+-', '+-']);
    assert.equal(await isOnline(one), false);
    for (const key of await t.redis.client.keys('rs:held:gap:1*')) assert.equal(await t.redis.client.hexists(key, String(one.id)), 0);
  });
});

test('a Node server takes the name of one of ours that ended unheard: who is there stays', async () => {
  let refuses = false;
  let bus;
  const filter = ({ direction, chunk, link }) => {
    if (direction === 'up' && /SUBSCRIBE/i.test(chunk)) {
      if (refuses) {
        end(link);
        return null;
      }
      bus = link;
    }
    return chunk;
  };
  const leaving = await t.start({ env: { ...env, SERVER_ID: 'name:1' } });
  await scene(filter, async ({ server, one, socket }) => {
    refuses = true;
    const before = bus;
    end(bus);
    await leaving.stop();
    t.forget(leaving);
    await sleep(LEASE * 1000);
    refuses = false;
    await patiently(async () => assert.notEqual(bus, before));
    await sleep(100);
    const [other, around] = [await person(), await witnesses(server.base)];
    const data = { id: String(other.id), username: other.username, online: true };
    await t.redis.client.multi().sadd('online_users', String(other.id))
      .publish('MESSAGES', JSON.stringify({ serverId: 'name:1', type: 'user.connected', data })).exec();
    await around.hear(other, '+');
    const tab = await other.at(server.base);
    await tab.close();
    await socket.close();
    await patiently(async () => assert.equal(await isOnline(one), false));
    assert.ok(await isOnline(other));
    await t.redis.client.srem('online_users', String(other.id));
    await t.redis.client.publish('MESSAGES', JSON.stringify({ serverId: 'name:1', type: 'user.disconnected', data: { ...data, online: false } }));
  });
});

test('the answer to the end of a tab comes behind a tab elsewhere: online', async () => {
  const { held, filter, release } = delay((text) => text.includes('"gap:1","type":"user.disconnected"'));
  await scene(filter, async ({ one, all, inside, socket }) => {
    held.armed = true;
    await socket.close();
    await all.hear(one, '+-');
    await one.at(beside.safe.base);
    await all.hear(one, '+-+');
    await sleep(100);
    release();
    await sleep(LEASE * 1000);
    assert.match((await inside.of(one))[0], /\+$/);
    assert.ok(await isOnline(one));
  });
});

test('the answer to the clearing away of a dead server comes behind a tab elsewhere: online', async () => {
  let isItsTurn = false;
  const { held, filter, release } = delay((text) => text.includes('"gap:1","type":"user.disconnected"'));
  await scene(filter, async ({ inside }) => {
    // It clears away when it has been there for some beats. Others may be faster.
    await sleep(LEASE * 1500);
    for (let n = 0; n < 40 && !isItsTurn; n += 1) {
      const one = await person();
      const id = String(one.id);
      const server = `dead:${n}`;
      const data = { id, username: one.username, online: true };
      held.armed = true;
      await t.redis.client.multi()
        .zadd('rs:leases', 1, `${server}:x`).hset(`rs:held:${server}:x`, id, JSON.stringify({ ...data, online: false }))
        .publish('rs:control', JSON.stringify({ serverId: server, type: 'lease.begun', data: { server } }))
        .sadd('online_users', id).publish('MESSAGES', JSON.stringify({ serverId: server, type: 'user.connected', data }))
        .exec();
      await patiently(async () => assert.equal(await isOnline(one), false), SETTLED);
      isItsTurn = Boolean(held.link);
      if (!isItsTurn) continue;
      await one.at(beside.safe.base);
      await sleep(200);
      release();
      await sleep(LEASE * 1000);
      assert.match((await inside.of(one))[0], /\+$/);
      assert.ok(await isOnline(one));
    }
    assert.ok(isItsTurn);
  });
});

for (const what of ['is refused', 'was given up']) {
  test(`the subscription is lost again, and then the reading of what was missed ${what}: the next one fills the gap`, async () => {
    const { held, filter, release } = delay((text) => text.includes('ZRANGEBYSCORE'));
    let bus;
    let refuses = false;
    const isGivenUp = what === 'was given up';
    const more = ({ direction, chunk, link }) => {
      if (direction === 'up' && /SUBSCRIBE/i.test(chunk)) {
        if (refuses) {
          end(link);
          return null;
        }
        bus = link;
      }
      const before = held.link;
      const kept = filter({ direction, chunk, link });
      if (before || !held.link || isGivenUp) return kept;
      // So it is answered by this case.
      held.reads = chunk.toString().split('ZRANGEBYSCORE').length - 1;
      return null;
    };
    // No beat of the lease goes over that link meanwhile.
    const settings = { PRESENCE_LEASE: '30', ...(isGivenUp && { HELD_BYTES: '20000' }) };
    await scene(more, async ({ server, inside }) => {
      const [one, two] = [await person(), await person()];
      const [there, here] = [await one.at(beside.safe.base), await two.at(server.base)];
      await ask(there, 'message', message(one, '0', random()));
      held.armed = true;
      end(bus);
      await patiently(async () => assert.ok(held.link));
      await sleep(100);
      if (isGivenUp) {
        // Too much to keep: the gap stays, and the reading goes on.
        const data = { id: '99999', username: 'x'.repeat(1000), online: true };
        for (let n = 0; n < 40; n += 1) await t.redis.client.publish('MESSAGES', JSON.stringify({ serverId: 'x:1', type: 'user.connected', data }));
        await inside.of(one);
      }
      refuses = true;
      const before = bus;
      end(bus);
      await sleep(300);
      const text = random();
      await ask(there, 'message', message(one, '0', text, { date: Math.floor(Date.now() / 1000) }));
      if (!isGivenUp) {
        held.link.down.write('-ERR refused\r\n'.repeat(held.reads));
        release();
        await sleep(300);
      }
      refuses = false;
      await patiently(async () => assert.notEqual(bus, before));
      await sleep(100);
      if (isGivenUp) release();
      await here.next(isMessage(text));
      await fence(here);
      assert.equal(here.frames.filter(isMessage(text)).length, 1);
    }, settings);
  });
}
