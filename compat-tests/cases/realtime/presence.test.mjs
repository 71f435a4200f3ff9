// Who is it, coming and going, joining rooms (realtime.md §8.1-§8.4, §8.6).
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { request } from '../../lib/engine.mjs';
import { message, suite } from '../../lib/rt-world.mjs';
import { cookieOf } from '../../lib/session.mjs';

const { scenario } = suite('chat');
const isMessage = (frame) => typeof frame === 'string' && frame.startsWith('42["message"');
const left = (frame) => frame.includes?.('user.disconnected');

scenario('chat.connect-broadcast', async (world) => {
  const [a, b] = [await world.user('a'), await world.user('b')];
  const [wa, anon] = [await world.ws({ user: a }), await world.ws()];
  await world.startCounting(wa, anon);
  const wb = await world.ws({ user: b });
  await world.fence(wa, anon, wb);
  return {
    a: wa.events(), anon: anon.events(), self: wb.frames.slice(2).filter((frame) => !wb.isNoise(frame)),
    online: [(await world.online(a)) === 1, (await world.online(b)) === 1],
  };
});

scenario('chat.disconnect-broadcast', async (world) => {
  const [a, b] = [await world.user('a'), await world.user('b')];
  const [wa, anon, wb] = [await world.ws({ user: a }), await world.ws(), await world.ws({ user: b })];
  await world.startCounting(wa, anon);
  await wb.close();
  await wa.next(left);
  await world.fence(wa, anon);
  return { a: wa.events(), anon: anon.events(), online: await world.online(b) };
});

scenario('chat.two-tabs', async (world) => {
  const [a, b] = [await world.user('a'), await world.user('b')];
  const watcher = await world.ws({ user: b });
  const first = await world.ws({ user: a });
  const second = await world.ws({ user: a });
  await world.startCounting(watcher, first);
  await second.close();
  await watcher.next(left);
  await world.fence(watcher, first);
  const gone = `42["user.disconnected",{"id":<a>,"username":"chat_two_tabs_a","online":false}]`;
  // Presence is toggled, not counted: the other tab is told that its own user left.
  assert.deepEqual(world.clean([watcher.events(), first.events()]), [[gone], [gone]]);
  assert.equal(await world.online(a), 0);
});

scenario('chat.anonymous', async (world) => {
  const a = await world.user('a');
  const watcher = await world.ws({ user: a });
  const since = world.bus.mark();
  const anon = await world.ws();
  await world.startCounting(watcher);
  anon.emit('room.join', 'anon');
  anon.emit('message', message(a, 'anon', 'ignored'));
  await world.settled(watcher, a);
  watcher.emit('message', message(a, 'anon', 'heard by nobody'));
  await world.bus.next(({ data }) => data?.message === 'heard by nobody', since);
  await world.startCounting(anon);
  await anon.close();
  await world.fence(watcher);
  assert.deepEqual([anon.events(), watcher.events()], [[], []]);
  assert.deepEqual((await world.stored('anon')).map((text) => JSON.parse(text).message), ['heard by nobody']);
});

/** A signed-in socket `watch`es while one with `cookie` comes; what each gets. */
async function comes(world, cookie) {
  const b = await world.user('w');
  const watch = await world.ws({ user: b });
  const socket = await world.ws({ cookie, ns: false });
  const conn = await socket.connectNs();
  await world.startCounting(socket);
  socket.emit('room.join', 'bad');
  watch.emit('message', message(b, 'bad', 'x'));
  await world.settled(watch, b);
  await world.fence(watch, socket);
  const others = watch.events().filter((frame) => frame.includes('user.connected'));
  return { conn, others, own: socket.events().filter(isMessage) };
}

const badCookies = {
  'tampered': ({ cookie }) => cookie.replace(/\.(.)/, (_, first) => (first === 'A' ? '.B' : '.A')),
  'other-secret': ({ sid }) => cookieOf(sid, 'another secret'),
  'unsigned': ({ sid }) => `connect.sid=${sid}`,
  'no-prefix': ({ cookie }) => cookie.replace('s%3A', ''),
  'garbage': () => 'connect.sid=%E0%A4%A; ;=;a',
  'gone': () => cookieOf(randomBytes(24).toString('base64url')),
};
for (const [name, make] of Object.entries(badCookies)) {
  scenario(`chat.cookie.${name}`, async (world) => {
    const observed = await comes(world, make(await world.user('a')));
    assert.deepEqual(world.clean(observed), { conn: '40{"sid":"<sid>"}', others: [], own: [] });
    return observed;
  });
}

scenario('chat.cookie.second-of-two', async (world) => {
  const a = await world.user('a');
  const { others } = await comes(world, `other=1; ${a.cookie}; third="x"`);
  return { others };
});

scenario('chat.cookie.first-counts', async (world) => {
  const a = await world.user('a');
  const { others } = await comes(world, `connect.sid=bad; ${a.cookie}`);
  assert.deepEqual(others, []);
});

scenario('chat.cookie-at-polling-open', async (world) => {
  const [a, b] = [await world.user('a'), await world.user('b')];
  const watch = await world.ws();
  const heard = async (atOpen, later) => {
    watch.mark();
    const client = await world.polling({ cookie: atOpen, ns: false, loop: false });
    client.headers = later ? { cookie: later } : {};
    await client.post('40');
    const f = (await client.get()).text;
      // A signed-in socket is announced before this one's announcement.
    await world.ws({ user: b });
    await world.fence(watch);
    const frames = watch.events().filter((frame) => frame.includes('user.connected') && !frame.includes(b.username));
    return { f, frames };
  };
  const { f, frames: first } = await heard(a.cookie, undefined);
  const { frames: second } = await heard(undefined, a.cookie);
  return { f, first, second };
});

scenario('chat.login-after-connect', async (world) => {
  const a = await world.user('a');
  const visitor = await world.user('v');
  const w = await world.user('w');
  const doc = await world.client.get(`sess:${visitor.sid}`);
  await world.client.set(`sess:${visitor.sid}`, '{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"}}');
  const watch = await world.ws({ user: w });
  const socket = await world.ws({ cookie: visitor.cookie });
  await world.startCounting(watch, socket);
  await world.client.set(`sess:${visitor.sid}`, doc);
  socket.emit('room.join', 'la');
  socket.emit('message', message(a, 'la', 'x'));
  await world.settled(watch, w);
  watch.emit('message', message(w, 'la', 'y'));
  await world.settled(watch, w);
  await world.fence(watch, socket);
  const others = watch.events().filter((frame) => !frame.includes('show.room'));
  return { others, own: socket.events().filter(isMessage) };
});

scenario('chat.logout-while-connected', async (world) => {
  const a = await world.user('a');
  const ws = await world.ws({ user: a });
  const out = await request(world.base, { method: 'POST', path: '/logout', headers: { cookie: a.cookie } });
  assert.equal(out.status, 200);
  assert.ok(await world.serves(ws, a));
  const since = world.bus.mark();
  await ws.close();
  await world.bus.presence('user.disconnected', a.id, since);
});

scenario('chat.reconnect-same-engine-after-logout', async (world) => {
  const a = await world.user('a');
  const ws = await world.ws({ user: a });
  await world.client.del(`sess:${a.sid}`);
  ws.send('41');
  const since = world.bus.mark();
  ws.send('40');
  await world.bus.presence('user.connected', a.id, since);
  await ws.next((frame) => frame.startsWith('40'));
  assert.ok(await world.serves(ws, a));
});

scenario('chat.id-type', async (world) => {
  // A session made by registration has a number, one made by a later login a string.
  const username = `typed ${randomBytes(6).toString('hex')}`;
  const login = () => request(world.base, {
    method: 'POST', path: '/login', body: JSON.stringify({ username, password: 'p' }), headers: { 'content-type': 'application/json' },
  });
  const watch = await world.ws();
  const seen = [];
  for (const expected of [201, 200]) {
    const answer = await login();
    assert.equal(answer.status, expected);
    const socket = await world.ws({ cookie: answer.headers['set-cookie'][0].split(';')[0] });
    const [user] = await watch.event('user.connected');
    seen.push(user);
    await socket.close();
    await watch.next(left);
  }
  return {
    types: seen.map(({ id }) => typeof id), keys: seen.map((user) => Object.keys(user).join(',')),
    same: new Set(seen.map(({ id }) => String(id))).size,
  };
});

scenario('chat.session-user-fields', async (world) => {
  const a = await world.user('a');
  const stored = JSON.parse(await world.client.get(`sess:${a.sid}`));
  stored.user = { zeta: [1, null], online: 'x', ...stored.user, alpha: { b: 1 } };
  await world.client.set(`sess:${a.sid}`, JSON.stringify(stored));
  const watch = await world.ws();
  await world.ws({ user: a });
  const [user] = await watch.event('user.connected');
  // All fields of the session's user, in their order; `online` is replaced in place.
  assert.equal(JSON.stringify(user), JSON.stringify({ ...stored.user, online: true }));
});

scenario('chat.no-session-created', async (world) => {
  const a = await world.user('a');
  await world.client.expire(`sess:${a.sid}`, 5000);
  const sessions = async () => (await world.client.keys('sess:*')).length;
  const [count, value] = [await sessions(), await world.client.get(`sess:${a.sid}`)];
  for (const socket of [await world.ws({ user: a }), await world.ws(), await world.polling({ user: a }), await world.polling()]) await socket.close();
  return {
    grew: (await sessions()) - count,
    valueSame: (await world.client.get(`sess:${a.sid}`)) === value,
    ttlKept: (await world.client.ttl(`sess:${a.sid}`)) <= 5000,
  };
});

scenario('chat.connect-frame-first', async (world) => {
  let bad = 0;
  let stop = false;
  const noise = (async () => {
    while (!stop) await world.publish('noise', 1);
  })();
  for (let i = 0; i < 15; i += 1) {
    const ws = await world.ws({ user: i === 0 ? await world.user('a') : undefined, ns: false });
    await ws.connectNs();
    if (!ws.frames[1].startsWith('40')) bad += 1;
    await ws.close();
  }
  stop = true;
  await noise;
  return { bad };
});

scenario('chat.immediate-emit', async (world) => {
  // Handlers are ready when `40{sid}` is sent (§8.3); the original loses some of these.
  const users = await Promise.all(Array.from({ length: 30 }, (_, i) => world.user(`u${i}`)));
  await Promise.all(users.map(async (user, i) => {
    const ws = await world.ws({ user, ns: false });
    await ws.connectNs();
    ws.emit('room.join', `im${i}`);
    ws.emit('message', message(user, `im${i}`, `first of ${i}`));
    const frame = await ws.next(isMessage, 5000);
    assert.ok(frame.includes?.(`first of ${i}`));
  }));
}, { deviation: true });

// --- room.join (§8.4): [argument, the room it names] ---
const joins = {
  'str-0': ['"0"', '0'], 'num-0': ['0', '0'], 'minus-0': ['-0', '0'], 'pair': ['"1:2"', '1:2'], 'num': ['17', '17'], 'exp': ['1e21', '1e+21'],
  'fraction': ['1.50', '1.5'], 'true': ['true', 'true'], 'null': ['null', 'null'], 'empty': ['""', ''], 'array2': ['["j1","j2"]', 'j1,j2'],
  'array-nested': ['[["q"],[1,null]]', 'q,1,'], 'object': ['{"a":1}', '[object Object]'], 'utf8': ['"é😀"', 'é😀'], 'star': ['"*"', '*'],
};
for (const [name, [argument, room]] of Object.entries(joins)) {
  scenario(`chat.join.${name}`, async (world) => {
    const [a, b] = [await world.user('a'), await world.user('b')];
    const joined = await world.ws({ user: a });
    const other = await world.ws();
    const sender = await world.ws({ user: b });
    joined.send(`42["room.join",${argument}]`);
    await world.settled(joined, a);
    await world.startCounting(joined, other);
    sender.emit('message', message(b, room, `to ${name}`));
    const frame = await joined.next(isMessage);
    await world.fence(joined, other);
    assert.equal(JSON.parse(frame.slice(2))[1].message, `to ${name}`);
    return { got: joined.events().filter(isMessage), other: other.events().filter(isMessage).length };
  });
}

scenario('chat.join.none', async (world) => {
  const a = await world.user('a');
  const ws = await world.ws({ user: a });
  ws.send('42["room.join"]');
  ws.emit('message', message(a, 'undefined', 'to nothing'));
  assert.ok((await ws.next(isMessage)).includes('to nothing'));
});

/** Sends `packets`, then a message to `room`; the messages that arrive. */
async function afterJoining(world, room, packets, text = 'x') {
  const a = await world.user('a');
  const ws = await world.ws({ user: a });
  ws.send(...packets);
  ws.emit('message', message(a, room, text));
  await ws.next(isMessage);
  await world.settled(ws, a);
  await world.fence(ws);
  return { got: ws.events().filter((frame) => !frame.includes('show.room')) };
}

scenario('chat.join.extra-arg', (world) => afterJoining(world, 'ja', ['42["room.join","ja","jb",{"x":1}]'], 'yes'));
scenario('chat.join.twice', (world) => afterJoining(world, 'jt', ['42["room.join","jt"]', '42["room.join","jt"]']));

scenario('chat.join.ack', async (world) => {
  const a = await world.user('a');
  const ws = await world.ws({ user: a });
  ws.send('421["room.join","jk"]', `422${JSON.stringify(['message', message(a, 'jk', 'x')])}`);
  await ws.next(isMessage);
  await world.settled(ws, a);
  await world.fence(ws);
  return { got: ws.events() };
});

scenario('chat.join.ack-no-argument', async (world) => {
  // The argument is then the acknowledgement function: no client can address that room.
  const a = await world.user('a');
  const ws = await world.ws({ user: a });
  ws.send('421["room.join"]');
  assert.ok(await world.serves(ws, a));
});

scenario('chat.event-named-disconnect', async (world) => {
  // The original takes it for the real thing (§8.6).
  const a = await world.user('a');
  const ws = await world.ws({ user: a });
  const since = world.bus.mark();
  ws.emit('disconnect', 'x');
  ws.emit('disconnecting');
  await world.settled(ws, a);
  assert.deepEqual(world.bus.since(since).filter(({ type }) => type === 'user.disconnected'), []);
  assert.equal(await world.online(a), 1);
  assert.ok(await world.serves(ws, a));
}, { deviation: true });

scenario('chat.unknown-event', async (world) => {
  const [a, b] = [await world.user('a'), await world.user('b')];
  const [wa, wb] = [await world.ws({ user: a }), await world.ws({ user: b })];
  const since = world.bus.mark();
  await world.startCounting(wa, wb);
  wa.emit('user.connected', { id: 1 });
  wa.emit('whatever', 1, 2);
  await world.settled(wa, a);
  await world.fence(wa, wb);
  assert.deepEqual(world.bus.since(since), []);
  return { a: wa.events(), b: wb.events() };
});
