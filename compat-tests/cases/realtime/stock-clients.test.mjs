// The unmodified clients, each version by each transport (realtime.md §12, §13.1).
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { connected, once, stock, transports, versions } from '../../lib/rt-stock.mjs';
import { message, suite } from '../../lib/rt-world.mjs';

const { scenario, restart } = suite();

/** A connected client of `user` in `rooms` that the server takes events from. */
async function client(world, user, options, rooms = []) {
  const since = world.bus.mark();
  const socket = stock(world.base, { cookie: user?.cookie, ...options });
  world.sockets.push({ close: socket.shut });
  await connected(socket);
  if (user) await world.bus.presence('user.connected', user.id, since);
  for (const room of rooms) socket.emit('room.join', room);
  return socket;
}

const finalTransport = (transport) => (transport === 'polling' ? 'polling' : 'websocket');

for (const version of Object.keys(versions)) {
  for (const transport of Object.keys(transports)) {
    scenario(`stock.${version}.${transport}`, async (world) => {
      const [a, b] = [await world.user('a'), await world.user('b')];
      const room = `stock ${version} ${transport}`;
      const socket = await client(world, a, { version, transport, events: ['user.connected', 'user.disconnected', 'show.room'] }, [room]);
      assert.deepEqual(socket.log, ['connect']);

      const peer = await world.ws({ user: b, rooms: [room] });
      await world.eventually(() => socket.log.length >= 2, 'the peer is announced');
      assert.deepEqual(socket.log[1], ['user.connected', { id: b.id, username: b.username, online: true }]);

      // Both ways, with what JSON and UTF-8 make of it.
      const mine = message(a, room, 'from the client é😀\n"');
      socket.emit('message', mine);
      assert.deepEqual((await once(socket, 'message'))[0], mine);
      assert.deepEqual((await peer.event('message'))[0], mine);
      const theirs = message(b, room, 'to the client');
      peer.emit('message', theirs);
      assert.deepEqual((await once(socket, 'message'))[0], theirs);

      // Binary, there and back.
      socket.emit('message', { ...message(a, room, 'binary'), blob: Buffer.from([1, 2, 255]) });
      const [{ blob }] = await once(socket, 'message');
      assert.equal(Buffer.from(blob).toString('hex'), '0102ff');

      await world.eventually(() => socket.transportName() === finalTransport(transport), 'upgraded');
      // Still there after the upgrade.
      socket.emit('message', message(a, room, 'after'));
      assert.equal((await once(socket, 'message'))[0].message, 'after');

      const since = world.bus.mark();
      socket.close();
      await world.bus.presence('user.disconnected', a.id, since);
      assert.deepEqual(socket.log.at(-1), 'disconnect:io client disconnect');
    });
  }
}

scenario('stock.big-messages', async (world) => {
  const a = await world.user('a');
  for (const transport of Object.keys(transports)) {
    const socket = await client(world, a, { transport }, ['big']);
    for (const size of [70_000, 600_000]) {
      const text = 'é'.repeat(size / 2);
      socket.emit('message', message(a, 'big', text));
      assert.equal((await once(socket, 'message'))[0].message, text);
    }
    socket.close();
  }
});

scenario('stock.reconnect', async (world) => {
  // All nine over one restart: the same cookie is the same user, rooms are not joined again by the server.
  const all = [];
  for (const version of Object.keys(versions)) {
    for (const transport of Object.keys(transports)) {
      const user = await world.user(`${version}_${transport}`);
      all.push({ user, transport, socket: await client(world, user, { version, transport, events: ['message'] }, ['again']) });
    }
  }
  await world.eventually(() => all.every(({ socket, transport }) => socket.transportName() === finalTransport(transport)), 'upgraded');
  const since = world.bus.mark();
  await restart();
  await Promise.all(all.map(({ user }) => world.bus.presence('user.connected', user.id, since, 20_000)));
  for (const { socket, transport } of all) {
    await connected(socket);
    const reason = transport === 'polling' ? 'transport error' : 'transport close';
    assert.deepEqual(socket.log, ['connect', `disconnect:${reason}`, 'connect']);
  }
  const w = await world.user('w');
  const writer = await world.ws({ user: w });
  writer.emit('message', message(w, 'again', 'before joining'));
  await world.settled(writer, w);
  for (const { socket } of all) socket.emit('room.join', 'again');
  for (const { socket, user } of all) socket.emit('message', message(user, `own ${user.id}`, 'joined by now'));
  await world.eventually(() => world.bus.since(since).filter(({ data }) => data.message === 'joined by now').length === all.length, 'served');
  writer.emit('message', message(w, 'again', 'after joining'));
  await world.eventually(() => all.every(({ socket }) => socket.log.length >= 4), 'delivered');
  for (const { socket } of all) assert.deepEqual(socket.log.slice(3).map(([, { message: text }]) => text), ['after joining']);
}, { needs: ['faults'], timeout: 60_000 });

scenario('stock.anonymous', async (world) => {
  const socket = await client(world, undefined, { events: ['x'] });
  await world.publish('x', 1);
  await world.eventually(() => socket.log.length === 2);
  assert.deepEqual(socket.log[1], ['x', 1]);
});

scenario('stock.volatile-and-ack', async (world) => {
  const a = await world.user('a');
  const socket = await client(world, a, { version: '4', transport: 'websocket' }, ['va']);
  let acked = false;
  socket.emit('message', message(a, 'va', 'x'), () => (acked = true));
  await once(socket, 'message');
  await sleep(200);
  assert.equal(acked, false, 'the application never acknowledges (§7.6)');
});
