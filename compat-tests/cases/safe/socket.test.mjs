// Who may say and hear what over the socket, with COMPAT=safe (http-and-redis.md §15, realtime.md §8).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { has } from '../../lib/capabilities.mjs';
import { Polling, Ws } from '../../lib/engine.mjs';
import { ask, dataOf, fence, heard, isEvent, isMessage, isOf, message, random, useSafe } from '../../lib/safe.mjs';

const t = useSafe();
const OK = { ok: true };

/** A refusal says why, and nothing else. */
function refused(answer) {
  assert.deepEqual(Object.keys(answer), ['message']);
  assert.equal(typeof answer.message, 'string');
}

/** Two people with a room that has a message, and a third: `{ a, b, c, room }`. */
async function three() {
  const [a, b, c] = [await t.newcomer(), await t.newcomer(), await t.newcomer()];
  const room = await t.room(a, b);
  const socket = await t.socket(a);
  assert.deepEqual(await ask(socket, 'message', message(a, room, 'known')), OK);
  await socket.close();
  return { a, b, c, room };
}

describe('rooms are for their members', () => {
  test('a third who joins a private room hears nothing of it', async () => {
    const { a, b, c, room } = await three();
    const [atA, atB, atC] = [await t.socket(a), await t.socket(b), await t.socket(c)];
    refused(await ask(atC, 'room.join', room));
    const text = random();
    atA.emit('message', message(a, room, text));
    await atB.next(isMessage(text));
    await fence(atC);
    assert.equal(atC.frames.some(isMessage(text)), false);
  });
  test('a third who writes into it is neither stored nor heard, and stays', async () => {
    const { a, c, room } = await three();
    const [atA, atC] = [await t.socket(a), await t.socket(c)];
    refused(await ask(atC, 'message', message(c, room, 'intruder')));
    atC.emit('message', message(c, room, 'intruder, unasked'));
    await fence(atC);
    await fence(atA);
    assert.equal(heard(atA, 'message').length, 0);
    assert.deepEqual(await t.history(a, room), ['known']);
    assert.deepEqual(await ask(atC, 'message', message(c, '0', random())), OK);
  });
  for (const form of [(a, b) => `${b}:${a}`, (a, b) => `0${a}:${b}`, (a, b) => `${a}:${b}:0`, (a) => `${a}:${a}`, () => random(), () => 'undefined', () => '']) {
    test(`nor is one of no form: ${form('<a>', '<b>')}`.replace(/: [0-9a-f]{12}$/, ': any text'), async () => {
      const [a, b] = [await t.newcomer(), await t.newcomer()];
      const socket = await t.socket(a);
      const room = form(a.id, b.id);
      refused(await ask(socket, 'room.join', room));
      refused(await ask(socket, 'message', message(a, room, 'nowhere')));
      if (has('redis')) assert.equal(await t.redis.client.exists(`room:${room}`), 0);
    });
  }
  if (has('redis')) test('a room that is put into the list of a user is theirs at once, in the order of events', async () => {
    const a = await t.newcomer();
    const socket = await t.socket(a);
    const room = `club ${random()}`;
    refused(await ask(socket, 'room.join', room));
    await t.redis.client.sadd(`user:${a.id}:rooms`, room);
    await t.redis.client.set(`room:${room}:name`, 'Club');
    socket.emit('room.join', room);
    for (const text of ['one', 'two']) socket.emit('message', message(a, room, text));
    await socket.next(isMessage('one'));
    await socket.next(isMessage('two'));
  });
});

if (has('redis')) test('a message that is not stored, since its room has become another key, is neither acknowledged nor heard', async () => {
  const { a, b, room } = await three();
  const [atA, atB] = [await t.socket(a), await t.socket(b)];
  assert.deepEqual(await ask(atA, 'message', message(a, room, 'stored')), OK);
  const key = `room:${room}`;
  await t.redis.client.rename(key, 'aside');
  await t.redis.client.set(key, 'x');
  // Committed with the room as it was known, and then looked up anew.
  for (const text of ['first', 'second']) refused(await ask(atA, 'message', message(a, room, text)));
  await t.redis.client.rename('aside', key);
  assert.deepEqual(await ask(atA, 'message', message(a, room, 'stored again')), OK);
  await atB.next(isMessage('stored again'));
  assert.ok(!atB.frames.some(isMessage('first')));
});

if (has('redis')) test('once known, membership costs a message no question', async () => {
  const { a, room } = await three();
  const socket = await t.socket(a);
  const say = async (to, times) => {
    for (let n = 0; n < times; n += 1) assert.deepEqual(await ask(socket, 'message', message(a, to, random())), OK);
  };
  for (const to of [room, '0']) await say(to, 1);
  await t.redis.client.config('RESETSTAT');
  for (const to of [room, '0']) await say(to, 20);
  const stats = await t.redis.client.info('commandstats');
  assert.match(stats, /^cmdstat_zadd:calls=40,/m);
  // Whether its sender is online still.
  assert.match(stats, /^cmdstat_sismember:calls=40,/m);
  for (const command of ['smembers', 'get', 'eval', 'hget', 'type']) assert.doesNotMatch(stats, new RegExp(`^cmdstat_${command}:`, 'm'));
});

test('nobody speaks for another: not stored, not heard, nobody comes online by it', async () => {
  const { a, b, room } = await three();
  const [atA, atB] = [await t.socket(a), await t.socket(b)];
  const spoofed = [b.id, String(b.id), [a.id], [a.id, b.id], true, ` ${a.id}`, `${a.id}.0`];
  for (const from of spoofed) refused(await ask(atA, 'message', { ...message(a, room, `spoofed ${JSON.stringify(from)}`), from }));
  for (const from of [a.id, String(a.id)]) {
    const own = { ...message(a, room, `own ${typeof from}`), from };
    assert.deepEqual(await ask(atA, 'message', own), OK);
    // Its type stays as it was sent.
    assert.deepEqual(dataOf(await atB.next(isEvent('message'))), own);
  }
  assert.deepEqual((await t.history(a, room)).sort(), ['known', 'own number', 'own string']);
});

describe('acknowledgements', () => {
  test('come once the message is stored', async () => {
    const { a, room } = await three();
    const socket = await t.socket(a);
    for (let n = 0; n < 20; n += 1) {
      const text = random();
      assert.deepEqual(await ask(socket, 'message', message(a, room, text)), OK);
      assert.equal((await t.history(a, room))[0], text);
    }
  });
  test('say why not', async () => {
    const socket = await t.socket(await t.newcomer());
    for (const bad of [undefined, null, 5, {}, { roomId: '0' }]) refused(await ask(socket, 'message', bad));
    refused(await ask(socket, 'no such event', 1));
    refused(await ask(socket, 'room.join'));
    assert.deepEqual(await ask(socket, 'room.join', '0'), OK);
  });
  test('of a message with attachments', async () => {
    const a = await t.newcomer();
    const socket = await t.socket(a);
    socket.send(`451-7${JSON.stringify(['message', { ...message(a, '0', random()), blob: { _placeholder: true, num: 0 } }])}`, Buffer.from([1]));
    assert.equal(await socket.next((frame) => frame.startsWith?.('437')), '437[{"ok":true}]');
  });
  test('of nobody', async () => {
    const socket = await t.socket();
    refused(await ask(socket, 'message', { from: 1, roomId: '0', date: 1, message: 'x' }));
    refused(await ask(socket, 'room.join', '0'));
  });
  test('are not sent unasked', async () => {
    const a = await t.newcomer();
    const socket = await t.socket(a);
    socket.emit('room.join', '0');
    socket.emit('message', message({ id: 'x' }, '0', 'x'));
    await fence(socket);
    assert.equal(socket.frames.some((frame) => frame.startsWith?.('43')), false);
  });
});

describe('a socket is in its rooms from the start', () => {
  for (const polling of [false, true]) {
    test(`the general room and private ones, without a join${polling ? ', while it polls' : ''}`, async () => {
      const { a, b, room } = await three();
      const [atA, atB] = [await t.socket(a), await t.socket(b, { polling })];
      for (const to of ['0', room]) {
        const text = random();
        atA.emit('message', message(a, to, text));
        await atB.next(isMessage(text));
        await atA.next(isMessage(text));
      }
    });
  }
  test('also after a new connection, and when it comes back on the same one; a join of its own changes nothing', async () => {
    const { a, b, room } = await three();
    const atA = await t.socket(a);
    const atB = await t.socket(b);
    atB.send('41');
    await atB.connectNs();
    assert.deepEqual(await ask(atB, 'room.join', room), OK);
    const text = random();
    atA.emit('message', message(a, room, text));
    await atB.next(isMessage(text));
    await fence(atB);
    assert.equal(atB.frames.filter(isMessage(text)).length, 1);
  });
  test('a new private room: both hear it and its first message without a join, and nobody else', async () => {
    const [a, b, c] = [await t.newcomer(), await t.newcomer(), await t.newcomer()];
    const [atA, tabA, atB, atC, nobody] = [await t.socket(a), await t.socket(a), await t.socket(b), await t.socket(c), await t.socket()];
    const room = await t.room(a, b);
    for (const text of ['first', 'second']) atA.emit('message', message(a, room, text));
    const show = ['show.room', { id: room, names: [[a.username], [b.username]] }];
    for (const socket of [tabA, atB]) {
      await socket.next(isMessage('second'));
      assert.deepEqual(heard(socket, 'show.room', 'message').map(([name, data]) => [name, data.message ?? data]), [show, ['message', 'first'], ['message', 'second']]);
    }
    await atA.next(isMessage('second'));
    assert.deepEqual(heard(atA, 'show.room'), [], 'not to the sending socket');
    for (const socket of [atC, nobody]) {
      await fence(socket);
      assert.deepEqual(heard(socket, 'show.room', 'message'), []);
    }
  });
  test('a room nobody made with /room: the first message makes it, for both', async () => {
    const [a, b] = [await t.newcomer(), await t.newcomer()];
    const [atA, atB] = [await t.socket(a), await t.socket(b)];
    assert.deepEqual(await ask(atA, 'message', message(a, `${a.id}:${b.id}`, 'out of the blue')), OK);
    await atB.next(isEvent('show.room'));
    await atB.next(isMessage('out of the blue'));
  });
});

describe('presence', () => {
  test('is told to who is signed in, and not to nobody', async () => {
    const [a, b] = [await t.newcomer(), await t.newcomer()];
    const [witness, nobody] = [await t.socket(b), await t.socket()];
    const socket = await t.socket(a);
    assert.deepEqual(dataOf(await witness.next(isOf('user.connected', a))), { id: a.id, username: a.username, online: true });
    await socket.close();
    await witness.next(isOf('user.disconnected', a));
    await fence(nobody);
    assert.deepEqual(nobody.frames.filter((frame) => frame.startsWith?.('42')), []);
    assert.deepEqual(heard(socket, 'user.connected').filter(([, { id }]) => id === a.id), []);
  });
  test('is that of the person: a second tab and the end of one of two tell nothing', async () => {
    const [a, b] = [await t.newcomer(), await t.newcomer()];
    const witness = await t.socket(b);
    const first = await t.socket(a);
    const second = await t.socket(a, { polling: true });
    await first.close();
    await fence(second);
    assert.equal((await b.get('/users/online'))[a.id]?.online, true);
    await second.close();
    await witness.next(isOf('user.disconnected', a));
    const told = witness.frames.filter((frame) => isOf('user.connected', a)(frame) || isOf('user.disconnected', a)(frame));
    assert.equal(told.length, 2, told.join(' '));
    assert.equal((await b.get('/users/online'))[a.id], undefined);
  });
});

describe('origins of a handshake', () => {
  const status = async (base, headers, transport) => {
    if (transport === 'polling') return (await new Polling(base, { headers }).open()).opened.status;
    const ws = t.keep(await Ws.open(base, { headers }));
    return ws.refused?.status ?? 101;
  };
  const both = async (base, headers) => [await status(base, headers, 'polling'), await status(base, headers, 'websocket')];
  const GOOD = [200, 101];
  const BAD = [403, 403];
  for (const [what, headers, expected] of [
    ['none', {}, GOOD],
    ['the same host', { host: 'chat.example', origin: 'https://chat.example' }, GOOD],
    ['the same host with a port', { host: 'chat.example:8080', origin: 'http://chat.example:8080' }, GOOD],
    ['the page\'s development server on this machine', { host: 'localhost:4000', origin: 'http://localhost:3000' }, GOOD],
    ['the same by address', { host: 'localhost:4000', origin: 'http://127.0.0.1:3000' }, GOOD],
    ['the same opened by its address', { host: 'localhost:4000', origin: 'http://192.168.1.5:3000', 'x-forwarded-host': '192.168.1.5:3000' }, GOOD],
    ['the same opened by no address', { host: 'localhost:4000', origin: 'http://0.0.0.0:3000' }, GOOD],
    ['none, and the browser says that the page is this server\'s', { host: 'chat.example', 'sec-fetch-site': 'same-origin' }, GOOD],
    ['none, and the browser says that the page is of the same site', { host: 'chat.example', 'sec-fetch-site': 'same-site', referer: 'https://evil.chat.example/' }, BAD],
    ['none, and the browser says that the page is of another site', { host: 'chat.example', 'sec-fetch-site': 'cross-site' }, BAD],
    ['another host, as a proxy makes it, and the browser says that the page is this server\'s', { host: '10.0.0.1:4000', origin: 'https://chat.example', 'sec-fetch-site': 'same-origin' }, GOOD],
    ['another host', { host: 'chat.example', origin: 'https://evil.example' }, BAD],
    ['another port', { host: 'chat.example', origin: 'http://chat.example:8080' }, BAD],
    ['another host on a server of this machine', { host: 'localhost:4000', origin: 'https://evil.example' }, BAD],
    ['null', { host: 'chat.example', origin: 'null' }, BAD],
    ['a host that anybody claims', { host: 'chat.example', origin: 'https://evil.example', 'x-forwarded-host': 'evil.example' }, BAD],
  ]) test(what, async () => assert.deepEqual(await both(t.server.base, headers), expected));

  test('every request of a session is looked at, and what is refused does it no harm', async () => {
    const headers = { host: 'chat.example' };
    const socket = await new Polling(t.server.base, { headers }).open();
    const foreign = { headers: { origin: 'https://evil.example' } };
    const post = await socket.post('40', foreign);
    assert.deepEqual([post.status, JSON.parse(post.text).code, (await socket.get(foreign)).status], [403, 4, 403]);
    assert.equal((await socket.post('40', { headers: { origin: 'https://chat.example' } })).status, 200);
    assert.match((await socket.get()).text, /^40/);
  });
  test('a script is for a page of the same host', async () => {
    const script = async (headers) => (await new Polling(t.server.base, { headers: { host: 'chat.example', ...headers } }).open('EIO=4&transport=polling&j=0')).opened.status;
    const cookie = 'connect.sid=x';
    for (const [headers, expected] of [
      [{}, 200],
      [{ cookie, 'sec-fetch-site': 'same-origin' }, 200],
      [{ cookie, referer: 'http://chat.example/room' }, 200],
      [{ cookie }, 403],
      [{ referer: 'http://evil.chat.example/' }, 403],
      [{ cookie, 'sec-fetch-site': 'same-site' }, 403],
    ]) assert.equal(await script(headers), expected, JSON.stringify(headers));
  });

  test('the refusal says so, and is logged once, with the setting that cures it', async () => {
    const server = await t.start();
    for (let n = 0; n < 3; n += 1) {
      const { opened } = await new Polling(server.base, { headers: { host: 'chat.example', origin: 'https://app.example' } }).open();
      assert.deepEqual(JSON.parse(opened.text), { code: 4, message: 'Origin not allowed' });
    }
    await new Polling(server.base).open();
    const lines = server.stderr().split('\n').filter((line) => line.includes('https://app.example'));
    assert.equal(lines.length, 1, server.stderr());
    assert.match(lines[0], /ALLOWED_ORIGINS/);
  });
  test('settings allow other pages, and the word of a proxy', async () => {
    const other = { host: 'backend:4000', origin: 'https://chat.example' };
    const named = await t.start({ env: { ALLOWED_ORIGINS: 'https://x.example, https://chat.example' } });
    assert.deepEqual(await both(named.base, other), GOOD);
    assert.deepEqual(await both(named.base, { ...other, origin: 'http://chat.example' }), BAD);
    const all = await t.start({ env: { ALLOWED_ORIGINS: '*' } });
    assert.deepEqual(await both(all.base, other), GOOD);
    const behind = await t.start({ env: { TRUSTED_PROXIES: '10.0.0.0/8,127.0.0.1' } });
    assert.deepEqual(await both(behind.base, { ...other, 'x-forwarded-host': 'chat.example' }), GOOD);
    assert.deepEqual(await both(behind.base, other), BAD);
  });
});
