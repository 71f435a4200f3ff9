// JSON bodies: http-and-redis.md §5. More of it is in fixtures/http/19-body-parsing.json.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import { expectComputed, expectRefusal, TEXT_TYPE } from '../../lib/expect.mjs';
import { UNTOUCHED_TTL, sids } from '../../lib/dataset.mjs';
import { sidSetBy } from '../../lib/session.mjs';
import { useTarget } from '../../lib/suite.mjs';

const t = useTarget();

const LIMIT = 102_400;
const ROOM = '{"user1":1,"user2":3}';

/** POST /room as Pablo: 201 tells that a body was read, 400 as text that it had no fields. */
const room = (body, headers = { 'Content-Type': 'application/json' }) =>
  t.post('/room', { cookie: t.cookies.pablo, headers, body });
const expectRead = (response) => expectComputed(response, { status: 201, body: { id: '1:3', names: [['Pablo'], ['Mary']] } });
const expectNoFields = (response) => expectComputed(response, { status: 400, type: TEXT_TYPE, body: 'Bad Request' });

const padded = (length) => ROOM.slice(0, -1) + `,"x":"${'x'.repeat(length - ROOM.length - 7)}"}`;

describe('media types that are read', () => {
  for (const type of [
    'application/json', 'Application/JSON', 'application/json;charset=utf-8', 'application/json; charset="utf-8"',
    'application/json; charset=UTF-8; x=y', 'application/json ; charset=utf-8', 'application/json; profile=z',
  ]) {
    test(type, async () => expectRead(await room(ROOM, { 'Content-Type': type })));
  }
});

describe('media types that are not: a body without fields', () => {
  for (const type of [
    'text/json', 'text/plain', 'application/vnd.api+json', 'application/x-www-form-urlencoded', 'application/jsonx',
    'application/json2', '*/*', 'application/*', 'json', '',
  ]) {
    test(type || '(empty)', async () => expectNoFields(await room('{bad', { 'Content-Type': type })));
  }
  test('none', async () => expectNoFields(await room('{bad', {})));
});

describe('bodies without fields', () => {
  test('length 0', async () => expectNoFields(await room('')));
  test('chunked, empty', async () => {
    const headers = { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' };
    expectNoFields(await room('0\r\n\r\n', headers));
  });
  test('none at all', async () => expectNoFields(await room(undefined)));
  for (const body of ['[]', '[1,2]', '{}', '[{"user1":1,"user2":3}]', '{"__proto__":{"user1":1,"user2":3}}', '{"User1":1,"User2":3}']) {
    test(body, async () => expectNoFields(await room(body)));
  }
});

describe('the limit', () => {
  test(`${LIMIT} bytes pass`, async () => expectRead(await room(padded(LIMIT))));
  test(`${LIMIT + 1} bytes do not`, async () => expectRefusal(await t.unchanged(() => room(padded(LIMIT + 1))), 413));
  test('it counts bytes, not characters', async () => {
    expectRefusal(await room(`{"user1":1,"user2":3,"x":"${'é'.repeat(LIMIT / 2)}"}`), 413);
  });
  test('chunked as well', async () => {
    const body = padded(LIMIT + 1);
    const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    expectRefusal(await room(chunked, { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' }), 413);
  });
  test('it is for what is inflated, however small it came', async () => {
    const bomb = gzipSync(`{"x":"${' '.repeat(20 * LIMIT)}"}`);
    assert.ok(bomb.length < LIMIT);
    expectRefusal(await room(bomb, { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' }), [413, 415]);
  });
  test('other media types have none', async () => {
    expectNoFields(await room('x'.repeat(LIMIT + 1), { 'Content-Type': 'text/plain' }));
  });
});

describe('text that is read', () => {
  for (const [what, body] of Object.entries({
    'white space around': ` \t\r\n${ROOM}\n\t `,
    'white space inside': '{ "user1" :\r\n1 ,\t"user2": 3 }',
    'a byte order mark': `\ufeff${ROOM}`,
    'the last of equal keys': '{"user1":9,"user2":3,"user1":1}',
    'escapes in keys and values': '{"\\u0075ser1":"\\u0031","user2":3}',
    'other fields': '{"x":{"user1":7},"user1":1,"y":[null],"user2":3}',
    'numbers with exponent': '{"user1":1e0,"user2":30E-1}',
    'a lone surrogate elsewhere': '{"x":"\\ud800","user1":1,"user2":3}',
    'a NUL elsewhere': '{"x":"\\u0000","user1":1,"user2":3}',
    '__proto__ elsewhere': '{"__proto__":{"user1":9},"user1":1,"user2":3}',
  })) {
    test(what, async () => expectRead(await room(body)));
  }
  test('bytes that are no UTF-8 become U+FFFD', async () => {
    const response = await t.postJson('/login', Buffer.concat([Buffer.from('{"username":"a'), Buffer.from([0xff, 0xc3]), Buffer.from('z","password":"p"}')]));
    expectComputed(response, { status: 201, body: { id: 6, username: 'a\ufffd\ufffdz' }, newSession: true });
    assert.equal(await t.redis.client.hget('user:6', 'username'), 'a\ufffd\ufffdz');
  });
});

describe('text that is refused', () => {
  for (const body of [
    '{bad', '{"a":1', '{"a":1}}', '{"a":1} x', '{"a":01}', '{"a":1,}', "{'a':1}", '{a:1}', '[1,]', '[', '{', '}', '"abc"', '12', 'null', 'true',
    ' ', '\n', '\u00a0{}', '\u000b{}', '{"a":"\u0001"}', '{"a":"\\x41"}', '{"a":NaN}', '{"a":+1}', '{"a":.5}', '{"a":1.}', '// x\n{}', '{} {}', '{"a":tru}',
    '{"a":"\\ud80"}',
  ]) {
    test(JSON.stringify(body), async () => expectRefusal(await t.unchanged(() => room(body)), 400));
  }
});

describe('charsets', () => {
  for (const charset of ['iso-8859-1', 'us-ascii', 'latin1', 'utf8', 'utf-99', 'x']) {
    test(`${charset}: 415`, async () => expectRefusal(await room(ROOM, { 'Content-Type': `application/json; charset=${charset}` }), 415));
  }
  test('utf-16: read, or 415', async () => {
    const response = await room(Buffer.from(ROOM, 'utf16le'), { 'Content-Type': 'application/json; charset=utf-16le' });
    if (response.status === 201) expectRead(response);
    else expectRefusal(response, 415);
  });
});

describe('content codings', () => {
  const coded = (coding, body) => room(body, { 'Content-Type': 'application/json', 'Content-Encoding': coding });
  test('identity', async () => expectRead(await coded('identity', ROOM)));
  test('Identity', async () => expectRead(await coded('Identity', ROOM)));
  for (const [coding, pack] of [['gzip', gzipSync], ['GZIP', gzipSync], ['deflate', deflateSync]]) {
    test(`${coding}: inflated, or 415`, async () => {
      const response = await coded(coding, pack(ROOM));
      if (response.status === 201) expectRead(response);
      else expectRefusal(response, 415);
    });
  }
  for (const coding of ['br', 'zstd', 'x-gzip', 'compress', 'gzip, gzip', 'none']) {
    test(`${coding}: 415`, async () => expectRefusal(await coded(coding, ROOM), 415));
  }
  test('broken gzip: 400 (or 415)', async () => expectRefusal(await coded('gzip', gzipSync(ROOM).subarray(0, 15)), [400, 415]));
  test('a coding does not matter when nothing is read', async () => {
    expectNoFields(await room('zzz', { 'Content-Type': 'text/plain', 'Content-Encoding': 'br' }));
  });
});

describe('a refused body', () => {
  test('is refused on every method and path, before files and routes', async () => {
    for (const [method, path] of [['POST', '/me'], ['GET', '/me'], ['PUT', '/nope'], ['DELETE', '/logout'], ['GET', '/'], ['GET', '/robots.txt'], ['OPTIONS', '/me']]) {
      const response = await t.request({ method, path, cookie: t.cookies.pablo, headers: { 'Content-Type': 'application/json' }, body: '{bad' });
      expectRefusal(response, 400);
    }
  });

  test('does not touch the session, nor make one', async () => {
    const watch = await t.redis.monitor();
    for (const [type, body] of [['application/json', '{bad'], ['application/json; charset=x', '{}'], ['application/json', `["${'x'.repeat(LIMIT)}"]`]]) {
      for (const cookie of [t.cookies.pablo, undefined]) {
        const response = await t.post('/login', { cookie, headers: { 'Content-Type': type }, body });
        assert.equal(sidSetBy(response), undefined);
      }
    }
    await watch.sync();
    watch.stop();
    assert.deepEqual(watch.commands.filter(([, key]) => key?.startsWith('sess:')), []);
    assert.ok((await t.redis.client.ttl(`sess:${sids.pablo}`)) <= UNTOUCHED_TTL);
  });

  test('does not log out', async () => {
    expectRefusal(await t.post('/logout', { cookie: t.cookies.pablo, headers: { 'Content-Type': 'application/json' }, body: '{' }), 400);
    assert.equal(await t.redis.client.exists(`sess:${sids.pablo}`), 1);
  });
});

test('text nested very deeply does no harm', async () => {
  const deep = '['.repeat(LIMIT / 2) + ']'.repeat(LIMIT / 2);
  assert.equal((await room(deep)).status, 400);
  assert.equal((await room(`{"a":${'{"a":'.repeat(15_000)}1${'}'.repeat(15_000)}}`)).status, 400);
});
