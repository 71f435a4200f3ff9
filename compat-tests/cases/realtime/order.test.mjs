// Order and completeness (realtime.md §10.1, §10.2).
import assert from 'node:assert/strict';
import { RS } from '../../lib/engine.mjs';
import { numbersOf, publishNumbers, series, whole } from '../../lib/rt-series.mjs';
import { message, suite } from '../../lib/rt-world.mjs';

const { scenario } = suite('load');
const isShow = (frame) => typeof frame === 'string' && frame.startsWith('42["show.room"');
const packet = (...event) => `42${JSON.stringify(event)}`;

/** A sender and a receiver in `rooms`, which have names unless `fresh`. */
async function pair(world, rooms, { fresh = false } = {}) {
  const [a, b] = [await world.user('a'), await world.user('b')];
  if (!fresh) for (const room of rooms) await world.client.set(`room:${room}:name`, room);
  return { a, b, sender: await world.ws({ user: a, rooms }), receiver: await world.ws({ user: b, rooms }) };
}

/** Until `socket` has `count` numbers. */
const received = (socket, count) => socket.waitFor(({ frames }) => frames.length >= count && numbersOf(frames).length >= count, 20_000);
const storedNumbers = async (world, room) => (await world.stored(room)).map((text) => Number(JSON.parse(text).message));

for (const count of [200, 1000]) {
  scenario(`order.ws-${count}`, async (world) => {
    const room = `ow${count}`;
    const { a, sender, receiver } = await pair(world, [room]);
    const since = world.bus.mark();
    for (let i = 0; i < count; i += 1) sender.emit('message', message(a, room, String(i), i));
    await received(receiver, count);
    await received(sender, count);
    await world.settled(sender, a);
    const published = world.bus.since(since).map(({ data }) => Number(data.message));
    assert.deepEqual(series(published, count), whole(count));
    return {
      sender: series(numbersOf(sender.frames), count), receiver: series(numbersOf(receiver.frames), count),
      stored: series(await storedNumbers(world, room), count),
    };
  });
}

scenario('order.same-date', async (world) => {
  const { a, sender, receiver } = await pair(world, ['sd']);
  for (let i = 0; i < 30; i += 1) sender.emit('message', message(a, 'sd', String(i)));
  await received(receiver, 30);
  return { received: series(numbersOf(receiver.frames), 30), stored: (await world.stored('sd')).map((text) => JSON.parse(text).message) };
});

scenario('order.identical', async (world) => {
  const { a, sender, receiver } = await pair(world, ['id']);
  const since = world.bus.mark();
  for (let i = 0; i < 5; i += 1) sender.emit('message', message(a, 'id', '7'));
  await received(receiver, 5);
  await world.settled(sender, a);
  assert.deepEqual([numbersOf(receiver.frames).length, world.bus.since(since).length, (await world.stored('id')).length], [5, 5, 1]);
});

scenario('order.join-then-message', async (world) => {
  const a = await world.user('a');
  let ok = 0;
  const ws = await world.ws({ user: a });
  for (let i = 0; i < 20; i += 1) {
    ws.send(packet('room.join', `jm${i}`), packet('message', message(a, `jm${i}`, `j${i}`)));
    const frame = await ws.next((f) => f.includes?.(`"j${i}"`), 5000);
    if (frame.closed === undefined) ok += 1;
  }
  return { ok };
});

scenario('order.poll-burst', async (world) => {
  const [a, b] = [await world.user('a'), await world.user('b')];
  await world.client.set('room:pb:name', 'pb');
  const receiver = await world.ws({ user: b, rooms: ['pb'] });
  const sender = await world.polling({ user: a });
  await sender.post(Array.from({ length: 200 }, (_, i) => packet('message', message(a, 'pb', String(i), i))).join(RS));
  await received(receiver, 200);
  return series(numbersOf(receiver.frames), 200);
});

scenario('order.poll-posts', async (world) => {
  // Two hundred POSTs, each answered before the next one.
  const [a, b] = [await world.user('a'), await world.user('b')];
  await world.client.set('room:pp:name', 'pp');
  const receiver = await world.ws({ user: b, rooms: ['pp'] });
  const sender = await world.polling({ user: a });
  for (let i = 0; i < 200; i += 1) sender.emit('message', message(a, 'pp', String(i), i));
  await received(receiver, 200);
  assert.deepEqual(series(numbersOf(receiver.frames), 200), whole(200));
});

/** 200 messages into a room that is new, seen by sender, receiver and a stranger. */
async function privateStream(world, room) {
  const { a, sender, receiver } = await pair(world, [room], { fresh: true });
  const stranger = await world.ws();
  await world.startCounting(sender, receiver, stranger);
  const since = world.bus.mark();
  for (let i = 0; i < 200; i += 1) sender.emit('message', message(a, room, String(i), i));
  await received(receiver, 200);
  await received(sender, 200);
  await world.settled(sender, a);
  await world.fence(receiver, stranger);
  return { sender, receiver, stranger, published: world.bus.since(since), stored: await storedNumbers(world, room) };
}

scenario('order.private-stream', async (world) => {
  const { receiver } = await privateStream(world, 'ps1:ps2');
  const { n, distinct } = series(numbersOf(receiver.frames), 200);
  return { n, distinct, anyShow: receiver.frames.some(isShow) };
});

scenario('order.private-stream-exact', async (world) => {
  // In order from the first one on, and show.room once, before it (§10.1).
  const { sender, receiver, stranger, published, stored } = await privateStream(world, 'px1:px2');
  assert.deepEqual([receiver, sender].map(({ frames }) => series(numbersOf(frames), 200)), [whole(200), whole(200)]);
  assert.deepEqual(series(stored, 200), whole(200));
  assert.deepEqual(published.map(({ type }) => type), ['show.room', ...Array(200).fill('message')]);
  assert.deepEqual(series(published.slice(1).map(({ data }) => Number(data.message)), 200), whole(200));
  assert.ok(isShow(receiver.events()[0]));
  assert.deepEqual([receiver, stranger, sender].map((socket) => socket.events().filter(isShow).length), [1, 1, 0]);
}, { deviation: true });

scenario('order.private-many', async (world) => {
  // Twenty new rooms in turn, from one socket: order inside each, and across them on the channel.
  const a = await world.user('a');
  const sender = await world.ws({ user: a });
  const since = world.bus.mark();
  for (let i = 0; i < 200; i += 1) sender.emit('message', message(a, `many:${i % 20}`, String(i), i));
  await world.settled(sender, a);
  const sent = world.bus.since(since);
  assert.deepEqual(series(sent.filter(({ type }) => type === 'message').map(({ data }) => Number(data.message)), 200), whole(200));
  assert.equal(sent.filter(({ type }) => type === 'show.room').length, 20);
}, { deviation: true });

scenario('order.private-two-senders', async (world) => {
  // Both sides open the same new room at once: each sender's order is kept, show.room comes before any message.
  const [a, b] = [await world.user('a'), await world.user('b')];
  const room = `${a.id}:${b.id}`;
  const [wa, wb, watcher] = [await world.ws({ user: a }), await world.ws({ user: b }), await world.ws({ rooms: [] })];
  const since = world.bus.mark();
  for (let i = 0; i < 50; i += 1) {
    wa.emit('message', message(a, room, String(i), i));
    wb.emit('message', message(b, room, String(i), i));
  }
  await Promise.all([world.settled(wa, a), world.settled(wb, b)]);
  await world.fence(watcher);
  const sent = world.bus.since(since);
  for (const { id } of [a, b]) {
    const numbers = sent.filter(({ type, data }) => type === 'message' && data.from === String(id)).map(({ data }) => Number(data.message));
    assert.deepEqual(series(numbers, 50), whole(50));
  }
  assert.equal(sent[0].type, 'show.room');
  assert.equal((await world.stored(room)).length, 100);
}, { deviation: true });

scenario('order.public-private-mix', async (world) => {
  await world.client.zadd('room:m1:m2', 0, '{"message":"-"}');
  const { a, b, sender, receiver } = await pair(world, ['mix']);
  receiver.emit('room.join', 'm1:m2');
  await world.settled(receiver, b);
  for (let i = 0; i < 200; i += 1) sender.emit('message', message(a, i % 2 === 0 ? 'mix' : 'm1:m2', String(Math.floor(i / 2)), i));
  await received(receiver, 200);
  const of = (room) => series(numbersOf(receiver.frames.filter((frame) => frame.includes(`"roomId":"${room}"`))), 100);
  return { a: of('mix'), b: of('m1:m2') };
});

scenario('order.pubsub-5000', async (world) => {
  const [ws, polling] = [await world.ws(), await world.polling()];
  await publishNumbers(world.client, 0, 5000);
  for (const socket of [ws, polling]) {
    await received(socket, 5000);
    assert.deepEqual(series(numbersOf(socket.frames), 5000), whole(5000));
  }
});

scenario('fan.50', async (world) => {
  const a = await world.user('a');
  await world.client.set('room:fan:name', 'fan');
  const receivers = await Promise.all(Array.from({ length: 50 }, async (_, i) =>
    world.ws({ user: await world.user(`r${i}`), rooms: ['fan'] })));
  const sender = await world.ws({ user: a });
  await world.fence(...receivers);
  for (let i = 0; i < 100; i += 1) sender.emit('message', message(a, 'fan', String(i), i));
  for (const receiver of receivers) {
    await received(receiver, 100);
    assert.deepEqual(series(numbersOf(receiver.frames), 100), whole(100));
  }
});

scenario('bp.poll-absent', async (world) => {
  const [client, witness] = [await world.polling({ loop: false }), await world.ws()];
  await publishNumbers(world.client, 0, 2000);
  await world.fence(witness);
  while (numbersOf(client.frames).length < 2000) {
    const { status } = await client.take();
    if (status !== 200) break;
  }
  const numbers = numbersOf(client.frames);
  return { ok: numbers.length === 2000 && series(numbers, 2000).inOrder };
}, { or: () => false });

scenario('bp.poll-burst', async (world) => {
  const client = await world.polling();
  await publishNumbers(world.client, 0, 2000);
  await received(client, 2000);
  return series(numbersOf(client.frames), 2000);
});

/** Thirty users come and go ten times, by both transports; some leave politely, some vanish. */
async function churn(world, { announced }) {
  const users = await Promise.all(Array.from({ length: 30 }, (_, i) => world.user(`c${i}`)));
  await Promise.all(users.map(async (user, i) => {
    for (let round = 0; round < 10; round += 1) {
      const open = i % 2 === 0 ? world.ws : world.polling;
      const socket = await open.call(world, { user, ns: announced });
      if (!announced) await socket.connectNs();
      if (round % 3 === 0) socket.reset?.();
      await socket.close();
    }
  }));
  // The last ones may still be on their way out; a ghost would stay.
  await world.eventually(async () => (await world.client.scard('online_users')) === 0, 'nobody online');
  assert.ok(await world.serves(await world.ws({ user: users[0] }), users[0]));
  return { online: 0 };
}

scenario('load.churn', (world) => churn(world, { announced: true }));
// Whoever leaves before the original has stored that he is online stays online there for ever.
scenario('load.churn-at-once', (world) => churn(world, { announced: false }), { deviation: true });

scenario('load.metrics', async (world) => {
  // 400 sockets × 300 events. The original's cost is in §10.4; only the count is asserted.
  const sockets = await Promise.all(Array.from({ length: 400 }, () => world.ws()));
  await publishNumbers(world.client, 0, 300, { size: 200 });
  let deliveries = 0;
  for (const socket of sockets) {
    await received(socket, 300);
    deliveries += numbersOf(socket.frames).length;
  }
  return { deliveries };
});
