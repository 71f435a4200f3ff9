// SIGTERM: the server takes leave of everybody (realtime.md §12.4; the original just ends).
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { held, request } from '../../lib/engine.mjs';
import { ownWorld } from '../../lib/rt-own.mjs';
import { RawWs } from '../../lib/rt-rawws.mjs';
import { series, whole } from '../../lib/rt-series.mjs';
import { connected, once, stock } from '../../lib/rt-stock.mjs';
import { message } from '../../lib/rt-world.mjs';
import { deviation, startServer } from '../../lib/target.mjs';

const LIMITS = { timeout: 40_000 };

/** Resolves with `{ code, seconds }` once the server has ended by itself. */
async function ending(server, within) {
  const start = Date.now();
  const code = await Promise.race([server.ended(), sleep(within, 'still running', { ref: false })]);
  return { code, seconds: (Date.now() - start) / 1000 };
}

describe('stop', { concurrency: true }, () => {
  deviation('stop.everybody-is-told', LIMITS, async (t) => {
    const world = await ownWorld(t);
    const [a, b, c] = [await world.user('a'), await world.user('b'), await world.user('c')];
    const ws = await world.ws({ user: a });
    const polling = await world.polling({ user: b, loop: false });
    const upgrading = await world.polling({ user: c, loop: false });
    const probing = await world.ws({ sid: upgrading.sid, ns: false });
    const anon = await world.ws();
    const fresh = await world.ws({ ns: false });
    probing.send('2probe');
    await probing.next((frame) => frame === '3probe');
    await polling.get();
    const waiting = polling.get();
    await held(waiting, 200);

    const since = world.bus.mark();
    world.server.child.kill('SIGTERM');
    const { code } = await ending(world.server, 10_000);
    assert.equal(code, 0);
    // A close frame, not a lost connection (1006).
    for (const socket of [ws, anon, fresh]) assert.notEqual((await socket.closing()).closed, 1006);
    const answer = await held(waiting, 1000);
    assert.ok(answer.status === 200 || answer.status === 400, JSON.stringify(answer));
    assert.equal(await world.client.scard('online_users'), 0);
    for (const { id } of [a, b, c]) await world.bus.presence('user.disconnected', id, since, 1000);
  });

  deviation('stop.raw-close-frame', LIMITS, async (t) => {
    // The close frame is really on the wire, before the end of the connection.
    const world = await ownWorld(t);
    const raw = world.watch(await RawWs.open(world.base));
    raw.send('40');
    await raw.next((frame) => frame.startsWith?.('40'));
    world.server.child.kill('SIGTERM');
    await raw.next((frame) => frame.close !== undefined);
    assert.equal((await ending(world.server, 10_000)).code, 0);
  });

  deviation('stop.silent-client', LIMITS, async (t) => {
    // Who does not answer the close frame, or does not read at all, holds nobody up.
    const world = await ownWorld(t);
    const raw = world.watch(await RawWs.open(world.base));
    raw.send('40');
    await raw.next((frame) => frame.startsWith?.('40'));
    raw.pause();
    for (let i = 0; i < 200; i += 1) await world.publish('big', 'w'.repeat(60_000));
    world.server.child.kill('SIGTERM');
    assert.equal((await ending(world.server, 10_000)).code, 0);
  });

  deviation('stop.messages-sent-before', LIMITS, async (t) => {
    // What was sent before the signal is done: stored, published, before the leave.
    const world = await ownWorld(t);
    const a = await world.user('a');
    const ws = await world.ws({ user: a });
    const since = world.bus.mark();
    for (let n = 0; n < 200; n += 1) ws.emit('message', message(a, '0', String(n), n));
    await world.bus.next(({ type }) => type === 'message', since);
    world.server.child.kill('SIGTERM');
    assert.equal((await ending(world.server, 10_000)).code, 0);
    await world.bus.presence('user.disconnected', a.id, since);
    const sent = world.bus.since(since);
    const numbers = sent.filter(({ type }) => type === 'message').map(({ data }) => Number(data.message));
    // The end may come before the last ones are read, but not between storing and announcing.
    assert.deepEqual(series(numbers, numbers.length), whole(numbers.length));
    assert.equal((await world.stored('0')).length, numbers.length);
    assert.equal(sent.at(-1).type, 'user.disconnected');
    assert.equal(await world.online(a), 0);
  });

  deviation('stop.no-new-connections', LIMITS, async (t) => {
    const world = await ownWorld(t);
    const a = await world.user('a');
    await world.ws({ user: a });
    // Leaving cannot be finished as long as Redis does not answer.
    world.proxy.stall();
    world.server.child.kill('SIGTERM');
    await sleep(500);
    const answer = await request(world.base, { query: 'EIO=4&transport=polling', timeout: 2000 }).then(({ status }) => status, () => 'refused');
    assert.ok(answer === 'refused' || answer >= 500, `${answer}`);
  });

  deviation('stop.second-signal', LIMITS, async (t) => {
    const world = await ownWorld(t);
    const a = await world.user('a');
    const ws = await world.ws({ user: a });
    world.proxy.stall();
    ws.emit('message', message(a, '0', 'held'));
    await sleep(100);
    world.server.child.kill('SIGTERM');
    await sleep(700);
    assert.ok(world.server.alive(), 'it waits for Redis');
    world.server.child.kill('SIGTERM');
    const { code } = await ending(world.server, 3000);
    assert.notEqual(code, 'still running');
    assert.notEqual(code, 0, 'not a clean end');
  });

  deviation('stop.messages-still-held', LIMITS, async (t) => {
    // With Redis away at the end: how many were lost is said, and shows in the exit code.
    const world = await ownWorld(t);
    const a = await world.user('a');
    const ws = await world.ws({ user: a });
    await world.redisDies();
    await sleep(500);
    for (let n = 0; n < 7; n += 1) ws.emit('message', message(a, '0', String(n), n));
    await sleep(300);
    world.server.child.kill('SIGTERM');
    const { code } = await ending(world.server, 15_000);
    assert.ok(Number.isInteger(code) && code !== 0, `${JSON.stringify(code)}`);
    // The leave of the socket may count as well.
    assert.match(world.server.stderr() + world.server.stdout(), /\b[789] held\b/);
  });

  deviation('stop.redis-back-in-time', LIMITS, async (t) => {
    // Held messages are done if Redis comes back while the server ends.
    const world = await ownWorld(t, { durable: true });
    const a = await world.user('a');
    const ws = await world.ws({ user: a });
    const since = world.bus.mark();
    await world.redisDies();
    await sleep(300);
    for (let n = 0; n < 20; n += 1) ws.emit('message', message(a, '0', String(n), n));
    await sleep(200);
    world.server.child.kill('SIGTERM');
    await sleep(500);
    await world.redisReturns();
    assert.equal((await ending(world.server, 12_000)).code, 0);
    await world.bus.presence('user.disconnected', a.id, since);
    const numbers = world.bus.since(since).filter(({ type }) => type === 'message').map(({ data }) => Number(data.message));
    assert.deepEqual(series(numbers, 20), whole(20));
    assert.equal((await world.stored('0')).length, 20);
    assert.equal(await world.online(a), 0);
  });

  deviation('stop.rolling-restart', LIMITS, async (t) => {
    // Stock clients are handed over by a stop and a start: they come back by themselves.
    const world = await ownWorld(t);
    const a = await world.user('a');
    const clients = ['websocket', 'polling', 'upgrading'].map((transport) => stock(world.base, { transport, cookie: a.cookie, events: ['message'] }));
    world.sockets.push(...clients.map(({ shut }) => ({ close: shut })));
    await Promise.all(clients.map((client) => connected(client)));
    const down = clients.map((client) => once(client, 'disconnect'));
    world.server.child.kill('SIGTERM');
    assert.equal((await ending(world.server, 10_000)).code, 0);
    await Promise.all(down);
    const next = await startServer({ redis: world.redis, port: world.server.port });
    t.after(() => next.kill());
    await Promise.all(clients.map((client) => connected(client, 15_000)));
    for (const client of clients) {
      const room = `rr ${client.id}`;
      client.emit('room.join', room);
      client.emit('message', message(a, room, '1'));
      await once(client, 'message');
    }
  });
});
