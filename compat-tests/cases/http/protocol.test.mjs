// HTTP itself: methods, connections, framing. http-and-redis.md §1 and §3.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { etagOf } from '../../lib/http.mjs';
import { Connection, requestText } from '../../lib/http.mjs';
import { expectComputed, expectNotFoundPage, expectRefusal, headerNames, HTML_TYPE } from '../../lib/expect.mjs';
import { DAY, sidSetBy } from '../../lib/session.mjs';
import { sids } from '../../lib/dataset.mjs';
import { useTarget } from '../../lib/suite.mjs';

const t = useTarget();

const GET_ROUTES = [
  '/links', '/me', '/room/0/preload', '/room/0/messages?offset=0&size=3', '/users/online', '/users?ids[]=1', '/users', '/rooms/1',
];

async function withConnection(use) {
  const connection = await Connection.open(t.server.port);
  try {
    return await use(connection);
  } finally {
    connection.destroy();
  }
}

const asPablo = (path, request = {}) => requestText({ path, headers: { Cookie: t.cookies.pablo }, ...request });

describe('HEAD', () => {
  for (const path of GET_ROUTES) {
    test(`${path}: the headers of GET, no body`, async () => {
      const got = await t.get(path, { cookie: t.cookies.pablo });
      const head = await t.request({ method: 'HEAD', path, cookie: t.cookies.pablo });
      assert.equal(head.status, got.status);
      assert.deepEqual(headerNames(head), headerNames(got));
      for (const name of ['content-type', 'content-length', 'etag']) assert.equal(head.get(name), got.get(name), name);
    });
  }
  test('/randomname', async () => {
    const head = await t.request({ method: 'HEAD', path: '/randomname', cookie: t.cookies.pablo });
    assert.equal(head.status, 200);
    assert.ok(Number(head.get('content-length')) > 1);
  });
  for (const path of ['/login', '/logout', '/room']) {
    test(`${path}: not found, and nothing is done`, async () => {
      const head = await t.request({ method: 'HEAD', path, cookie: t.cookies.pablo });
      expectNotFoundPage(head, { method: 'HEAD', shown: path });
      assert.equal(await t.redis.client.exists(`sess:${sids.pablo}`), 1);
    });
  }
});

describe('OPTIONS', () => {
  const allowed = {
    '/links': 'GET,HEAD',
    '/randomname': 'GET,HEAD',
    '/me': 'GET,HEAD',
    '/ME/': 'GET,HEAD',
    '/users': 'GET,HEAD',
    '/users/online': 'GET,HEAD',
    '/rooms/1': 'GET,HEAD',
    '/room/0/preload': 'GET,HEAD',
    '/room/1:2/messages': 'GET,HEAD',
    '/login': 'POST',
    '/logout': 'POST',
    '/room': 'POST',
  };
  for (const [path, methods] of Object.entries(allowed)) {
    test(`${path}: ${methods}, for anybody`, async () => {
      const response = await t.request({ method: 'OPTIONS', path });
      const sid = expectComputed(response, { body: methods, type: HTML_TYPE, newSession: true, also: ['allow'] });
      assert.equal(response.get('allow'), methods);
      assert.equal(await t.redis.client.exists(`sess:${sid}`), 1);
    });
  }
  test('renews the session', async () => {
    await t.request({ method: 'OPTIONS', path: '/me', cookie: t.cookies.pablo });
    assert.ok((await t.redis.client.ttl(`sess:${sids.pablo}`)) > DAY - 10);
  });
  for (const path of ['/', '/nope', '/robots.txt', '/rooms', '/rooms/1/2']) {
    test(`${path}: not found`, async () => {
      expectNotFoundPage(await t.request({ method: 'OPTIONS', path, cookie: t.cookies.pablo }), { method: 'OPTIONS', shown: path });
    });
  }
});

describe('connections', () => {
  test('one connection takes many requests', () =>
    withConnection(async (connection) => {
      for (const [path, status] of [['/me', 200], ['/nope', 404], ['/rooms/1', 200], ['/users', 404], ['/me', 200]]) {
        connection.write(asPablo(path));
        assert.equal((await connection.response()).status, status, path);
      }
    }));

  test('HEAD and 304 leave the connection in step', () =>
    withConnection(async (connection) => {
      connection.write(asPablo('/me', { method: 'HEAD' }));
      assert.equal((await connection.response({ method: 'HEAD' })).status, 200);
      connection.write(asPablo('/me', { headers: { Cookie: t.cookies.pablo, 'If-None-Match': '*' } }));
      assert.equal((await connection.response()).status, 304);
      connection.write(asPablo('/nope', { method: 'HEAD' }));
      assert.equal((await connection.response({ method: 'HEAD' })).status, 404);
      connection.write(asPablo('/me'));
      assert.equal((await connection.response()).json.username, 'Pablo');
      assert.equal(connection.pending.length, 0);
    }));

  test('pipelined requests are answered in order', () =>
    withConnection(async (connection) => {
      const login = JSON.stringify({ username: 'Pablo', password: 'wrong' });
      connection.write(
        Buffer.concat([
          // The slowest first: a password to check.
          requestText({ method: 'POST', path: '/login', headers: { 'Content-Type': 'application/json' }, body: login }),
          asPablo('/me'),
          asPablo('/nope', { method: 'HEAD' }),
          asPablo('/room/0/messages?offset=0&size=0'),
          requestText({ method: 'POST', path: '/room', headers: { Cookie: t.cookies.pablo, 'Content-Type': 'application/json' }, body: '{"user1":1,"user2":3}' }),
          asPablo('/me'),
        ]),
      );
      assert.equal((await connection.response()).json.message, 'Invalid username or password');
      assert.equal((await connection.response()).text, '{"id":1,"username":"Pablo"}');
      assert.equal((await connection.response({ method: 'HEAD' })).status, 404);
      assert.equal((await connection.response()).json.length, 1);
      assert.equal((await connection.response()).json.id, '1:3');
      assert.equal((await connection.response()).text, '{"id":1,"username":"Pablo"}');
    }));

  test('a request may come in pieces', () =>
    withConnection(async (connection) => {
      const text = requestText({ method: 'POST', path: '/room', headers: { Cookie: t.cookies.pablo, 'Content-Type': 'application/json' }, body: '{"user1":1,"user2":3}' });
      for (let at = 0; at < text.length; at += 40) {
        connection.write(text.subarray(at, at + 40));
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      assert.equal((await connection.response()).json.id, '1:3');
    }));

  test('HTTP/1.0 is answered and closed', () =>
    withConnection(async (connection) => {
      connection.write(asPablo('/me', { version: '1.0' }));
      const response = await connection.response();
      assert.equal(response.text, '{"id":1,"username":"Pablo"}');
      assert.equal((await connection.untilClosed()).length, 0);
    }));

  test('Connection: close is honoured', () =>
    withConnection(async (connection) => {
      connection.write(asPablo('/me', { headers: { Cookie: t.cookies.pablo, Connection: 'close' } }));
      assert.equal((await connection.response()).status, 200);
      assert.equal((await connection.untilClosed()).length, 0);
    }));

  test('nonsense is refused and harms nobody else', async () => {
    await withConnection(async (connection) => {
      connection.write('NONSENSE\r\n\r\n');
      await connection.untilClosed();
    });
    assert.equal((await t.get('/me')).status, 200);
  });

  test('a client that goes away in the middle harms nobody else', async () => {
    for (const text of ['GET /me HTT', 'POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"user']) {
      await withConnection(async (connection) => {
        connection.write(text);
        await new Promise((resolve) => setTimeout(resolve, 20));
      });
    }
    assert.equal((await t.get('/me')).status, 200);
  });
});

describe('request forms', () => {
  test('Expect: 100-continue is answered with 100 first', () =>
    withConnection(async (connection) => {
      const body = '{"user1":1,"user2":3}';
      const headers = { Cookie: t.cookies.pablo, 'Content-Type': 'application/json', 'Content-Length': String(body.length), Expect: '100-continue' };
      connection.write(requestText({ method: 'POST', path: '/room', headers }));
      await connection.atLeast('HTTP/1.1 100 Continue\r\n\r\n'.length);
      connection.write(body);
      const response = await connection.response();
      assert.deepEqual(response.interim, [100]);
      assert.equal(response.json.id, '1:3');
    }));

  test('absolute form', async () => {
    const response = await t.get('http://other.example/me', { cookie: t.cookies.pablo });
    expectComputed(response, { body: { id: 1, username: 'Pablo' } });
  });

  test('a chunked body', async () => {
    const response = await t.request({
      method: 'POST',
      path: '/room',
      cookie: t.cookies.pablo,
      headers: { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' },
      body: '9\r\n{"user1":\r\nC;x=y\r\n1,"user2":3}\r\n0\r\nTrailer: t\r\n\r\n',
    });
    expectComputed(response, { status: 201, body: { id: '1:3', names: [['Pablo'], ['Mary']] } });
  });

  test('GET with a body that is no JSON type', async () => {
    const response = await t.get('/me', { cookie: t.cookies.pablo, headers: { 'Content-Type': 'text/plain' }, body: 'x' });
    assert.equal(response.status, 200);
  });
});

test('every answer has a Date, and none of the headers that the original lacks', async () => {
  for (const path of ['/me', '/nope', '/users', '/rooms/1']) {
    const response = await t.get(path);
    assert.ok(!Number.isNaN(Date.parse(response.get('date'))), 'Date');
    for (const name of ['server', 'vary', 'transfer-encoding', 'content-encoding', 'access-control-allow-origin']) {
      assert.equal(response.get(name), undefined, `${name} of ${path}`);
    }
  }
});

test('/randomname gives names, not always the same', async () => {
  const names = new Set();
  for (let n = 0; n < 12; n += 1) {
    const response = await t.get('/randomname', { cookie: t.cookies.guest });
    assert.match(response.text, /^[A-Z][a-z]+$/);
    assert.equal(response.get('content-type'), HTML_TYPE);
    assert.equal(response.get('etag'), etagOf(response.text));
    names.add(response.text);
  }
  assert.ok(names.size > 1);
});

describe('after a refused body the connection goes on', () => {
  const refused = {
    'not JSON': [400, { 'Content-Type': 'application/json' }, '{bad'],
    'too large': [413, { 'Content-Type': 'application/json' }, `{"a":"${'x'.repeat(102_400)}"}`],
    'unknown charset': [415, { 'Content-Type': 'application/json; charset=iso-8859-1' }, '{}'],
  };
  for (const [what, [status, headers, body]] of Object.entries(refused)) {
    test(what, () =>
      withConnection(async (connection) => {
        connection.write(requestText({ method: 'POST', path: '/login', headers, body }));
        const response = await connection.response();
        expectRefusal(response, status);
        assert.equal(sidSetBy(response), undefined);
        connection.write(asPablo('/me'));
        assert.equal((await connection.response()).text, '{"id":1,"username":"Pablo"}');
      }));
  }
});
