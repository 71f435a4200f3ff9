// Stock clients that upgrade while events go out: nothing lost, doubled or out of order
// (realtime.md §4.2, §10.3).
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { gapless, series, whole } from '../../lib/rt-series.mjs';
import { connected, stock } from '../../lib/rt-stock.mjs';
import { message, suite } from '../../lib/rt-world.mjs';

const { scenario } = suite('load');
const CLIENTS = 60;

/** Clients that are closed at the end whatever happens. */
async function withClients(clients, run) {
  try {
    return await run(clients);
  } finally {
    for (const client of clients) client.shut();
  }
}

const upgraded = (clients) => clients.filter((client) => client.transportName() === 'websocket').length;

scenario('up.loss-60', async (world) => {
  let next = 0;
  let stop = false;
  const publisher = (async () => {
    while (!stop) {
      await world.publish('n', next);
      next += 1;
      await sleep(4);
    }
  })();
  const clients = [];
  await withClients(clients, async () => {
    for (let i = 0; i < CLIENTS; i += 1) {
      const client = stock(world.base, { transport: 'upgrading' });
      client.numbers = [];
      client.on('n', (number) => client.numbers.push(number));
      clients.push(client);
      // In waves, so that some upgrade while others receive.
      if (i % 20 === 19) await sleep(300);
    }
    await Promise.all(clients.map((client) => connected(client, 20_000)));
    await world.eventually(() => upgraded(clients) === CLIENTS, 'all upgraded', 20_000);
    const last = next + 50;
    await world.eventually(() => next > last);
    stop = true;
    await publisher;
    await world.eventually(() => clients.every(({ numbers }) => numbers.at(-1) === next - 1), 'all received', 20_000);
    for (const { numbers, log } of clients) {
      assert.ok(gapless(numbers), `from ${numbers[0]} on`);
      assert.deepEqual(log, ['connect']);
    }
  });
}, { timeout: 60_000 });

scenario('up.loss-client-to-server', async (world) => {
  await world.client.set('room:ul:name', 'ul');
  const users = await Promise.all(Array.from({ length: CLIENTS }, (_, i) => world.user(`u${i}`)));
  const since = world.bus.mark();
  const clients = users.map((user) => stock(world.base, { transport: 'upgrading', cookie: user.cookie }));
  return withClients(clients, async () => {
    await Promise.all(users.map(async (user, i) => {
      // By now the client polls and is about to probe.
      await world.bus.presence('user.connected', user.id, since, 20_000);
      await connected(clients[i], 20_000);
      for (let n = 0; n < 60; n += 1) {
        clients[i].emit('message', message(user, 'ul', String(n), n));
        await sleep(3);
      }
    }));
    await world.eventually(() => world.bus.since(since).filter(({ type }) => type === 'message').length >= CLIENTS * 60, 'all published', 20_000);
    const sent = world.bus.since(since).filter(({ type }) => type === 'message');
    assert.equal(upgraded(clients), CLIENTS);
    const ordered = users.every(({ id }) => {
      const own = sent.filter(({ data }) => data.from === String(id)).map(({ data }) => Number(data.message));
      return JSON.stringify(series(own, 60)) === JSON.stringify(series(Array.from({ length: 60 }, (_, n) => n), 60));
    });
    assert.equal((await world.stored('ul')).length, sent.length);
    return { clients: CLIENTS, total: sent.length, ordered };
  });
}, { timeout: 60_000 });

scenario('up.loss-conversation', async (world) => {
  // One upgrading client is sent to and sends all the while.
  const [a, b] = [await world.user('a'), await world.user('b')];
  await world.client.set('room:cv:name', 'cv');
  const ws = await world.ws({ user: b, rooms: ['cv'] });
  for (let round = 0; round < 5; round += 1) {
    await world.startCounting(ws);
    const since = world.bus.mark();
    const client = stock(world.base, { transport: 'upgrading', cookie: a.cookie });
    await withClients([client], async () => {
      const got = [];
      client.on('message', (data) => data.from === String(b.id) && got.push(Number(data.message)));
      await world.bus.presence('user.connected', a.id, since);
      await connected(client);
      client.emit('room.join', 'cv');
      client.emit('message', message(a, 'cv', 'joined', round));
      await ws.next((frame) => frame.includes('"joined"'));
      for (let n = 0; n < 100; n += 1) {
        client.emit('message', message(a, 'cv', String(n), n));
        ws.emit('message', message(b, 'cv', String(n), n));
        if (n % 10 === 0) await sleep(5);
      }
      const fromClient = () => ws.events().filter((frame) => frame.startsWith('42["message"'))
        .map((frame) => JSON.parse(frame.slice(2))[1]).filter(({ from, message: text }) => from === String(a.id) && text !== 'joined');
      await world.eventually(() => got.length >= 100 && fromClient().length >= 100, 'both complete');
      assert.deepEqual(series(got, 100), whole(100));
      assert.deepEqual(series(fromClient().map(({ message: text }) => Number(text)), 100), whole(100));
    });
    await world.bus.presence('user.disconnected', a.id, since);
  }
});
