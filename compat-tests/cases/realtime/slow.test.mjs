// Heartbeat, time limits, stuck readers (realtime.md §4.5, §5, §10.2): everything that
// takes its time by the contract. All cases run at once on one server.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { brief } from '../../lib/engine.mjs';
import { startProxy } from '../../lib/rt-proxy.mjs';
import { publishNumbers } from '../../lib/rt-series.mjs';
import { connected, stock } from '../../lib/rt-stock.mjs';
import { suite } from '../../lib/rt-world.mjs';

const LONG = { timeout: 90_000 };

/** Seconds since `start`. */
const since = (start) => (Date.now() - start) / 1000;
/** Not before `seconds`; how much later a busy machine may be is not the point. */
const about = (seconds, actual) => actual > seconds - 0.7 && actual < seconds + 10;

/**
 * An inbox whose pings are left to the case; `pings` are the seconds after `start` at which they
 * came. On a busy machine a socket is known here long after the server began to count.
 */
function countPings(socket, start) {
  const pings = [];
  socket.answersPings = false;
  const push = socket.push.bind(socket);
  socket.push = (frame) => {
    if (frame === '2') pings.push(since(start));
    push(frame);
  };
  return pings;
}

describe('slow', { concurrency: true }, () => {
  describe('time limits', { concurrency: true }, () => {
    const { scenario } = suite(['ws-upgrade', 'load']);

    scenario('hb.ws', async (world) => {
      const start = Date.now();
      const ws = await world.ws();
      const pings = countPings(ws, start);
      await ws.next((frame) => frame === '2', 35_000);
      ws.send('3');
      await ws.next((frame) => frame === '2', 35_000);
      ws.send('3');
      assert.equal(pings.length, 2);
      assert.ok(about(25, pings[0]) && about(25, pings[1] - pings[0]), `${pings}`);
      assert.equal(ws.state, 'open');
    }, LONG);

    scenario('hb.ws-silent', async (world) => {
      const start = Date.now();
      const ws = await world.ws({ ns: false });
      const pings = countPings(ws, start);
      await ws.connectNs();
      const closed = await ws.closing(45_000);
      assert.deepEqual(closed, { closed: 1005 });
      return { pings: pings.map((at) => (about(25, at) ? 25 : at)), closed: true, at30: about(30, since(start)) };
    }, LONG);

    scenario('hb.ws-no-namespace', async (world) => {
      const start = Date.now();
      const ws = await world.ws({ ns: false });
      assert.deepEqual(await ws.closing(60_000), { closed: 1005 });
      return { closed: true, at45: about(45, since(start)) };
    }, LONG);

    scenario('hb.ws-failed-namespace', async (world) => {
      const start = Date.now();
      const ws = await world.ws({ ns: false });
      await ws.connectNs('/nope,');
      assert.deepEqual(await ws.closing(60_000), { closed: 1005 });
      assert.ok(about(45, since(start)));
    }, LONG);

    scenario('hb.disconnected-namespace', async (world) => {
      // Once joined and left, the 45 s no longer count (§7.4).
      const ws = await world.ws();
      ws.send('41');
      await sleep(48_000);
      assert.equal(ws.state, 'open');
      await ws.connectNs();
    }, LONG);

    scenario('hb.poll', async (world) => {
      const start = Date.now();
      const client = await world.polling({ ns: false });
      client.answersPings = false;
      const f = await client.connectNs();
      const ping = await client.next((frame) => frame === '2', 45_000);
      const at25 = about(25, since(start));
      const post = (await client.post('3')).status;
      return { f, ping, at25, post, alive: await client.alive() };
    }, LONG);

    scenario('hb.poll-silent', async (world) => {
      const start = Date.now();
      const client = await world.polling();
      client.answersPings = false;
      const ping = await client.next((frame) => frame === '2', 45_000);
      const second = await client.next((frame) => frame === '1', 45_000);
      const at30 = about(30, since(start));
      await client.closing();
      return { ping, second: { status: 200, body: second }, at30, after: brief(await client.get()) };
    }, LONG);

    scenario('hb.poll-no-get', async (world) => {
      const [a, b] = [await world.user('a'), await world.user('b')];
      const watcher = await world.ws({ user: b });
      const start = Date.now();
      await world.polling({ user: a, loop: false });
      const f = await watcher.next((frame) => frame.includes(`"id":${a.id}`) && frame.includes('user.disconnected'), 50_000);
      return { f, at30: about(30, since(start)) };
    }, LONG);

    scenario('hb.message-counts-as-life', async (world) => {
      const ws = await world.ws();
      ws.answersPings = false;
      for (let i = 0; i < 12; i += 1) {
        await sleep(3000);
        if (ws.state === 'open') ws.emit('nothing');
      }
      return { state: ws.state };
    }, LONG);

    scenario('hb.early-pong', async (world) => {
      const a = await world.user('a');
      const ws = await world.ws({ user: a });
      ws.send('3', '3');
      await sleep(1000);
      ws.send('3');
      assert.ok(await world.serves(ws, a));
      return { s: ws.state };
    });

    scenario('hb.first-ping-not-early', async (world) => {
      const [ws, polling] = [await world.ws(), await world.polling()];
      await sleep(3000);
      return { pings: [...ws.frames, ...polling.frames].filter((frame) => frame === '2').length };
    });

    scenario('hb.upgraded', async (world) => {
      // The timer goes on over the upgrade; the ping comes over the websocket.
      const client = await world.polling({ loop: false });
      const start = Date.now();
      const ws = await world.ws({ sid: client.sid, ns: false });
      ws.answersPings = false;
      ws.send('2probe');
      await ws.next((frame) => frame === '3probe');
      ws.send('5');
      await ws.next((frame) => frame === '2', 40_000);
      assert.ok(since(start) < 31, `${since(start)}`);
      ws.send('3');
    }, LONG);

    for (const [id, probe] of Object.entries({ 'up.no-probe-10s': false, 'up.stalled-after-probe-10s': true })) {
      scenario(id, async (world) => {
        const client = await world.polling();
        const start = Date.now();
        const ws = await world.ws({ sid: client.sid, ns: false });
        if (probe) ws.send('2probe');
        const s = await ws.closing(25_000);
        const about10s = about(10, since(start));
        assert.deepEqual(s, { closed: 1005 });
        await world.publish(`after ${id}`, 1);
        await client.next((frame) => frame.includes(`after ${id}`));
        const observed = { closed: true, about10s, alive: await client.alive() };
        assert.deepEqual(observed, { closed: true, about10s: true, alive: true });
        return observed;
      }, LONG);
    }

    scenario('up.frame-eating-proxy', async (world) => {
      // The upgrade is accepted, but no client frame ever passes.
      const proxy = await startProxy(world.server.port, {
        filter({ direction, chunk, link }) {
          if (direction === 'down') return chunk;
          link.websocket ??= /^upgrade: websocket/im.test(chunk.toString('latin1')) ? 'request' : undefined;
          if (link.websocket === 'eats') return null;
          if (link.websocket === 'request') link.websocket = 'eats';
          return chunk;
        },
      });
      const client = stock(proxy.base, { transport: 'upgrading' });
      world.sockets.push({ close: client.shut }, { close: proxy.stop });
      const got = [];
      client.on('fep', (n) => got.push(n));
      await connected(client);
      await world.publish('fep', 1);
      await sleep(13_000);
      await world.publish('fep', 2);
      await world.eventually(() => got.includes(2));
      const dis = client.log.find((entry) => String(entry).startsWith('disconnect')) ?? null;
      return { connected: client.connected, dis, got };
    }, LONG);
  });

  // Its own server: what goes out here would reach the clients of all the others.
  describe('stuck reader', { concurrency: true }, () => {
    const { scenario } = suite('load');

    scenario('bp.stuck-reader-leaves', async (world) => {
      const [a, b] = [await world.user('a'), await world.user('b')];
      const watcher = await world.ws({ user: b });
      const stuck = await world.ws({ user: a });
      stuck.answersPings = false;
      stuck.pause();
      const start = Date.now();
      const mark = world.bus.mark();
      await publishNumbers(world.client, 0, 4500, { size: 4096 });
      await world.bus.presence('user.disconnected', a.id, mark, 45_000);
      const within35 = since(start) < 40;
      await watcher.next((frame) => frame.includes('user.disconnected'));
      const online = await world.online(a);
      assert.ok(await world.serves(watcher, b));
      return { left: true, within35, online };
    }, LONG);
  });
});
