// The REST routes as anybody sees them from outside (http-and-redis.md §1-§5, §9).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { etagOf } from '../../lib/http.mjs';
import { messageIn, random, useWire } from '../../lib/wire.mjs';

const t = useWire();
const JSON_TYPE = 'application/json; charset=utf-8';
const TEXT_TYPE = 'text/plain; charset=utf-8';

const told = ({ status, headers, text }) => ({ status, type: headers['content-type'], text });

describe('answers', () => {
  test('JSON: headers, length and ETag', async () => {
    const { status, headers, text } = await t.request('/me');
    assert.deepEqual([status, text], [200, 'null']);
    assert.equal(headers['content-type'], JSON_TYPE);
    assert.equal(headers['content-length'], '4');
    assert.equal(headers.etag, 'W/"4-K+iMpCQsduglOsYkdIUQZQMtaDM"');
    assert.equal(headers['x-powered-by'], 'Express');
    assert.equal(headers['transfer-encoding'], undefined);
  });
  test('HEAD: the headers of GET, no body', async () => {
    const { status, headers, text } = await t.request('/me', { method: 'HEAD' });
    assert.deepEqual([status, headers['content-type'], headers['content-length'], text], [200, JSON_TYPE, '4', '']);
  });
  for (const tag of ['W/"4-K+iMpCQsduglOsYkdIUQZQMtaDM"', '"4-K+iMpCQsduglOsYkdIUQZQMtaDM"', '"x", W/"4-K+iMpCQsduglOsYkdIUQZQMtaDM"', '*']) {
    test(`304 for If-None-Match: ${tag}`, async () => {
      const { status, headers, text } = await t.request('/me', { headers: { 'if-none-match': tag } });
      assert.deepEqual([status, text, headers['content-type']], [304, '', undefined]);
      assert.equal(headers.etag, 'W/"4-K+iMpCQsduglOsYkdIUQZQMtaDM"');
    });
  }
  test('200 for another tag, and with no-cache', async () => {
    assert.equal((await t.request('/me', { headers: { 'if-none-match': 'W/"4-x"' } })).status, 200);
    assert.equal((await t.request('/me', { headers: { 'if-none-match': '*', 'cache-control': 'no-cache' } })).status, 200);
  });
  for (const method of ['GET', 'POST', 'DELETE']) {
    test(`404 page: ${method}`, async () => {
      const path = `/nowhere/${random()}`;
      const { status, headers, text } = await t.request(`${path}?q=1`, { method });
      assert.equal(status, 404);
      assert.equal(headers['content-type'], 'text/html; charset=utf-8');
      assert.equal(headers['content-security-policy'], "default-src 'none'");
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.equal(headers.etag, undefined);
      assert.ok(text.includes(`<pre>Cannot ${method} ${path}</pre>`), text);
    });
  }
});

describe('paths', () => {
  for (const path of ['/ME', '/me/', '/Me/?x=1']) {
    test(`${path} is /me`, async () => assert.equal((await t.request(path)).text, 'null'));
  }
  for (const path of ['/me//', '//me', '/me/x']) {
    test(`${path} is not`, async () => assert.equal((await t.request(path)).status, 404));
  }
});

describe('bodies', () => {
  test('broken JSON: 400, and no session', async () => {
    const { status, headers } = await t.request('/login', { method: 'POST', body: '{"username":', headers: { 'content-type': 'application/json' } });
    assert.deepEqual([status, headers['set-cookie']], [400, undefined]);
  });
  test('more than 100 kB: 413', async () => {
    assert.equal((await t.json('/login', { username: 'x'.repeat(102_400), password: '' })).status, 413);
  });
  test('just under 100 kB is read', async () => {
    assert.equal((await t.json('/logout', { filler: 'x'.repeat(102_000) })).status, 403);
  });
});

describe('for everybody', () => {
  test('/links', async () => {
    const { status, headers, text } = await t.request('/links');
    assert.deepEqual([status, headers['content-type'], headers.etag], [200, JSON_TYPE, etagOf(text)]);
    assert.equal(text, JSON.stringify(JSON.parse(text)));
  });
  test('/randomname', async () => {
    const { status, headers, text } = await t.request('/randomname');
    assert.deepEqual([status, headers['content-type']], [200, 'text/html; charset=utf-8']);
    assert.match(text, /^[A-Z][a-z]+$/);
  });
  test('/room/0/preload: at most 21 messages', async () => {
    const { status, text } = await t.request('/room/0/preload');
    assert.equal(status, 200);
    const general = JSON.parse(text);
    assert.deepEqual([Object.keys(general), general.id], [['id', 'name', 'messages'], '0']);
    assert.ok(general.messages.length <= 21);
  });
  test('/users without ids: 404', async () => assert.deepEqual(told(await t.request('/users')), { status: 404, type: TEXT_TYPE, text: 'Not Found' }));
});

describe('without having signed in: 403', () => {
  for (const [method, path] of [['GET', '/users/online'], ['GET', '/rooms/1'], ['GET', '/room/0/messages?offset=0&size=1'], ['POST', '/room'], ['POST', '/logout']]) {
    test(`${method} ${path}`, async () => assert.deepEqual(told(await t.request(path, { method })), { status: 403, type: TEXT_TYPE, text: 'Forbidden' }));
  }
});

describe('log in', () => {
  test('a new name registers: 201, the id is a number', async () => {
    const username = `wire ${random()}`;
    const { status, text } = await t.json('/login', { username, password: 'pw' });
    assert.equal(status, 201);
    const user = JSON.parse(text);
    assert.equal(typeof user.id, 'number');
    assert.equal(text, JSON.stringify({ id: user.id, username }));
  });
  test('a known one logs in: 200, the id is a string', async () => {
    const first = await t.newcomer();
    const { status, text } = await t.json('/login', { username: first.username, password: 'a password' });
    assert.deepEqual([status, text], [200, JSON.stringify({ id: String(first.id), username: first.username })]);
  });
  test('a wrong password: 404', async () => {
    const { username } = await t.newcomer();
    const { status, text, headers } = await t.json('/login', { username, password: 'another' });
    assert.deepEqual([status, text], [404, '{"message":"Invalid username or password"}']);
    const [cookie] = headers['set-cookie'][0].split(';');
    assert.equal((await t.request('/me', { cookie })).text, 'null');
  });
  test('names are compared byte for byte', async () => {
    const { username, id } = await t.newcomer(`Wire É ${random()}`);
    for (const other of [username.toLowerCase(), `${username} `, username.normalize('NFD')]) {
      const { status, text } = await t.json('/login', { username: other, password: 'a password' });
      assert.equal(status, 201, other);
      assert.notEqual(JSON.parse(text).id, id);
    }
  });
  test('72 bytes of a password count', async () => {
    const { username } = await t.newcomer(undefined, 'p'.repeat(72));
    assert.equal((await t.json('/login', { username, password: `${'p'.repeat(72)}q` })).status, 200);
    assert.equal((await t.json('/login', { username, password: 'p'.repeat(71) })).status, 404);
  });
});

describe('users and rooms', () => {
  test('/users: those asked for, by id', async () => {
    const [a, b] = [await t.newcomer(), await t.newcomer()];
    const { text } = await t.request(`/users?ids[]=${b.id}&ids[]=${a.id}&ids[]=${b.id}`);
    const shown = ({ id, username }) => [String(id), { id: String(id), username, online: false }];
    assert.equal(text, JSON.stringify(Object.fromEntries([a, b].map(shown))));
  });
  test('POST /room: 201, names in the order of the request, id in that of numbers', async () => {
    const [a, b] = [await t.newcomer(), await t.newcomer()];
    const [low, high] = a.id < b.id ? [a, b] : [b, a];
    for (const [user1, user2] of [[high, low], [low, high], [low, high]]) {
      const { status, body } = await a.ask('POST', '/room', { user1: user1.id, user2: String(user2.id) });
      assert.equal(status, 201);
      assert.deepEqual(body, { id: `${low.id}:${high.id}`, names: [[user1.username], [user2.username]] });
    }
  });
  for (const body of [{}, { user1: 'x', user2: 1 }, { user1: 7, user2: '7' }]) {
    test(`POST /room ${JSON.stringify(body)}: 400`, async () => {
      const { cookie } = await t.newcomer();
      assert.deepEqual(told(await t.json('/room', body, { cookie })), { status: 400, type: TEXT_TYPE, text: 'Bad Request' });
    });
  }
  test('/rooms: the general room by a flat name, a private one by two lists', async () => {
    const [a, b] = [await t.newcomer(), await t.newcomer()];
    assert.deepEqual((await a.get(`/rooms/${a.id}`)).map(({ id }) => id), ['0']);
    const room = await t.room(a, b);
    const atA = await t.socket(a);
    await t.join(atA, a, room);
    const rooms = await a.get(`/rooms/${a.id}`);
    assert.deepEqual(rooms.map(({ id }) => id).sort(), ['0', room].sort());
    assert.equal(typeof rooms.find(({ id }) => id === '0').names[0], 'string');
    const byId = [a, b].sort((one, other) => one.id - other.id).map(({ username }) => [username]);
    assert.deepEqual(rooms.find(({ id }) => id === room).names, byId);
  });
});

describe('messages', () => {
  test('newest first, and both ends of a page are included', async () => {
    const { a, room, atA } = await t.pair();
    for (let n = 0; n < 10; n += 1) await atA.emit('message', t.message(a, room, `n${n}`));
    await atA.next(messageIn(room, 'n9'));
    const texts = async (query) => (await a.get(`/room/${encodeURIComponent(room)}/messages?${query}`)).map(({ message }) => message);
    assert.deepEqual(await texts('offset=0&size=9'), ['n9', 'n8', 'n7', 'n6', 'n5', 'n4', 'n3', 'n2', 'n1', 'n0']);
    assert.deepEqual(await texts('offset=0&size=0'), ['n9']);
    assert.deepEqual(await texts('offset=3&size=2'), ['n6', 'n5', 'n4']);
    assert.equal((await texts('offset=0&size=50')).length, 12, 'with those of joining');
    assert.deepEqual(await texts('offset=12&size=5'), []);
  });
  test('a room without any: []', async () => {
    const [a, b] = [await t.newcomer(), await t.newcomer()];
    const room = await t.room(a, b);
    assert.deepEqual(await a.get(`/room/${room}/messages?offset=0&size=10`), []);
  });
  test('kept as sent but for < and >', async () => {
    const { a, room, atA } = await t.pair();
    const message = t.message(a, room, 'é😀 <b>&amp;"\n', { mark: [1, { x: '<' }] });
    await atA.emit('message', message);
    const cleaned = { ...message, message: 'é😀 &ltb&gt&amp;"\n' };
    await atA.next(messageIn(room, cleaned.message));
    assert.deepEqual(await a.get(`/room/${room}/messages?offset=0&size=0`), [cleaned]);
  });
});
