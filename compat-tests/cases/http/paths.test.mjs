// Which paths are which routes: http-and-redis.md §3, and the 404 page of §1.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { expectComputed, expectNotFoundPage, expectRefusal, TEXT_TYPE } from '../../lib/expect.mjs';
import { DAY, sidSetBy } from '../../lib/session.mjs';
import { sids } from '../../lib/dataset.mjs';
import { useTarget } from '../../lib/suite.mjs';

const t = useTarget();

const asPablo = (path, request = {}) => t.get(path, { cookie: t.cookies.pablo, ...request });

describe('spellings of a route', () => {
  for (const path of [
    '/me', '/ME', '/Me/', '/me?', '/me/?x=1', '/me?x=%E0%A4%A', '/me#part', '/me?a=b#part',
    '/links/', '/LINKS', '/RandomName', '/room/0/preload/', '/Room/0/Preload',
    '/users/online/', '/Users/Online/', '/Users/?ids[]=1', '/USERS?ids[]=1', '/users?ids[]=1#part',
    '/rooms/1/', '/ROOMS/1', '/rooms/%31', '/Room/0/Messages/?offset=0&size=0', '/room/%30/messages?offset=0&size=0',
  ]) {
    test(path, async () => assert.equal((await asPablo(path)).status, 200));
  }
  test('/LogIn/ (POST)', async () => {
    const response = await t.postJson('/LogIn/', { username: 'Pablo', password: 'password123' });
    assert.equal(response.status, 200);
  });
});

describe('what looks like a route but is none', () => {
  for (const path of [
    '/me//', '//me', '/%6de', '/me%2f', '/m', '/mee', '/me.json', '/me/x', '/me;x',
    '/rooms', '/rooms/', '/rooms/1/2', '/rooms//1', '/room/00/preload', '/room/%30/preload', '/room/1/preload',
    '/room/0', '/room//messages', '/room/0/messages/1', '/users/online/x', '/users/1', '/user%73',
    '/links%20', '/login/x', '/socket', '/api/me', '/index.htm',
  ]) {
    test(path, async () => expectNotFoundPage(await asPablo(path), { shown: path, newSession: false }));
  }
  test('without a session one is made and stored', async () => {
    const response = await t.get('/nope');
    expectNotFoundPage(response, { shown: '/nope', newSession: true });
    assert.equal(await t.redis.client.exists(`sess:${sidSetBy(response)}`), 1);
  });
});

describe('other methods', () => {
  for (const [method, path] of [
    ['PUT', '/me'], ['PATCH', '/login'], ['DELETE', '/logout'], ['PROPFIND', '/me'], ['POST', '/me'], ['POST', '/links'],
    ['POST', '/rooms/1'], ['POST', '/users'], ['POST', '/room/0/preload'], ['GET', '/login'], ['GET', '/logout'], ['GET', '/room'],
    ['DELETE', '/rooms/1'], ['PUT', '/robots.txt'], ['POST', '/'], ['DELETE', '/'],
  ]) {
    test(`${method} ${path}`, async () => {
      const response = await t.request({ method, path, cookie: t.cookies.pablo });
      expectNotFoundPage(response, { method, shown: path, newSession: false });
    });
  }
  test('GET /logout does not log out', async () => {
    await t.get('/logout', { cookie: t.cookies.pablo });
    assert.equal(await t.redis.client.exists(`sess:${sids.pablo}`), 1);
  });
});

describe('parameters are decoded', () => {
  const rooms = {
    '1%3A2': '1:2', '1:2': '1:2', 'a%2Fb': 'a/b', 'a+b': 'a+b', 'a%2Bb': 'a+b', 'a%20b': 'a b', 'caf%C3%A9': 'café',
    '%F0%9F%98%80': '😀', 'a%25b': 'a%b', 'A': 'A', 'a;b': 'a;b', 'a%00b': 'a\0b', '.': '.', '..': '..', 'a%3Fb': 'a?b',
  };
  for (const [written, id] of Object.entries(rooms)) {
    test(`/room/${written}/messages`, async () => {
      await t.redis.client.zadd(`room:${id}`, 5, '{"found":1}');
      const response = await asPablo(`/room/${written}/messages?offset=0&size=0`);
      assert.equal(response.status, 200);
      assert.equal(response.json.length, 1);
    });
  }
  test('/rooms/:userId', async () => {
    await t.redis.client.sadd('user:a/b:rooms', 'named');
    await t.redis.client.set('room:named:name', 'Named');
    expectComputed(await asPablo('/rooms/a%2Fb'), { body: [{ id: 'named', names: ['Named'] }] });
  });
});

describe('parameters that cannot be decoded', () => {
  for (const path of ['/rooms/%E0%A4%A', '/rooms/%', '/rooms/%zz', '/rooms/%FF', '/room/%C3/messages?offset=0&size=0', '/rooms/%ED%A0%80']) {
    test(`${path}: 400, the session is renewed`, async () => {
      const response = await t.unchanged(() => asPablo(path));
      expectRefusal(response, 400);
      assert.equal(sidSetBy(response), undefined);
      assert.ok((await t.redis.client.ttl(`sess:${sids.pablo}`)) > DAY - 10);
    });
  }
  test('without a session one is made', async () => {
    const response = await t.get('/rooms/%FF');
    expectRefusal(response, 400);
    assert.equal(await t.redis.client.exists(`sess:${sidSetBy(response)}`), 1);
  });
});

describe('the path on the 404 page', () => {
  const shown = {
    '/nope?q=1': '/nope',
    '/nope#x': '/nope',
    '/a%20b': '/a%20b',
    '/a&b': '/a&amp;b',
    "/a'b": '/a&#39;b',
    '/a"b': '/a%22b',
    '/a|b': '/a%7Cb',
    '/a^b': '/a%5Eb',
    '/a{b}': '/a%7Bb%7D',
    '/a[b]': '/a[b]',
    '/a%zzb': '/a%25zzb',
    '/a%3Cscript%3E': '/a%3Cscript%3E',
    '/a$b,c;d=e@f!g*h(i)~': '/a$b,c;d=e@f!g*h(i)~',
    '//double//slashes': '//double//slashes',
  };
  for (const [path, text] of Object.entries(shown)) {
    test(path, async () => expectNotFoundPage(await asPablo(path), { shown: text }));
  }
  test('never has markup from the request', async () => {
    for (const path of ['/<script>', '/%3Cscript%3E', '/a`<b>', '/nope?<b>']) {
      const response = await asPablo(path);
      assert.doesNotMatch(response.text, /<script>|<b>/, path);
    }
  });
});

describe('signed-in routes', () => {
  for (const [method, path] of [
    ['POST', '/logout'], ['POST', '/room'], ['GET', '/room/0/messages?offset=0&size=1'], ['GET', '/room/0/messages'],
    ['GET', '/room/nope/messages'], ['GET', '/users/online'], ['GET', '/rooms/1'], ['HEAD', '/rooms/1'],
  ]) {
    test(`${method} ${path} without a user: 403`, async () => {
      const response = await t.request({ method, path, cookie: t.cookies.guest });
      if (method === 'HEAD') assert.equal(response.status, 403);
      else expectComputed(response, { status: 403, type: TEXT_TYPE, body: 'Forbidden' });
      assert.ok((await t.redis.client.ttl(`sess:${sids.guest}`)) > DAY - 10, 'the session is renewed all the same');
    });
  }
});
