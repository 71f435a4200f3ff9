// Sessions with COMPAT=safe: a log in gives a new id, and sockets end with their session
// (http-and-redis.md §15, 6 and 11).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Manager } from 'socket.io-client';
import { has } from '../../lib/capabilities.mjs';
import { Polling, Ws } from '../../lib/engine.mjs';
import { fence, heard, isOf, message, random, useSafe } from '../../lib/safe.mjs';

const t = useSafe();
const sidOf = (cookie) => decodeURIComponent(cookie.split('=')[1]).slice(2).split('.')[0];
/** A connection that has not joined yet. */
const open = async (cookie, polling) => t.keep(await (polling ? (await new Polling(t.server.base, { cookie }).open()).loop() : Ws.open(t.server.base, { cookie })));
const visit = async () => (await t.request('/me')).headers['set-cookie'][0].split(';')[0];

describe('the cookie', () => {
  test('has SameSite=Lax, and Secure when that is asked for', async () => {
    assert.match((await t.request('/me')).headers['set-cookie'][0], /^connect\.sid=[^;]+; Path=\/; HttpOnly; SameSite=Lax$/);
    const server = await t.start({ env: { COOKIE_SECURE: '1' } });
    assert.match((await t.request('/me', {}, server.base)).headers['set-cookie'][0], /; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
  });
});

describe('a log in', () => {
  for (const known of [true, false]) {
    test(`${known ? 'of a known user' : 'that registers'} gives the session a new id, and leaves nobody under the old one`, async () => {
      const { username } = known ? await t.newcomer() : { username: random() };
      const before = await visit();
      if (has('redis')) await t.redis.client.set(`sess:${sidOf(before)}`, JSON.stringify({ cookie: { originalMaxAge: null, expires: null, httpOnly: true, path: '/' }, cart: [1] }), 'EX', 5000);
      const login = await t.login(before, username);
      assert.equal(login.status, known ? 200 : 201);
      assert.notEqual(login.cookie, before);
      assert.deepEqual((await t.me(login.cookie)), { user: login.user, line: undefined });
      // A request that is under way with the old cookie gets no cookie that would replace the new one.
      assert.deepEqual(await t.me(before), { user: null, line: undefined });
      if (!has('redis')) return;
      const [now, then] = [login.cookie, before].map((cookie) => `sess:${sidOf(cookie)}`);
      assert.deepEqual(JSON.parse(await t.redis.client.get(now)), { cookie: { originalMaxAge: null, expires: null, httpOnly: true, path: '/' }, cart: [1], user: login.user });
      assert.ok((await t.redis.client.ttl(now)) > 86_000);
      const { cookie, ...rest } = JSON.parse(await t.redis.client.get(then));
      assert.deepEqual(rest, { renewedFor: String(login.user.id) });
      assert.equal(cookie.originalMaxAge, 60_000);
      const ttl = await t.redis.client.ttl(then);
      assert.ok(ttl > 0 && ttl <= 60, `${ttl} s`);
    });
  }
  test('with the old cookie within that minute is as any other', async () => {
    const { username } = await t.newcomer();
    const before = await visit();
    await t.login(before, username);
    const again = await t.login(before, username);
    assert.deepEqual((await t.me(again.cookie)).user, again.user);
    if (has('redis')) assert.ok((await t.redis.client.ttl(`sess:${sidOf(again.cookie)}`)) > 86_000);
  });
  test('that fails changes nothing', async () => {
    const { username } = await t.newcomer();
    const before = await visit();
    const { status, line } = await t.login(before, username, 'wrong');
    assert.deepEqual([status, line], [404, undefined]);
    assert.deepEqual(await t.me(before), { user: null, line: undefined });
  });
});

describe('sockets end with their session', () => {
  for (const polling of [false, true]) {
    test(`a log out ends its sockets${polling ? ' that poll' : ''} with 41, and not those of other sessions`, async () => {
      const [person, other] = [await t.newcomer(), await t.newcomer()];
      const elsewhere = await t.login(undefined, person.username);
      const [first, second] = [await t.socket(person, { polling }), await t.socket(person, { polling })];
      const [kept, witness] = [await t.socket({ ...person, cookie: elsewhere.cookie }), await t.socket(other)];
      assert.equal((await person.ask('POST', '/logout')).status, 200);
      for (const socket of [first, second]) {
        assert.equal(await socket.next((frame) => frame === '41'), '41');
        await socket.closing();
      }
      assert.equal(kept.closed, undefined);
      await kept.close();
      await witness.next(isOf('user.disconnected', person));
      assert.equal(heard(witness, 'user.disconnected').length, 1);
    });
  }
  test('what such a socket still sends has no effect, and joining again makes it nobody', async () => {
    const person = await t.newcomer();
    const socket = await t.socket(person);
    await person.ask('POST', '/logout');
    await socket.next((frame) => frame === '41');
    socket.send('40');
    assert.match(await socket.next((frame) => frame.startsWith?.('40{')), /^40/);
    socket.emit('message', { from: person.id, roomId: '0', date: 4_100_000_000, message: 'after log out' });
    await socket.closing();
    assert.ok(!(await t.history(await t.newcomer(), '0')).includes('after log out'));
  });
  test('a log in as somebody else ends the sockets of who was there before', async () => {
    const [person, other] = [await t.newcomer(), await t.newcomer()];
    const socket = await t.socket(person);
    assert.equal((await t.login(person.cookie, other.username)).status, 200);
    assert.equal(await socket.next((frame) => frame === '41'), '41');
    await socket.closing();
  });
  test('a log in as oneself ends none, but the next log out does', async () => {
    const person = await t.newcomer();
    const socket = await t.socket(person);
    const again = await t.login(person.cookie, person.username);
    await sleep(100);
    assert.ok(!socket.frames.includes('41'));
    person.cookie = again.cookie;
    assert.equal((await person.ask('POST', '/logout')).status, 200);
    assert.equal(await socket.next((frame) => frame === '41'), '41');
  });
  for (const polling of [false, true]) {
    test(`a connection${polling ? ' that polls' : ''} opened before the log in is closed by it, so that its page comes back with the new cookie`, async () => {
      const { username } = await t.newcomer();
      const before = await visit();
      const early = await open(before, polling);
      const { user, cookie } = await t.login(before, username);
      const witness = await t.socket(await t.newcomer());
      await early.closing();
      assert.ok(!early.frames.some((frame) => frame.startsWith?.('4')), early.frames.join(' '));
      // Whoever has only the old cookie is nobody.
      const planted = await t.socket({ cookie: before }, { polling });
      planted.emit('message', message(user, '0', 'said with the old cookie'));
      await fence(planted);
      assert.deepEqual(heard(witness, 'user.connected', 'message'), []);
      await t.socket({ cookie }, { polling });
      await witness.next(isOf('user.connected', user));
    });
  }
  test('the stock client of a page that was too early is who signed in, by itself', async () => {
    const { username } = await t.newcomer();
    const headers = { cookie: await visit() };
    const manager = new Manager(t.server.base, { transports: ['websocket'], extraHeaders: headers, reconnectionDelay: 300 });
    try {
      await new Promise((done) => manager.once('open', done));
      const { user, cookie } = await t.login(headers.cookie, username);
      headers.cookie = cookie;
      const witness = await t.socket(await t.newcomer());
      manager.socket('/').connect();
      await witness.next(isOf('user.connected', user));
    } finally {
      manager._close();
    }
  });
});
