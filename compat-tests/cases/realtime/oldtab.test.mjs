// Browser tabs that outlive the server or their session (realtime.md §12).
import assert from 'node:assert/strict';
import { Ws, brief } from '../../lib/engine.mjs';
import { connected, once, stock } from '../../lib/rt-stock.mjs';
import { message, suite } from '../../lib/rt-world.mjs';

const { scenario, restart, shared } = suite('oldtab');

/** A stock tab of `user`, closed with the case. */
async function tab(world, user, options) {
  const since = world.bus.mark();
  const socket = stock(world.base, { cookie: user?.cookie, ...options });
  world.sockets.push({ close: socket.shut });
  await connected(socket);
  if (user) await world.bus.presence('user.connected', user.id, since);
  return socket;
}

for (const [name, transport] of Object.entries({ default: 'upgrading', websocket: 'websocket' })) {
  scenario(`tab.restart.${name}`, async (world) => {
    const [a, b] = [await world.user('a'), await world.user('b')];
    await world.client.set('room:tr:name', 'tr');
    const socket = await tab(world, a, { transport, events: ['message'] });
    socket.emit('room.join', 'tr');
    await world.eventually(() => socket.transportName() === 'websocket', 'upgraded');
    const since = world.bus.mark();
    await restart();
    await world.bus.presence('user.connected', a.id, since);
    await connected(socket);
    const writer = await world.ws({ user: b });
    writer.emit('message', { ...message(a, 'tr', 'before rejoin'), date: 1 });
    await world.settled(writer, b);
    socket.emit('room.join', 'tr');
    socket.emit('message', message(a, 'nowhere', 'joined by now'));
    await world.bus.next(({ data }) => data?.message === 'joined by now', since);
    writer.emit('message', { ...message(a, 'tr', 'after rejoin'), date: 2 });
    await world.eventually(() => socket.log.length >= 4, 'delivered');
    return { connected: socket.connected, log: socket.log, online: await world.online(a) };
  });
}

for (const mustArrive of [false, true]) {
  // The original takes events only a moment after the connect, so that it may lose this one (§8.3).
  scenario(mustArrive ? 'tab.emit-while-down-stored' : 'tab.emit-while-down', async (world) => {
    const room = `ewd:${mustArrive}`;
    const a = await world.user('a');
    const socket = await tab(world, a);
    const since = world.bus.mark();
    await restart({
      meanwhile: async () => {
        await world.eventually(() => !socket.connected);
        socket.emit('message', message(a, room, 'from the offline tab'));
      },
    });
    await world.bus.presence('user.connected', a.id, since);
    await connected(socket);
    if (mustArrive) {
      await world.bus.next(({ data }) => data?.message === 'from the offline tab', since);
      assert.equal((await world.stored(room)).length, 1);
    }
    return { connected: socket.connected };
  }, { deviation: mustArrive });
}

scenario('tab.client-features', async (world) => {
  const a = await world.user('a');
  const socket = await tab(world, a);
  const m = [];
  let acked = false;
  socket.on('message', (data) => m.push({ ...data, blob: `Buffer ${Buffer.from(data.blob).toString('hex')}` }));
  socket.emit('room.join', 'cf', () => (acked = true));
  socket.emit('message', { ...message(a, 'cf', 'bin', 1), blob: Buffer.from([1, 2]) }, () => (acked = true));
  const custom = stock(world.base, { path: '/custom' });
  world.sockets.push({ close: custom.shut });
  const [{ message: err }] = await once(custom, 'connect_error');
  await world.eventually(() => m.length === 1 && socket.transportName() === 'websocket');
  return { acked, err, m, transport: socket.transportName() };
});

scenario('tab.two-namespaces-one-manager', async (world) => {
  const a = await world.user('a');
  const socket = await tab(world, a, { transport: 'websocket' });
  const second = socket.io.socket('/custom');
  second.connect();
  const [{ message: e }] = await once(second, 'connect_error');
  socket.emit('room.join', 'tn');
  socket.emit('message', message(a, 'tn', 'x'));
  await once(socket, 'message');
  return { e, a: socket.connected };
});

scenario('tab.logout-elsewhere', async (world) => {
  const a = await world.user('a');
  const watcher = await world.ws();
  const socket = await tab(world, a, { events: ['x'] });
  await world.client.del(`sess:${a.sid}`);
  socket.disconnect();
  await watcher.next((frame) => frame.includes('user.disconnected'));
  await world.startCounting(watcher);
  socket.connect();
  await connected(socket);
  await world.publish('x', 1);
  await world.eventually(() => socket.log.at(-1)[0] === 'x', 'hears broadcasts');
  await world.fence(watcher);
  assert.deepEqual(watcher.events(), ['42["x",1]']);
  assert.equal(await world.online(a), 0);
});

scenario('tab.stale-sid', async (world) => {
  const client = await world.polling({ loop: false });
  await restart();
  const unknown = { status: 400, headers: { 'content-type': 'application/json' }, body: '{"code":1,"message":"Session ID unknown"}' };
  assert.deepEqual([brief(await client.get()), brief(await client.post('3'))], [unknown, unknown]);
  const ws = await Ws.open(shared.server.base, { sid: client.sid });
  assert.deepEqual(ws.res, { status: 400, headers: { 'content-type': 'text/html' }, body: 'Session ID unknown' });
});
