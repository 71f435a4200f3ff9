// Sessions in Redis: http-and-redis.md §6. More of it is in fixtures/http/08- and
// 09-*.json; what happens to two requests at once is in session-races.test.mjs.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PASSWORD, sids, UNTOUCHED_TTL } from '../../lib/dataset.mjs';
import { eventually, expectComputed, expectRefusal, TEXT_TYPE } from '../../lib/expect.mjs';
import { Connection, requestText } from '../../lib/http.mjs';
import { COOKIE_OBJECT, cookieOf, DAY, sidSetBy, storeSession } from '../../lib/session.mjs';
import { deviation, isUpstream, servesClientDir } from '../../lib/target.mjs';
import { useTarget } from '../../lib/suite.mjs';

const t = useTarget();

const PABLO_KEY = `sess:${sids.pablo}`;
const stored = async (key) => JSON.parse(await t.redis.client.get(key));
const ttl = (key) => t.redis.client.ttl(key);
const assertLife = async (key, seconds) => {
  const left = await ttl(key);
  assert.ok(left > seconds - 10 && left <= seconds, `${key} lives ${left} s, not ${seconds}`);
};

describe('a new session', () => {
  test('is stored for a day with the cookie object alone', async () => {
    const sid = sidSetBy(await t.get('/me'));
    assert.equal(await t.redis.client.get(`sess:${sid}`), JSON.stringify({ cookie: COOKIE_OBJECT }));
    await assertLife(`sess:${sid}`, DAY);
  });
  test('is one per request without a cookie', async () => {
    const count = async () => (await t.redis.client.keys('sess:*')).length;
    const before = await count();
    for (const path of ['/me', '/links', '/nope', '/rooms/1', '/users']) await t.get(path);
    assert.equal(await count(), before + 5);
  });
});

describe('life is renewed by every request that reaches the session', () => {
  const requests = [
    ['GET', '/me', 200], ['GET', '/links', 200], ['GET', '/nope', 404], ['HEAD', '/me', 200], ['OPTIONS', '/me', 200], ['PUT', '/me', 404],
    ['GET', '/users', 404], ['GET', '/rooms/%FF', 400], ['GET', '/static/', 404], ['POST', '/robots.txt', 404], ['POST', '/room', 400], ['GET', '/rooms/1', 200],
  ];
  for (const [method, path, status] of requests) {
    test(`${method} ${path}`, async () => {
      const before = await t.redis.client.get(PABLO_KEY);
      const response = await t.request({ method, path, cookie: t.cookies.pablo });
      assert.equal(response.status, status);
      assert.equal(sidSetBy(response), undefined);
      await assertLife(PABLO_KEY, DAY);
      assert.equal(await t.redis.client.get(PABLO_KEY), before);
    });
  }
  test('403', async () => {
    assert.equal((await t.get('/rooms/1', { cookie: t.cookies.guest })).status, 403);
    await assertLife(`sess:${sids.guest}`, DAY);
  });
});

describe('the session is not read, made or renewed', () => {
  for (const [path, status] of [['/', 200], ['/robots.txt', 200], ['/static', 301]]) {
    if (path === '/static' && !servesClientDir) continue;
    test(`by ${path}`, async () => {
      const watch = await t.redis.monitor();
      for (const cookie of [t.cookies.pablo, undefined]) {
        const response = await t.get(path, { cookie });
        assert.equal(response.status, status);
        assert.equal(sidSetBy(response), undefined);
      }
      await watch.sync();
      watch.stop();
      assert.deepEqual(watch.commands.filter(([, key]) => key?.startsWith('sess:')), []);
      assert.ok((await ttl(PABLO_KEY)) <= UNTOUCHED_TTL);
    });
  }
});

describe('the user', () => {
  for (const user of [
    { id: 1 },
    { id: '1', username: 'Pablo' },
    { username: 'first', id: 1, extra: { a: [1, null, 'x'] }, z: true },
    'bob',
    5,
    true,
    [],
    {},
    [1, 2],
  ]) {
    test(`${JSON.stringify(user)} is shown as stored, and is signed in`, async () => {
      const { cookie } = await storeSession(t.redis, { user });
      expectComputed(await t.get('/me', { cookie }), { body: JSON.stringify(user) });
      assert.equal((await t.get('/rooms/1', { cookie })).status, 200);
    });
  }
  for (const user of [null, false, 0, '']) {
    test(`${JSON.stringify(user)} is nobody`, async () => {
      const { cookie } = await storeSession(t.redis, { user });
      expectComputed(await t.get('/me', { cookie }), { body: 'null' });
      expectComputed(await t.get('/rooms/1', { cookie }), { status: 403, type: TEXT_TYPE, body: 'Forbidden' });
    });
  }
  test('comes out as JavaScript writes it', async () => {
    const text = '{ "b":1.0, "10":1e21, "2":"\\u0041\\/", "b":-0, "c":"\\ud800" }';
    await t.redis.client.set('sess:js', `{"cookie":${JSON.stringify(COOKIE_OBJECT)},"user":${text}}`, 'EX', 1000);
    expectComputed(await t.get('/me', { cookie: cookieOf('js') }), { body: JSON.stringify(JSON.parse(text)) });
  });
});

describe('foreign fields survive', () => {
  const fields = { zeta: 1, flash: { a: [1, 2.5, null], 'ü': '😀' }, user: { id: '1', username: 'Pablo', role: 'admin' }, empty: {}, last: false };

  test('a request', async () => {
    const { key, cookie } = await storeSession(t.redis, fields);
    await t.get('/me', { cookie });
    assert.equal(JSON.stringify(await stored(key)), JSON.stringify({ cookie: COOKIE_OBJECT, ...fields }));
    await assertLife(key, DAY);
  });
  test('a log in, which replaces the user in its place', async () => {
    const { key, cookie } = await storeSession(t.redis, fields);
    const response = await t.postJson('/login', { username: 'Joe', password: PASSWORD }, { cookie });
    expectComputed(response, { body: { id: '2', username: 'Joe' } });
    const expected = { cookie: COOKIE_OBJECT, ...fields, user: { id: '2', username: 'Joe' } };
    assert.equal(JSON.stringify(await stored(key)), JSON.stringify(expected));
    await assertLife(key, DAY);
  });
  test('a log in without an earlier user, which is added at the end', async () => {
    const { key, cookie } = await storeSession(t.redis, { cart: [1] });
    await t.postJson('/login', { username: 'Joe', password: PASSWORD }, { cookie });
    assert.equal(JSON.stringify(await stored(key)), JSON.stringify({ cookie: COOKIE_OBJECT, cart: [1], user: { id: '2', username: 'Joe' } }));
  });
  test('a registration', async () => {
    const { key, cookie } = await storeSession(t.redis, { cart: [1] });
    await t.postJson('/login', { username: 'brand new', password: 'x' }, { cookie });
    assert.deepEqual(await stored(key), { cookie: COOKIE_OBJECT, cart: [1], user: { id: 6, username: 'brand new' } });
  });
});

describe('a maximum age', () => {
  const withAge = (originalMaxAge, expires) => ({ cookie: { ...COOKIE_OBJECT, originalMaxAge, expires }, user: { id: 1, username: 'Pablo' } });
  for (const [age, seconds] of [[7_200_000, 7200], [7_200_001, 7201], [90_000, 90], [604_800_000, 604_800]]) {
    test(`of ${age} ms: kept for ${seconds} s from now, whatever expires says`, async () => {
      for (const expires of ['2020-01-01T00:00:00.000Z', '2099-01-01T00:00:00.000Z']) {
        await t.redis.client.set(PABLO_KEY, JSON.stringify(withAge(age, expires)), 'EX', 50);
        expectComputed(await t.get('/me', { cookie: t.cookies.pablo }), { body: { id: 1, username: 'Pablo' } });
        await assertLife(PABLO_KEY, seconds);
        const { cookie, user } = await stored(PABLO_KEY);
        assert.equal(cookie.originalMaxAge, age);
        assert.deepEqual(user, { id: 1, username: 'Pablo' });
      }
    });
  }
  test('a log in writes the new end', async () => {
    await t.redis.client.set(PABLO_KEY, JSON.stringify(withAge(7_200_000, '2020-01-01T00:00:00.000Z')), 'EX', 50);
    await t.postJson('/login', { username: 'Joe', password: PASSWORD }, { cookie: t.cookies.pablo });
    const { cookie } = await stored(PABLO_KEY);
    assert.match(cookie.expires, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok(Math.abs(Date.parse(cookie.expires) - Date.now() - 7_200_000) < 10_000, cookie.expires);
    await assertLife(PABLO_KEY, 7200);
  });
});

describe('what is stored and empty counts as gone', () => {
  for (const text of ['', 'null', 'false', '0', '""']) {
    test(text || '(empty)', async () => {
      await t.redis.client.set(PABLO_KEY, text, 'EX', 1000);
      const sid = expectComputed(await t.get('/me', { cookie: t.cookies.pablo }), { body: 'null', newSession: true });
      assert.deepEqual(await stored(`sess:${sid}`), { cookie: COOKIE_OBJECT });
    });
  }
});

describe('what is stored and corrupt counts as gone', () => {
  for (const text of ['{bad', '5', '"text"', '[]', '{}', '{"cookie":null}', '{"user":{"id":1}}', 'undefined', '{"cookie":{}}x']) {
    deviation(text, async () => {
      await t.redis.client.set(PABLO_KEY, text, 'EX', 1000);
      const sid = expectComputed(await t.get('/me', { cookie: t.cookies.pablo }), { body: 'null', newSession: true });
      assert.notEqual(sid, sids.pablo);
      assert.deepEqual(await stored(`sess:${sid}`), { cookie: COOKIE_OBJECT });
    });
  }
  test('a key of another type is an error', async () => {
    await t.redis.client.del(PABLO_KEY);
    await t.redis.client.sadd(PABLO_KEY, 'x');
    const response = await t.get('/me', { cookie: t.cookies.pablo });
    expectRefusal(response, isUpstream ? 500 : [500, 503]);
    assert.equal(sidSetBy(response), undefined);
  });
});

describe('log in', () => {
  test('keeps the sid', async () => {
    const response = await t.postJson('/login', { username: 'Joe', password: PASSWORD }, { cookie: t.cookies.guest });
    expectComputed(response, { body: { id: '2', username: 'Joe' } });
    assert.deepEqual((await stored(`sess:${sids.guest}`)).user, { id: '2', username: 'Joe' });
  });
  test('with a cookie whose session is gone makes a new one', async () => {
    const response = await t.postJson('/login', { username: 'Joe', password: PASSWORD }, { cookie: cookieOf('gone') });
    const sid = expectComputed(response, { body: { id: '2', username: 'Joe' }, newSession: true });
    assert.deepEqual((await stored(`sess:${sid}`)).user, { id: '2', username: 'Joe' });
  });
  test('that fails leaves the session as it was', async () => {
    const before = await t.redis.client.get(PABLO_KEY);
    const response = await t.postJson('/login', { username: 'Joe', password: 'wrong' }, { cookie: t.cookies.pablo });
    expectComputed(response, { status: 404, body: { message: 'Invalid username or password' } });
    assert.equal(await t.redis.client.get(PABLO_KEY), before);
    await assertLife(PABLO_KEY, DAY);
  });
});

describe('log out', () => {
  for (const [what, request] of Object.entries({
    'without a body': {},
    'with a JSON body': { headers: { 'Content-Type': 'application/json' }, body: '{"a":1}' },
    'with an empty JSON body': { headers: { 'Content-Type': 'application/json' }, body: '' },
    'with a form': { headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, body: 'a=b' },
  })) {
    test(what, async () => {
      const response = await t.post('/logout', { cookie: t.cookies.pablo, ...request });
      // No cookie is set, and the old one is not cleared.
      expectComputed(response, { type: TEXT_TYPE, body: 'OK' });
      await eventually(async () => assert.equal(await t.redis.client.exists(PABLO_KEY), 0));
      const after = await t.get('/me', { cookie: t.cookies.pablo });
      expectComputed(after, { body: 'null', newSession: true });
    });
  }
  test('ends this session only', async () => {
    const other = await storeSession(t.redis, { user: { id: 1, username: 'Pablo' } });
    await t.post('/logout', { cookie: t.cookies.pablo });
    expectComputed(await t.get('/me', { cookie: other.cookie }), { body: { id: 1, username: 'Pablo' } });
  });
});

describe('the session is in Redis before the answer is complete', () => {
  const PAUSE = 600;

  /** Sends while Redis holds writes back, and returns when the last byte came, in ms after that. */
  async function duringPause(request, method = 'GET') {
    const connection = await Connection.open(t.server.port);
    try {
      const start = Date.now();
      await t.redis.client.call('CLIENT', 'PAUSE', String(PAUSE), 'WRITE');
      connection.write(requestText(request));
      const response = await connection.response({ method });
      return { response, took: response.doneAt - start };
    } finally {
      connection.destroy();
    }
  }

  for (const [what, request] of Object.entries({
    'a new session': { path: '/me' },
    'a new session with a 403': { path: '/rooms/1' },
    'a new session with a 404 page': { path: '/nope' },
  })) {
    test(what, async () => {
      const { response, took } = await duringPause(request);
      assert.ok(took > PAUSE - 150, `complete after ${took} ms`);
      assert.equal(await t.redis.client.exists(`sess:${sidSetBy(response)}`), 1);
    });
  }
  test('a log in', async () => {
    const body = JSON.stringify({ username: 'Joe', password: PASSWORD });
    const headers = { Cookie: t.cookies.guest, 'Content-Type': 'application/json' };
    const { response, took } = await duringPause({ method: 'POST', path: '/login', headers, body });
    assert.equal(response.status, 200);
    assert.ok(took > PAUSE - 150, `complete after ${took} ms`);
    assert.deepEqual((await stored(`sess:${sids.guest}`)).user, { id: '2', username: 'Joe' });
  });
});
