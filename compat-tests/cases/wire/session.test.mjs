// The session as a browser sees it (http-and-redis.md §6).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { has } from '../../lib/capabilities.mjs';
import { random, useWire } from '../../lib/wire.mjs';

const t = useWire();
const VALUE = String.raw`^connect\.sid=(s%3A[A-Za-z0-9_-]{32}\.(?:[A-Za-z0-9]|%2B|%2F){43})`;
const FORM = new RegExp(`${VALUE}; Path=/; HttpOnly${has('safe') ? '(?:; Secure)?(?:; SameSite=(?:Lax|Strict))?' : ''}$`);

/** The Cookie header that follows from an answer, or undefined if it sets none. */
function cookieFrom({ headers }) {
  const lines = headers['set-cookie'] ?? [];
  if (lines.length === 0) return undefined;
  assert.equal(lines.length, 1);
  assert.match(lines[0], FORM);
  return lines[0].split(';')[0];
}

test('a visitor gets a cookie, once', async () => {
  const cookie = cookieFrom(await t.request('/me'));
  assert.ok(cookie);
  for (const path of ['/me', '/links', '/users/online', '/nowhere']) assert.equal(cookieFrom(await t.request(path, { cookie })), undefined, path);
});

test('no two visitors share one', async () => {
  const cookies = new Set();
  for (let n = 0; n < 20; n += 1) cookies.add(cookieFrom(await t.request('/me')));
  assert.equal(cookies.size, 20);
});

if (!has('safe')) test('a log in keeps the session that is there', async () => {
  const { username, id } = await t.newcomer();
  const cookie = cookieFrom(await t.request('/me'));
  assert.equal(cookieFrom(await t.json('/login', { username, password: 'a password' }, { cookie })), undefined);
  assert.equal((await t.request('/me', { cookie })).text, JSON.stringify({ id: String(id), username }));
});

test('/me after a registration has the id as a number', async () => {
  const { username, id, cookie } = await t.newcomer();
  assert.equal((await t.request('/me', { cookie })).text, JSON.stringify({ id, username }));
});

test('another user may sign in on the same session', async () => {
  const [first, second] = [await t.newcomer(), await t.newcomer()];
  const answer = await t.json('/login', { username: second.username, password: 'a password' }, { cookie: first.cookie });
  const { text } = await t.request('/me', { cookie: cookieFrom(answer) ?? first.cookie });
  assert.equal(JSON.parse(text).username, second.username);
});

test('a wrong password leaves who is signed in', async () => {
  const [one, other] = [await t.newcomer(), await t.newcomer()];
  assert.equal((await t.json('/login', { username: other.username, password: 'wrong' }, { cookie: one.cookie })).status, 404);
  assert.equal((await one.get('/me')).username, one.username);
});

test('logout: OK, then 403, then a visitor with a new session', async () => {
  const person = await t.newcomer();
  const { status, headers, text } = await t.request('/logout', { method: 'POST', cookie: person.cookie });
  assert.deepEqual([status, headers['content-type'], text, headers['set-cookie']], [200, 'text/plain; charset=utf-8', 'OK', undefined]);
  const after = await t.request('/logout', { method: 'POST', cookie: person.cookie });
  assert.equal(after.status, 403);
  const fresh = cookieFrom(after);
  assert.ok(fresh && fresh !== person.cookie);
  assert.equal((await t.request('/me', { cookie: fresh })).text, 'null');
});

test('a logout ends one session of a user, not the others', async () => {
  const first = await t.newcomer();
  const second = cookieFrom(await t.json('/login', { username: first.username, password: 'a password' }));
  await t.request('/logout', { method: 'POST', cookie: first.cookie });
  assert.equal(JSON.parse((await t.request('/me', { cookie: second })).text).username, first.username);
});

const changed = {
  'no signature': (cookie) => cookie.replace(/\..*/, ''),
  'another signature': (cookie) => cookie.replace(/\..{10}/, '.AAAAAAAAAA'),
  'another sid': (cookie) => cookie.replace(/s%3A.{6}/, `s%3A${random().slice(0, 6)}`),
  'no s:': (cookie) => cookie.replace('s%3A', ''),
  'another name': (cookie) => cookie.replace('connect.sid', 'Connect.sid'),
};
for (const [what, change] of Object.entries(changed)) {
  test(`a cookie with ${what} is none`, async () => {
    const { cookie } = await t.newcomer();
    assert.notEqual(change(cookie), cookie);
    const answer = await t.request('/me', { cookie: change(cookie) });
    assert.equal(answer.text, 'null');
    assert.ok(cookieFrom(answer));
  });
}

test('it is found among other cookies', async () => {
  const { cookie, username } = await t.newcomer();
  const { text } = await t.request('/me', { cookie: `a=1; ${cookie}; b="2"` });
  assert.equal(JSON.parse(text).username, username);
});

test('the realtime side sets no cookie', async () => {
  const { headers } = await t.request('/socket.io/', { query: 'EIO=4&transport=polling' });
  assert.equal(headers['set-cookie'], undefined);
});
