// The `message` event: text, fields, rooms, show.room (realtime.md §8.5).
import assert from 'node:assert/strict';
import { message, suite } from '../../lib/rt-world.mjs';

const { scenario, fixture } = suite('chat');
const isMessage = (frame) => typeof frame === 'string' && frame.startsWith('42["message"');
const isShow = (frame) => typeof frame === 'string' && frame.startsWith('42["show.room"');

/** A user `a` with a websocket in `rooms`. */
async function sender(world, ...rooms) {
  const a = await world.user('a');
  return { a, ws: await world.ws({ user: a, rooms }) };
}

scenario('chat.message', async (world) => {
  const { a, ws } = await sender(world, '0');
  const b = await world.user('b');
  const [inside, outside] = [await world.ws({ user: b, rooms: ['0'] }), await world.ws()];
  await world.startCounting(ws, inside, outside);
  ws.emit('message', message(a, '0', 'hello'));
  await ws.next(isMessage);
  await world.fence(ws, inside, outside);
  const frame = `42${JSON.stringify(['message', message(a, '0', 'hello')])}`;
  assert.deepEqual([ws.events(), inside.events(), outside.events()], [[frame], [frame], []]);
  assert.equal((await world.stored('0')).at(-1), JSON.stringify(message(a, '0', 'hello')));
});

scenario('chat.message.not-joined', async (world) => {
  const { a, ws } = await sender(world);
  const b = await world.user('b');
  const inside = await world.ws({ user: b, rooms: ['0'] });
  await world.startCounting(ws, inside);
  ws.emit('message', message(a, '0', 'x'));
  await inside.next(isMessage);
  await world.fence(ws, inside);
  return { a: ws.events(), b: inside.events() };
});

// --- the text (§8.5, 1) ---
const texts = {
  'html': '<script>alert("x")</script>&amp;', 'gt': 'a > b', 'only-amp': 'a & b', 'empty': '', 'space': '   ', 'utf8': 'é 漢 😀 \u202e',
  'nul': 'a\0b', 'newline': 'a\nb\r\n\t', 'line-sep': '\u2028\u2029', 'lone': 'a\ud800b', 'record-sep': 'a\x1eb', 'long': 'w'.repeat(20_000),
  'entities': '&lt;b&gt;', 'slash': '</a>', 'many': '<'.repeat(50), 'controls': '\x01\b\f\x7f\x1b', 'backslash': '\\"\\/\\u0041', 'proto': '__proto__',
};
/** What is long is recorded by its length and head only. */
const short = (text) => (text.length > 2000 ? { len: text.length, head: text.slice(0, 55) } : text);

for (const [name, text] of Object.entries(texts)) {
  scenario(`chat.text.${name}`, async (world) => {
    const { a, ws } = await sender(world, `tx${name}`);
    ws.emit('message', message(a, `tx${name}`, text));
    const frame = await ws.next(isMessage);
    const stored = await world.stored(`tx${name}`);
    const clean = text.replaceAll('<', '&lt').replaceAll('>', '&gt');
    if (name !== 'lone') assert.equal(JSON.parse(frame.slice(2))[1].message, clean);
    assert.equal(frame, `42["message",${stored[0]}]`, 'stored and sent alike');
    return { f: short(world.clean(frame)), stored: stored.map((item) => short(world.clean(item))) };
  });
}

scenario('chat.text.lone-delivered', async (world) => {
  const { a, ws } = await sender(world, 'lone');
  ws.emit('message', message(a, 'lone', 'a\ud800b'));
  const frame = await ws.next(isMessage);
  return { delivered: frame.closed === undefined, stored: (await world.stored('lone')).length };
});

scenario('chat.key-order', async (world) => {
  const { a, ws } = await sender(world, 'ko');
  const body = `{"z":1,"roomId":"ko","10":1,"message":"<m","2":1,"n":{"b":1,"a":[1.0,2.5,1e3,-0,1E400]},"z":2,"date":5,"from":"${a.id}"}`;
  ws.send(`42["message",${body}]`);
  const f = await ws.next(isMessage);
  return { f, stored: await world.client.zrange('room:ko', 0, -1, 'WITHSCORES') };
}, {
  // Number shapes may differ (§8.5, 1), the keys may not.
  or: (got) => JSON.stringify(Object.keys(JSON.parse(got.f.slice(2))[1])) === '["2","10","z","roomId","message","n","date","from"]',
});

// --- the other fields (§8.5, 2 and 4) ---
const fields = {
  'date-float': { date: 1700000000.25 }, 'date-string': { date: '1700000000' }, 'date-negative': { date: -5 }, 'date-inf-string': { date: 'inf' },
  'date-exp-string': { date: '1e3' }, 'date-array': { date: [7] }, 'from-number': { from: 424242 }, 'text-array': { message: ['<b>', 1] },
  'from-array': { from: ['x1', 'x2'] }, 'from-other': { from: '999999' }, 'from-bool': { from: true },
};
// The browser client never sends these: ignoring them is allowed (http-and-redis.md §9).
const mayIgnore = new Set(['date-array', 'text-array', 'from-array', 'from-bool']);
for (const [name, odd] of Object.entries(fields)) {
  scenario(`chat.field.${name}`, async (world) => {
    const room = `f${name}`;
    const { a, ws } = await sender(world, room);
    ws.emit('message', { ...message(a, room, 'm'), ...odd });
    await world.settled(ws, a);
    await world.fence(ws);
    const f = ws.events().filter(isMessage)[0] ?? null;
    const stored = await world.client.zrange(`room:${room}`, 0, -1, 'WITHSCORES');
    const expected = [odd.from ?? String(a.id)].flat().map(String);
    const online = [];
    for (const id of expected) if (await world.online(id)) online.push(id);
    for (const id of expected) if (id !== String(a.id)) await world.client.srem('online_users', id);
    return { f, stored, online };
  }, { or: (got) => mayIgnore.has(name) && got.f === null && got.stored.length === 0 });
}

scenario('chat.room-number', async (world) => {
  const { a, ws } = await sender(world, '0');
  ws.emit('message', message(a, 0, 'n'));
  await world.settled(ws, a);
  await world.fence(ws);
  return { f: ws.events()[0] ?? null };
}, { or: (got) => got.f === null });

scenario('chat.room-array', async (world) => {
  const { a, ws } = await sender(world, '0');
  ws.emit('message', message(a, ['0'], 'n'));
  await world.settled(ws, a);
  await world.fence(ws);
  return { f: ws.events()[0] ?? null };
}, { or: (got) => got.f === null });

// --- show.room (§8.5, 3) ---
scenario('chat.show-room', async (world) => {
  const [a, b] = [await world.user('a'), await world.user('b')];
  const room = `${a.id}:${b.id}`;
  const wa = await world.ws({ user: a, rooms: [room] });
  const wb = await world.ws({ user: b, rooms: [room] });
  const stranger = await world.ws({ user: await world.user('c') });
  const anon = await world.ws();
  const all = { a: wa, b: wb, stranger, anon };
  const say = async (text, ...names) => {
    await world.startCounting(...Object.values(all));
    wa.emit('message', message(a, room, text));
    await wa.next(isMessage);
    await world.fence(...Object.values(all));
    return Object.fromEntries(names.map((name) => [name, all[name].events()]));
  };
  return { first: await say('first', 'a', 'b', 'stranger', 'anon'), second: await say('second', 'a', 'b', 'stranger') };
});

const showRooms = { 'no-colon': 'lonely', 'unknown-users': '888888:999999', 'colon': ':', 'text': 'x:y', 'three-parts': '7:8:9', 'named': 'named' };
for (const [name, room] of Object.entries(showRooms)) {
  scenario(`chat.show-room.${name}`, async (world) => {
    if (name === 'named') await world.client.set('room:named:name', 'Named');
    const { a, ws } = await sender(world);
    const other = await world.ws();
    await world.startCounting(ws, other);
    ws.emit('message', message(a, room, 'x'));
    await world.settled(ws, a);
    await world.fence(ws, other);
    assert.deepEqual(ws.events(), []);
    return { b: other.events() };
  });
}

scenario('chat.show-room.after-flush', async (world) => {
  // A room that was emptied behind the server's back is new again.
  const { a, ws } = await sender(world);
  const other = await world.ws();
  for (const text of ['one', 'two']) {
    await world.startCounting(other);
    ws.emit('message', message(a, 'flushed', text));
    await world.settled(ws, a);
    await other.waitFor(() => other.events().some(isShow));
    assert.equal((await world.stored('flushed')).length, 1);
    await world.client.del('room:flushed');
  }
});

// --- a message followed at once by leaving (§8.6) ---
const leavings = {
  'close-frame': (ws) => ws.socket.close(),
  'disconnect': (ws) => ws.send('41'),
  'bad-packet': (ws) => ws.send('hello'),
};
for (const [name, leave] of Object.entries(leavings)) {
  scenario(`chat.message-then-${name}`, async (world) => {
    const room = `leave-${name}`;
    const b = await world.user('b');
    const watcher = await world.ws({ user: b, rooms: [room] });
    const { a, ws } = await sender(world);
    watcher.mark();
    for (let i = 0; i < 10; i += 1) ws.emit('message', message(a, room, String(i), i));
    leave(ws);
    const count = () => watcher.events().filter(isMessage).length;
    await watcher.waitFor(() => count() >= 10);
    await world.client.srem('online_users', a.id);
    const observed = { got: count(), stored: (await world.stored(room)).length };
    assert.deepEqual(observed, { got: 10, stored: 10 });
    return observed;
  });
}

scenario('chat.leave-after-messages', async (world) => {
  // Leave goes last: the user is not online again by a message sent before it (§10.1, §14).
  const { a, ws } = await sender(world);
  const since = world.bus.mark();
  for (let i = 0; i < 10; i += 1) ws.emit('message', message(a, 'last', String(i), i));
  ws.socket.close();
  await world.bus.presence('user.disconnected', a.id, since);
  const types = world.bus.since(since).filter(({ type }) => type !== 'show.room').map(({ type }) => type);
  assert.deepEqual(types, [...Array(10).fill('message'), 'user.disconnected']);
  assert.equal(await world.online(a), 0);
}, { deviation: true });

scenario('chat.polling-client', async (world) => {
  const [a, b] = [await world.user('a'), await world.user('b')];
  const ws = await world.ws({ user: b, rooms: ['pc'] });
  const p = await world.polling({ user: a });
  await p.emit('room.join', 'pc');
  p.mark();
  await p.emit('message', message(a, 'pc', 'from poll'));
  await ws.next(isMessage);
  ws.emit('message', message(b, 'pc', 'from ws'));
  await p.waitFor(() => p.events().length >= 2);
  await world.fence(ws, p);
  const heard = ws.events().filter((frame) => !isShow(frame)).sort();
  ws.mark();
  const polled = p.events();
  await p.close();
  await ws.next((frame) => frame.includes('user.disconnected'));
  return { p: polled, ws: heard, left: ws.events() };
});
