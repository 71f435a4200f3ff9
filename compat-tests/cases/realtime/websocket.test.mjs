// WebSocket: opening, refusals, frames (realtime.md §1.7, §3).
import assert from 'node:assert/strict';
import { PATH, brief, rawHttp } from '../../lib/engine.mjs';
import { BINARY, CONTINUATION, PING, RawWs, TEXT, upgradeRequest } from '../../lib/rt-rawws.mjs';
import { message, suite } from '../../lib/rt-world.mjs';

const { scenario, fixture } = suite(['handshake', 'ws-upgrade']);
const OPEN = '0{"sid":"<sid>","upgrades":[],"pingInterval":25000,"pingTimeout":5000}';

scenario('ws.open', async (world) => {
  const ws = await world.ws({ ns: false });
  const first = await ws.next();
  // Nothing else by itself (§7.1).
  const more = await ws.next(() => true, 300).then((frame) => [frame], () => []);
  const { upgrade, connection, 'sec-websocket-extensions': ext = null } = ws.response.headers;
  return { res: ws.res, first, ext, up: { upgrade, connection }, more };
}, { or: (got) => got.first === OPEN && got.up.connection.toLowerCase() === 'upgrade' && got.more.length === 0 });

scenario('ws.deflate', async (world) => {
  const ws = await world.ws({ ns: false, deflate: true });
  return { res: ws.res, ext: ws.response.headers['sec-websocket-extensions'] ?? null, first: await ws.next() };
});

for (const [name, query] of Object.entries({ 'eio-missing': 'transport=websocket', 'eio3': 'EIO=3&transport=websocket' })) {
  scenario(`ws.${name}`, async (world) => {
    const ws = await world.ws({ ns: false, query });
    const observed = { res: ws.res, first: await ws.next() };
    assert.deepEqual(world.clean(observed), { res: { ok: true }, first: OPEN });
    return observed;
  });
}

scenario('ws.origin', async (world) => {
  const ws = await world.ws({ ns: false, origin: 'http://elsewhere.example' });
  assert.equal(world.clean(await ws.next()), OPEN);
  assert.equal(ws.response.headers['access-control-allow-origin'], undefined);
  assert.equal(ws.response.headers['set-cookie'], undefined);
});

scenario('ws.subprotocol', async (world) => {
  // Echoing the first one is optional (may), but then it must be one that was offered.
  const ws = await world.ws({ ns: false, protocols: ['chat', 'other'] });
  if (ws.state === 'open') assert.equal(ws.socket.protocol, 'chat');
});

const bad = {
  'transport-polling': [PATH, 'EIO=4&transport=polling'],
  'transport-foo': [PATH, 'EIO=4&transport=foo'],
  'transport-none': [PATH, ''],
  'unknown-sid': [PATH, 'EIO=4&transport=websocket&sid=zzzzzzzzzzzzzzzzzzzz'],
  'unknown-sid-short': [PATH, 'EIO=4&transport=websocket&sid=x'],
};
for (const [name, [path, query]] of Object.entries(bad)) {
  scenario(`ws.bad.${name}`, async (world) => {
    const ws = await world.ws({ ns: false, path, query });
    return { res: ws.res, next: ws.refused ? null : await ws.next(() => true, 3000) };
  });
}

/** An upgrade request by hand, as the recordings note its answer. */
async function byHand(world, options) {
  const done = (text) => /\r\n\r\n/.test(text) && text.startsWith('HTTP/1.1 101');
  const { text, closed } = await rawHttp(world.base, upgradeRequest(options), { ms: 3000, until: done });
  const [head, body] = text.split('\r\n\r\n');
  const header = (name) => new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1];
  return { line: head.split('\r\n')[0], type: header('content-type'), conn: header('connection')?.toLowerCase(), body, closed };
}

const malformed = {
  'no-key': { set: { 'Sec-WebSocket-Key': undefined } },
  'bad-key': { set: { 'Sec-WebSocket-Key': 'abc' } },
  'version-12': { set: { 'Sec-WebSocket-Version': '12' } },
  'post': { method: 'POST' },
};
for (const [name, options] of Object.entries(malformed)) {
  scenario(`ws.raw.${name}`, (world) => byHand(world, options));
}

scenario('ws.raw.upgrade-other', async (world) => {
  const got = await byHand(world, { set: { Upgrade: 'h2c' } });
  assert.match(got.line, /^HTTP\/1\.1 400/);
});

scenario('ws.raw.version-8', async (world) => {
  const { line, conn, closed } = await byHand(world, { set: { 'Sec-WebSocket-Version': '8' } });
  return { line, conn, body: 'frames', closed };
});

scenario('ws.raw.other-path', async (world) => {
  const { text, closed, ms } = await rawHttp(world.base, upgradeRequest({ target: '/elsewhere' }), { ms: 8000 });
  return { text, closed, aboutOneSecond: ms > 500 };
});

// --- frames on a joined connection (§3.4) ---
const inputs = {
  'unknown-type': '7', 'garbage': 'hello', 'empty': '', 'open': '0', 'close': '1', 'ping': '2', 'ping-probe': '2probe', 'pong': '3',
  'pong-probe': '3probe', 'upgrade': '5', 'noop': '6', 'msg-empty': '4', 'b64-text': 'bAQID', 'high-byte': 'é',
  'binary-unexpected': Buffer.from([1, 2, 3]), 'binary-empty': Buffer.alloc(0),
};
const mayClose = new Set(['open', 'close', 'ping-probe', 'pong-probe', 'upgrade', 'noop']);
for (const [name, input] of Object.entries(inputs)) {
  scenario(`ws.input.${name}`, async (world) => {
    const a = await world.user('a');
    const room = `in_${name}`;
    const ws = await world.ws({ user: a, rooms: [room] });
    const since = world.bus.mark();
    ws.send(input);
    ws.emit('message', message(a, room, 'still', 1));
    const echo = await ws.next((frame) => typeof frame === 'string' && frame.startsWith('42["message"'));
    if (echo.closed !== undefined) await world.bus.presence('user.disconnected', a.id, since, 5000);
    const frames = ws.events().filter((frame) => frame !== echo);
    const observed = { echo, state: ws.state, frames };
    if (fixture[`ws.input.${name}`] === undefined && !mayClose.has(name)) assert.equal(observed.state, 'open');
    return observed;
  });
}

scenario('ws.rfc-ping', async (world) => {
  const ws = await world.ws();
  const pong = new Promise((resolve) => ws.socket.once('pong', (data) => resolve(data.toString())));
  ws.socket.ping('abc');
  return { pong: await pong };
});

/** A joined bare connection that hears `room`. */
async function joined(world, user, room) {
  const raw = world.watch(await RawWs.open(world.base, { cookie: user.cookie }));
  const since = world.bus.mark();
  raw.send('40');
  await raw.next((frame) => frame.startsWith?.('40'));
  await world.bus.presence('user.connected', user.id, since);
  raw.send(`42["room.join","${room}"]`);
  return raw;
}

scenario('ws.fragmented', async (world) => {
  const a = await world.user('a');
  const raw = await joined(world, a, 'frag');
  const packet = `42${JSON.stringify(['message', message(a, 'frag', 'frag', 1)])}`;
  const cut = [packet.slice(0, 5), packet.slice(5, 30), packet.slice(30)];
  raw.frame(cut[0], { opcode: TEXT, fin: false });
  // A control frame may stand between fragments.
  raw.frame('between', { opcode: PING });
  raw.frame(cut[1], { opcode: CONTINUATION, fin: false });
  raw.frame(cut[2], { opcode: CONTINUATION });
  return { f: await raw.next((frame) => typeof frame === 'string' && frame.startsWith('42["message"')) };
});

const sized = (bytes) => `42["nothing","${'w'.repeat(bytes - 16)}"]`;

scenario('ws.limit-1e6', async (world) => {
  const a = await world.user('a');
  const ws = await world.ws({ user: a });
  assert.equal(sized(1_000_000).length, 1_000_000);
  ws.send(sized(1_000_000));
  await world.settled(ws, a);
  return { c: ws.state };
});

scenario('ws.limit-1e6+1', async (world) => {
  const a = await world.user('a');
  const ws = await world.ws({ user: a });
  const since = world.bus.mark();
  ws.send(sized(1_000_001));
  await ws.closing();
  await world.bus.presence('user.disconnected', a.id, since);
  return { closed: ws.state === 'closed' };
});

scenario('ws.limit-fragments', async (world) => {
  const a = await world.user('a');
  const raw = await joined(world, a, 'limit');
  raw.frame('42["nothing","', { fin: false });
  for (let i = 0; i < 3; i += 1) raw.frame('w'.repeat(400_000), { opcode: CONTINUATION, fin: false });
  assert.ok(await raw.closing());
});

const violations = {
  'ws.unmasked': (raw) => raw.frame('3', { masked: false }),
  'ws.bad-utf8': (raw) => raw.frame(Buffer.from([0x34, 0x32, 0xff, 0xfe])),
  'ws.stray-continuation': (raw) => raw.frame('x', { opcode: CONTINUATION }),
  'ws.reserved-opcode': (raw) => raw.frame('x', { opcode: 3 }),
  'ws.text-in-fragments': (raw) => {
    raw.frame('42["a', { fin: false });
    raw.frame('3', { opcode: BINARY });
  },
};
for (const [id, violate] of Object.entries(violations)) {
  scenario(id, async (world) => {
    const a = await world.user('a');
    const raw = await joined(world, a, 'violation');
    const since = world.bus.mark();
    violate(raw);
    const closed = (await raw.closing()) !== undefined;
    await world.bus.presence('user.disconnected', a.id, since);
    return { closed };
  });
}

scenario('ws.close-frame', async (world) => {
  const [a, b] = [await world.user('a'), await world.user('b')];
  const watcher = await world.ws({ user: b });
  const ws = await world.ws({ user: a });
  ws.socket.close(1000);
  const f = await watcher.next((frame) => frame.includes('user.disconnected'), 5000);
  return { f, fast: true, code: await ws.closing() };
});

scenario('ws.tcp-reset', async (world) => {
  const [a, b] = [await world.user('a'), await world.user('b')];
  const watcher = await world.ws({ user: b });
  const ws = await world.ws({ user: a });
  ws.reset();
  return { f: await watcher.next((frame) => frame.includes('user.disconnected'), 5000), fast: true };
});

scenario('ws.sid-for-polling', async (world) => {
  const ws = await world.ws({ ns: false });
  const sid = JSON.parse((await ws.next()).slice(1)).sid;
  const client = await world.polling({ ns: false, loop: false });
  const own = client.sid;
  client.sid = sid;
  const get = brief(await client.get());
  const post = brief(await client.post('3'));
  client.sid = own;
  return { get, post, ws: ws.state };
});
