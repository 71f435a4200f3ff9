// ETag and 304 of computed bodies: http-and-redis.md §1. Files are in static.test.mjs.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { expectComputed, expectNotFoundPage, headerNames, TEXT_TYPE } from '../../lib/expect.mjs';
import { etagOf } from '../../lib/http.mjs';
import { DAY, sidSetBy } from '../../lib/session.mjs';
import { sids } from '../../lib/dataset.mjs';
import { useTarget } from '../../lib/suite.mjs';

const t = useTarget();

const BODY = '{"id":1,"username":"Pablo"}';
const TAG = etagOf(BODY);
const STRONG = TAG.slice('W/'.length);

const me = (headers, request = {}) => t.get('/me', { cookie: t.cookies.pablo, headers, ...request });

function expectNotModified(response, { tag = TAG, newSession = false } = {}) {
  assert.equal(response.status, 304);
  assert.equal(response.get('etag'), tag);
  assert.equal(response.get('x-powered-by'), 'Express');
  assert.deepEqual(headerNames(response), ['etag', ...(newSession ? ['set-cookie'] : []), 'x-powered-by']);
}

describe('If-None-Match that matches', () => {
  for (const value of [
    TAG,
    STRONG,
    '*',
    `"x",${TAG}`,
    `"x" , ${STRONG}`,
    `${TAG}, "x"`,
    `W/"x", W/"y", ${TAG}, W/"z"`,
    ` ${TAG} `,
  ]) {
    test(value, async () => expectNotModified(await me({ 'If-None-Match': value })));
  }
  test('spread over two headers', async () => {
    expectNotModified(await me([['If-None-Match', '"x"'], ['If-None-Match', TAG]]));
  });
  test('with HEAD', async () => expectNotModified(await me({ 'If-None-Match': TAG }, { method: 'HEAD' })));
});

describe('If-None-Match that does not match', () => {
  for (const value of ['"x"', TAG.replace('W/', 'w/'), STRONG.slice(1, -1), `W/${STRONG.slice(1, -1)}`, '', '"x", *', '"*"', STRONG.toUpperCase()]) {
    test(JSON.stringify(value), async () => expectComputed(await me({ 'If-None-Match': value }), { body: BODY }));
  }
});

describe('Cache-Control', () => {
  for (const value of ['no-cache', 'max-age=0, no-cache', 'no-cache,max-age=0', ' max-age=0 , no-cache , x']) {
    test(`${value}: whole answer`, async () =>
      expectComputed(await me({ 'If-None-Match': TAG, 'Cache-Control': value }), { body: BODY }));
  }
  for (const value of ['max-age=0', 'No-Cache', 'NO-CACHE', 'no-store', 'x-no-cache', 'no-cache2', 'no-cache=x']) {
    test(`${value}: 304`, async () => expectNotModified(await me({ 'If-None-Match': TAG, 'Cache-Control': value })));
  }
  test('Pragma does not count', async () => expectNotModified(await me({ 'If-None-Match': TAG, Pragma: 'no-cache' })));
});

describe('what has no effect on a computed body', () => {
  for (const [name, value] of [
    ['If-Modified-Since', 'Tue, 24 Nov 2099 01:49:14 GMT'],
    ['If-Unmodified-Since', 'Thu, 01 Jan 1970 00:00:00 GMT'],
    ['If-Match', '"x"'],
    ['Range', 'bytes=0-1'],
    ['If-Range', TAG],
    ['Accept', 'text/plain'],
    ['Accept-Encoding', 'gzip, br'],
    ['Origin', 'http://other.example'],
  ]) {
    test(name, async () => expectComputed(await me({ [name]: value }), { body: BODY }));
  }
});

test('other routes answer 304 as well', async () => {
  const links = await t.get('/links', { cookie: t.cookies.guest });
  expectNotModified(await t.get('/links', { cookie: t.cookies.guest, headers: { 'If-None-Match': links.get('etag') } }), {
    tag: links.get('etag'),
  });
  for (const path of ['/room/0/preload', '/users?ids[]=1', '/rooms/1', '/users/online', '/room/0/messages?offset=0&size=9', '/randomname']) {
    const response = await t.get(path, { cookie: t.cookies.pablo, headers: { 'If-None-Match': '*' } });
    assert.equal(response.status, 304, path);
    assert.equal(response.body.length, 0, path);
  }
});

test('a 304 sets a cookie when one is due, and its session is stored', async () => {
  const response = await t.get('/me', { headers: { 'If-None-Match': '*' } });
  expectNotModified(response, { tag: etagOf('null'), newSession: true });
  assert.equal(await t.redis.client.exists(`sess:${sidSetBy(response)}`), 1);
});

test('a 304 renews the session', async () => {
  await me({ 'If-None-Match': TAG });
  assert.ok((await t.redis.client.ttl(`sess:${sids.pablo}`)) > DAY - 10);
});

describe('statuses other than 2xx, and methods other than GET and HEAD, are never 304', () => {
  const headers = { 'If-None-Match': '*' };
  test('403', async () => {
    expectComputed(await t.get('/rooms/1', { cookie: t.cookies.guest, headers }), { status: 403, type: TEXT_TYPE, body: 'Forbidden' });
  });
  test('404 of a route', async () => {
    expectComputed(await t.get('/users', { cookie: t.cookies.guest, headers }), { status: 404, type: TEXT_TYPE, body: 'Not Found' });
  });
  test('404 page', async () => {
    expectNotFoundPage(await t.get('/nope', { cookie: t.cookies.guest, headers }), { shown: '/nope' });
  });
  test('POST', async () => {
    const response = await t.postJson('/room', { user1: 1, user2: 2 }, { cookie: t.cookies.pablo, headers });
    expectComputed(response, { status: 201, body: { id: '1:2', names: [['Pablo'], ['Joe']] } });
  });
  test('OPTIONS', async () => {
    const response = await t.request({ method: 'OPTIONS', path: '/me', cookie: t.cookies.pablo, headers });
    assert.equal(response.status, 200);
  });
});
