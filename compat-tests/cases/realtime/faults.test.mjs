// What ends the original's process and must do nothing at all here: nothing stored,
// nothing published, nothing delivered, and the socket stays usable (realtime.md §11).
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { message, recordings, suite } from '../../lib/rt-world.mjs';
import { isUpstream } from '../../lib/target.mjs';

const { scenario: register, shared } = suite(isUpstream ? [] : ['chat', 'sio']);
const scenario = (id, run) => register(id, run, { deviation: true });

/** The rooms and who is online, without what the harness itself stores to wait for something. */
async function state() {
  const dump = await shared.redis.dump();
  return Object.entries(dump).filter(([key]) => (key.startsWith('room:') || key === 'online_users' || key === 'total_users') && !key.startsWith('room:settled'));
}

/**
 * Runs `provoke(socket)` and asserts that nothing came of it: not for the sender, who
 * has joined `rooms`, not for somebody else there, not on the channel, not in Redis.
 */
async function ignored(world, { anonymous = false, rooms = ['0'] } = {}, provoke) {
  const [a, w] = [await world.user('a'), await world.user('w')];
  const watcher = await world.ws({ user: w, rooms });
  const socket = await world.ws(anonymous ? {} : { user: a, rooms });
  await world.settled(watcher, w);
  if (!anonymous) await world.settled(socket, a);
  const before = await state();
  await world.startCounting(watcher, socket);
  const since = world.bus.mark();
  await provoke(socket, a);
  // A server that dies of it does so within the round trips of this.
  await world.settled(watcher, w);
  if (!anonymous) await world.settled(socket, a);
  await world.fence(watcher, socket);
  assert.deepEqual(await state(), before, 'stored');
  assert.deepEqual(world.bus.since(since), [], 'published');
  assert.deepEqual([socket.events(), watcher.events()], [[], []], 'delivered');
  assert.equal(socket.state, 'open');
  if (!anonymous) assert.ok(await world.serves(socket, a), 'usable');
}

/** A good message with `odd` fields; `undefined` leaves one out. */
const oddMessage = (odd) => (socket, a) => socket.emit('message', { ...message(a, '0', 'x'), ...odd });

scenario('fault.event-error', (world) => ignored(world, {}, (socket) => socket.emit('error', new Error('x').message)));
scenario('fault.event-error-anonymous', (world) => ignored(world, { anonymous: true }, (socket) => socket.emit('error')));
scenario('fault.message-no-args', (world) => ignored(world, {}, (socket) => socket.emit('message')));

const payloads = {
  'null': null, 'number': 5, 'string': 'hello', 'true': true, 'array': [], 'array-of-message': [{ message: 'x' }], 'empty-object': {},
};
for (const [name, payload] of Object.entries(payloads)) {
  scenario(`fault.message-${name}`, (world) => ignored(world, {}, (socket) => socket.emit('message', payload)));
}

const odd = {
  'text-missing': { message: undefined }, 'text-number': { message: 5 }, 'text-null': { message: null }, 'text-object': { message: {} },
  'text-true': { message: true }, 'text-array': { message: ['<'] },
  'from-missing': { from: undefined }, 'from-null': { from: null }, 'from-object': { from: {} }, 'from-empty-array': { from: [] },
  'no-date': { date: undefined }, 'date-null': { date: null }, 'date-text': { date: 'abc' }, 'date-empty': { date: '' }, 'date-nan': { date: 'nan' },
  'date-object': { date: {} }, 'date-true': { date: true }, 'date-space': { date: ' 1' }, 'date-trailing': { date: '1x' },
  'no-room': { roomId: undefined }, 'room-null': { roomId: null }, 'room-number': { roomId: 5 }, 'room-array': { roomId: ['5'] },
  'room-object': { roomId: {} }, 'room-wrong-type': { roomId: '0:name' },
};
for (const [name, fields] of Object.entries(odd)) {
  scenario(`fault.message-${name}`, (world) => ignored(world, { rooms: ['0', '5', '0:name', 'undefined', 'null'] }, oddMessage(fields)));
}

for (const { action, payload } of recordings('26-socket-faults').steps) {
  scenario(`26-socket-faults ${action}`, (world) => ignored(world, {}, (socket) => socket.emit('message', payload)));
}

scenario('fault.message-wrong-type-of-online', async (world) => {
  // A Redis error in the middle: the event is never done by halves, stored but not announced or the reverse.
  const a = await world.user('a');
  const ws = await world.ws({ user: a, rooms: ['wt'] });
  await world.settled(ws, a);
  await world.client.rename('online_users', 'kept');
  await world.client.set('online_users', 'not a set');
  const since = world.bus.mark();
  ws.emit('message', message(a, 'wt', 'x'));
  await sleep(300);
  const events = ws.events(); // before the fences take them
  await world.client.rename('kept', 'online_users');
  await world.settled(ws, a);
  await world.fence(ws);
  const count = (items) => items.filter((item) => (item.text ?? String(item)).includes('"wt"')).length;
  const done = [(await world.stored('wt')).length, count(world.bus.since(since).filter(({ type }) => type === 'message')), count(events)];
  assert.ok(done.every((n) => n === done[0]), `stored, published, delivered: ${done}`);
});

const envelopes = {
  'malformed': '{not json', 'empty': '', 'null': 'null',
  ...Object.fromEntries(['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener']
    .map((type) => [`type-${type}`, JSON.stringify({ serverId: 'x', type, data: 1 })])),
};
const recorded25 = recordings('25-pubsub-injected').steps.filter(({ upstream }) => upstream);
for (const { action } of recorded25) envelopes[action] = action.replace('PUBLISH MESSAGES ', '');
for (const [name, text] of Object.entries(envelopes)) {
  scenario(`fault.pubsub-${name}`, async (world) => {
    const a = await world.user('a');
    const [ws, anon] = [await world.ws({ user: a }), await world.ws()];
    await world.startCounting(ws, anon);
    await world.client.publish('MESSAGES', text);
    await world.fence(ws, anon);
    assert.deepEqual([ws.events(), anon.events()], [[], []]);
    assert.ok(await world.serves(ws, a));
  });
}

scenario('fault.pubsub-binary', async (world) => {
  const ws = await world.ws();
  await world.startCounting(ws);
  await world.client.publish('MESSAGES', Buffer.from([0xff, 0xfe, 0x00, 0x7b]));
  await world.fence(ws);
  assert.deepEqual(ws.events(), []);
});

scenario('mixed.fault-publish', async (world) => {
  // Whatever a client sends, no envelope may end a peer that is the original: type and JSON stay sound (§11).
  const a = await world.user('a');
  const ws = await world.ws({ user: a });
  const since = world.bus.mark();
  for (const payload of [...Object.values(payloads), ...Object.values(odd).map((fields) => ({ ...message(a, '0', 'x'), ...fields }))]) ws.emit('message', payload);
  for (const event of ['error', 'disconnect', 'connect', 'newListener', '__proto__', '']) ws.emit(event, 1);
  await world.settled(ws, a);
  const allowed = new Set(['user.connected', 'user.disconnected', 'show.room', 'message']);
  for (const { text } of world.bus.envelopes.slice(since)) {
    const { type, serverId } = JSON.parse(text);
    assert.ok(allowed.has(type) && typeof serverId === 'string', text);
  }
  for (const [key] of await state()) {
    if (!key.startsWith('room:') || (await world.client.type(key)) !== 'zset') continue;
    for (const member of await world.client.zrange(key, 0, -1)) assert.equal(typeof JSON.parse(member), 'object');
  }
});
