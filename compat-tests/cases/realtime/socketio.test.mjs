// The Socket.IO layer: namespaces, packets, binary (realtime.md §7).
import assert from 'node:assert/strict';
import { message, suite } from '../../lib/rt-world.mjs';

const { scenario, fixture } = suite('sio');
const isMessage = (frame) => typeof frame === 'string' && frame.startsWith('42["message"');
const connected = (frame) => frame.startsWith?.('40');

/** An engine connection of user `a` that has not joined the namespace. */
async function opened(world) {
  const a = await world.user('a');
  const ws = await world.ws({ user: a, ns: false });
  await ws.next((frame) => frame.startsWith('0{'));
  ws.mark();
  return { a, ws };
}

/** Joins the namespace and waits until events are taken. */
async function connect(world, ws, user, packet = '40') {
  const since = world.bus.mark();
  ws.send(packet);
  const frame = await ws.next(connected);
  await world.bus.presence('user.connected', user.id, since);
  return frame;
}

scenario('sio.silent-before-connect', async (world) => {
  const { ws } = await opened(world);
  await world.publish('x', 1);
  await world.fence(await world.ws());
  return { f: ws.frames.slice(1) };
});

scenario('sio.sid-differs', async (world) => {
  // The reference's two sids differ (may); what counts is that there is one.
  const ws = await world.ws({ ns: false });
  assert.match(await ws.connectNs(), /^40\{"sid":"[\w-]{16,}"\}$/);
});

for (const [name, payload] of Object.entries({ object: '{"token":"x"}', array: '[1]', null: 'null', slash: '/,', 'slash-object': '/,{"a":1}' })) {
  scenario(`sio.auth.${name}`, async (world) => {
    const { a, ws } = await opened(world);
    const f = await connect(world, ws, a, `40${payload}`);
    assert.match(f, /^40\{"sid"/);
    const serves = await world.serves(ws, a);
    assert.ok(serves);
    return { f, serves, state: ws.state };
  });
}

scenario('sio.auth.query', async (world) => {
  const { a, ws } = await opened(world);
  const f = await ws.connectNs('/?x=1,');
  return { f, serves: await world.serves(ws, a), state: ws.state };
});

const badAuth = { 'string': '40"x"', 'bad-json': '40{bad', 'number': '40{}1', 'boolean': '40true' };
for (const [name, packet] of Object.entries(badAuth)) {
  scenario(`sio.auth-bad.${name}`, async (world) => {
    const { ws } = await opened(world);
    ws.send(packet);
    const s = await ws.closing();
    assert.deepEqual(s, { closed: 1005 });
    return { s, frames: ws.events() };
  });
}

const namespaces = {
  'plain': '/foo,', 'no-comma': '/foo', 'auth': '/foo,{"a":1}', 'utf8': '/é😀,', 'query': '/foo?x=1,', 'quote': '/a"b\\c,',
  'long': `/${/n+/.exec(fixture['sio.ns.long'].observed.f.slice(3))[0]},`,
};
for (const [name, payload] of Object.entries(namespaces)) {
  scenario(`sio.ns.${name}`, async (world) => {
    const { a, ws } = await opened(world);
    const f = await ws.connectNs(payload);
    const main = await connect(world, ws, a);
    return { f, main, serves: await world.serves(ws, a) };
  });
}

scenario('sio.event-before-connect', async (world) => {
  const { a, ws } = await opened(world);
  ws.emit('room.join', '0');
  const f = await connect(world, ws, a);
  return { f, serves: await world.serves(ws, a) };
});

scenario('sio.event-right-after-connect', async (world) => {
  const { a, ws } = await opened(world);
  const since = world.bus.mark();
  ws.send('40', '42["nothing"]');
  const f = await ws.next(connected);
  await world.bus.presence('user.connected', a.id, since);
  return { f, serves: await world.serves(ws, a) };
});

for (const packet of ['42/foo,["room.join","0"]', '41/foo,', '43/foo,1[]']) {
  scenario(`sio.event-unknown-ns ${packet}`, async (world) => {
    const a = await world.user('a');
    const ws = await world.ws({ user: a });
    ws.send(packet);
    assert.ok(await world.serves(ws, a));
  });
}

scenario('sio.disconnect', async (world) => {
  const [a, b] = [await world.user('a'), await world.user('b')];
  const watcher = await world.ws({ user: b });
  const ws = await world.ws({ user: a });
  ws.send('41');
  const f = await watcher.next((frame) => frame.includes('user.disconnected'));
  ws.mark();
  await world.publish('x', 1);
  await world.fence(watcher);
  const frames = ws.events();
  const serves = await world.serves(ws, a);
  return { f, s: ws.state, frames, afterwards: ws.events(), serves };
});

scenario('sio.reconnect-same-engine', async (world) => {
  const [a, b] = [await world.user('a'), await world.user('b')];
  const watcher = await world.ws({ user: b });
  const ws = await world.ws({ user: a });
  await world.startCounting(watcher);
  ws.send('41');
  await watcher.next((frame) => frame.includes('user.disconnected'));
  const f = await connect(world, ws, a);
  await watcher.next((frame) => frame.includes('user.connected'));
  await world.fence(watcher);
  const others = watcher.events();
  return { f, others, serves: await world.serves(ws, a) };
});

scenario('sio.connect-twice', async (world) => {
  const a = await world.user('a');
  const ws = await world.ws({ user: a });
  ws.send('40');
  await ws.next(connected, 500).catch(() => {});
  // A second socket of the original takes events a moment later only.
  let serves = false;
  for (let i = 0; i < 3 && !serves; i += 1) serves = await world.serves(ws, a);
  return { serves };
});

const harmless = {
  'ack-id': '421["nothing"]',
  'ack-id-big': '4299999999999999999999["nothing"]',
  'ack-packet': '430[]',
  'ack-packet-nodata': '43',
  'ack-unknown': '43777["x"]',
  'connect-error': '44{"message":"x"}',
  'connect-error-str': '44"x"',
  'event-nodata': '42',
  'event-extra-args': '42["nothing",1,2,3,{"a":[]}]',
  'event-null-arg': '42["nothing",null]',
  'event-empty-name': '42[""]',
  'event-proto': '42["__proto__",{"__proto__":{"x":1}}]',
  'event-ws-in-json': '42[ "nothing" , 1 ]',
  'binary-0': '450-["nothing"]',
  'connect-event': '42["connect"]',
};
for (const [name, packet] of Object.entries(harmless)) {
  scenario(`sio.ok.${name}`, async (world) => {
    const a = await world.user('a');
    const ws = await world.ws({ user: a });
    ws.send(packet);
    await world.settled(ws, a);
    const frames = ws.events();
    return { frames, serves: await world.serves(ws, a) };
  });
}

// [packet, must it close?] Where it need not, ignoring it is as good (§7.8).
const closing = {
  'unknown-type': ['49["x"]', true],
  'letter': ['4a', false],
  'event-object': ['42{}', true],
  'event-empty-array': ['42[]', true],
  'event-bad-json': ['42["x"', true],
  'event-string': ['42"x"', false],
  'event-trailing': ['42["x"]y', false],
  'event-name-number': ['42[5]', false],
  'disconnect-payload': ['41{}', false],
  'binary-bad-count': ['45x-["x"]', false],
  'binary-no-count': ['45["x"]', false],
  'ack-object': ['431{}', false],
  'id-garbage': ['42abc', true],
  'connect-error-number': ['441[', false],
};
for (const [name, [packet, must]] of Object.entries(closing)) {
  scenario(`sio.closes.${name}`, async (world) => {
    const [a, b] = [await world.user('a'), await world.user('b')];
    const watcher = await world.ws({ user: b });
    const ws = await world.ws({ user: a });
    watcher.mark();
    ws.send(packet);
    const s = await ws.closing(must ? 10_000 : 1000).catch(() => undefined);
    if (must) assert.deepEqual(s, { closed: 1005 });
    if (s === undefined) return { served: await world.serves(ws, a) || ws.state };
    const others = await watcher.next((frame) => frame.includes('user.disconnected'));
    return { closed: true, others, frames: ws.events() };
  }, must ? {} : { or: (got) => got.closed || got.served });
}

const blob = (user, room) => `451-${JSON.stringify(['message', { ...message(user, room, 'b', 1), blob: { _placeholder: true, num: 0 } }])}`;

scenario('sio.binary-event', async (world) => {
  const a = await world.user('a');
  const ws = await world.ws({ user: a, rooms: ['be'] });
  ws.send(blob(a, 'be'), Buffer.from('hi'));
  await ws.waitFor((socket) => socket.events().length >= 2);
  const frames = ws.events();
  return { frames, serves: await world.serves(ws, a) };
});

scenario('sio.binary-two-attachments', async (world) => {
  const a = await world.user('a');
  const ws = await world.ws({ user: a, rooms: ['b2'] });
  const data = { ...message(a, 'b2', 'b', 1), x: { _placeholder: true, num: 0 }, y: [{ _placeholder: true, num: 1 }] };
  ws.send(`452-${JSON.stringify(['message', data])}`, Buffer.from('one'), Buffer.from('two'));
  await ws.waitFor((socket) => socket.events().length >= 3);
  assert.deepEqual(ws.events(), [
    `452-${JSON.stringify(['message', data])}`, { bin: Buffer.from('one').toString('hex') }, { bin: Buffer.from('two').toString('hex') },
  ]);
});

scenario('sio.binary-missing-attachment', async (world) => {
  const a = await world.user('a');
  const ws = await world.ws({ user: a });
  ws.send(blob(a, 'bm'));
  return { serves: await world.serves(ws, a), state: ws.state };
});

scenario('sio.binary-unexpected', async (world) => {
  const ws = await world.ws();
  ws.send(Buffer.from([1]));
  return { closed: (await ws.closing()) !== undefined };
});

scenario('sio.long-event', async (world) => {
  const a = await world.user('a');
  const ws = await world.ws({ user: a, rooms: ['long'] });
  const text = 'é'.repeat(200_000);
  ws.emit('message', message(a, 'long', text));
  const frame = await ws.next(isMessage);
  assert.equal(JSON.parse(frame.slice(2))[1].message, text);
});
