// Files of the client: http-and-redis.md §12. More of it is in fixtures/http/20-static.json.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { makeClient, MTIME } from '../../lib/client.mjs';
import { loadDataset, sids, UNTOUCHED_TTL } from '../../lib/dataset.mjs';
import { expectNotFoundPage, headerNames } from '../../lib/expect.mjs';
import { Connection, requestText, send } from '../../lib/http.mjs';
import { startRedis } from '../../lib/redis.mjs';
import { cookieOf, sidSetBy } from '../../lib/session.mjs';
import { isUpstream, servesClientDir, startServer } from '../../lib/target.mjs';

// The original serves a folder of its own unless it is started through targets/original.mjs.
const suite = servesClientDir ? describe : () => {};

let redis;
let client;
let server;

const get = (path, headers = [], method = 'GET') => send(server, { method, path, headers, cookie: cookieOf(sids.guest) });

const TYPES = {
  html: 'text/html; charset=UTF-8',
  css: 'text/css; charset=UTF-8',
  js: 'application/javascript; charset=UTF-8',
  json: 'application/json; charset=UTF-8',
  map: 'application/json; charset=UTF-8',
  txt: 'text/plain; charset=UTF-8',
  ico: 'image/x-icon',
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  svg: 'image/svg+xml',
  gif: 'image/gif',
  woff: 'font/woff',
  woff2: 'font/woff2',
  PNG: 'image/png',
  unknownextension: 'application/octet-stream',
};

suite('static files', () => {
  before(async () => {
    redis = await startRedis();
    await loadDataset(redis.client);
    client = await makeClient();
    await client.add('../outside.txt', 'nobody may read this');
    await client.add('big.bin', randomBytes(300_007));
    await client.add('empty.txt', '');
    await client.add('sub/index.html', '<p>index of sub</p>');
    await client.add('größe.txt', 'a name of several bytes');
    await client.add('a b+c.txt', 'a name with space and plus');
    await client.add('a b/index.html', 'x');
    await client.add('static/.secret.txt', 'hidden');
    await client.add('no-extension', 'x');
    for (const extension of Object.keys(TYPES)) await client.add(`types/file.${extension}`, 'content');
    server = await startServer({ redis, clientDir: client.dir });
  });
  beforeEach(() => loadDataset(redis.client));
  after(async () => {
    await server?.stop();
    await redis?.stop();
    await client?.remove();
  });

  types();
  wholeFiles();
  names();
  outOfReach();
  directories();
  conditions();
  ranges();
  changes();
});

const content = (name) => readFile(join(client.dir, name));

/** Headers that are on every answer about a file. */
async function expectFileHeaders(response, name) {
  const { size, mtime } = await stat(join(client.dir, name));
  assert.equal(response.get('x-powered-by'), 'Express');
  assert.equal(response.get('accept-ranges'), 'bytes');
  assert.equal(response.get('cache-control'), 'public, max-age=0');
  assert.equal(response.get('last-modified'), mtime.toUTCString());
  assert.equal(response.get('etag'), `W/"${size.toString(16)}-${mtime.getTime().toString(16)}"`);
  assert.equal(sidSetBy(response), undefined);
}

async function expectFile(response, name, { head = false } = {}) {
  assert.equal(response.status, 200);
  await expectFileHeaders(response, name);
  const bytes = await content(name);
  assert.equal(response.get('content-length'), String(bytes.length));
  assert.ok(response.body.equals(head ? Buffer.alloc(0) : bytes), 'content');
  const names = ['accept-ranges', 'cache-control', 'content-length', 'content-type', 'etag', 'last-modified', 'x-powered-by'];
  assert.deepEqual(headerNames(response), names);
}

async function expectPart(response, name, first, last) {
  assert.equal(response.status, 206);
  await expectFileHeaders(response, name);
  const bytes = await content(name);
  assert.equal(response.get('content-range'), `bytes ${first}-${last}/${bytes.length}`);
  assert.equal(response.get('content-length'), String(last - first + 1));
  assert.ok(response.body.equals(bytes.subarray(first, last + 1)), 'content');
}

async function expectNotModified(response, name) {
  assert.equal(response.status, 304);
  await expectFileHeaders(response, name);
  assert.deepEqual(headerNames(response), ['accept-ranges', 'cache-control', 'etag', 'last-modified', 'x-powered-by']);
}

function types() {
  describe('types', () => {
    for (const [extension, type] of Object.entries(TYPES)) {
      test(`.${extension}`, async () => assert.equal((await get(`/types/file.${extension}`)).get('content-type'), type));
    }
    test('no extension', async () => assert.equal((await get('/no-extension')).get('content-type'), 'application/octet-stream'));
  });
}

function wholeFiles() {
  describe('whole files', () => {
    for (const [path, name] of Object.entries({
      '/': 'index.html', '/?x=1': 'index.html', '/index.html': 'index.html', '/robots.txt': 'robots.txt', '/big.bin': 'big.bin', '/empty.txt': 'empty.txt',
      '/picture.png': 'picture.png', '/static/js/main.js': 'static/js/main.js', '/static/js/main.js?v=2#x': 'static/js/main.js', '/sub/': 'sub/index.html',
    })) {
      test(path, async () => {
        await expectFile(await get(path), name);
        await expectFile(await get(path, [], 'HEAD'), name, { head: true });
      });
    }
    test('are never compressed', async () => {
      await expectFile(await get('/static/js/main.js', { 'Accept-Encoding': 'gzip, deflate, br' }), 'static/js/main.js');
    });
    test('several on one connection', async () => {
      const connection = await Connection.open(server.port);
      try {
        const names = ['big.bin', 'empty.txt', 'robots.txt', 'big.bin'];
        connection.write(Buffer.concat(names.map((name) => requestText({ path: `/${name}` }))));
        for (const name of names) assert.ok((await connection.response()).body.equals(await content(name)), name);
      } finally {
        connection.destroy();
      }
    });
    test('many at once', async () => {
      const bytes = await content('big.bin');
      const answers = await Promise.all(Array.from({ length: 20 }, () => get('/big.bin')));
      for (const { body } of answers) assert.ok(body.equals(bytes));
    });
    test('a client that goes away in the middle harms nobody', async () => {
      for (let n = 0; n < 5; n += 1) {
        const connection = await Connection.open(server.port);
        connection.write(requestText({ path: '/big.bin' }));
        await connection.atLeast(1000);
        connection.destroy();
      }
      await expectFile(await get('/big.bin'), 'big.bin');
    });
  });
}

function names() {
  describe('spellings of a name', () => {
    for (const [path, name] of Object.entries({
      '//robots.txt': 'robots.txt', '/./robots.txt': 'robots.txt', '/robots%2etxt': 'robots.txt', '/%72obots.txt': 'robots.txt',
      '/static/../robots.txt': 'robots.txt', '/static/js/../../robots.txt': 'robots.txt', '/static//js//main.js': 'static/js/main.js',
      '/static/./js/main.js': 'static/js/main.js', '/nowhere/../robots.txt': 'robots.txt', '/gr%C3%B6%C3%9Fe.txt': 'größe.txt', '/a%20b+c.txt': 'a b+c.txt',
      '/a%20b%2Bc.txt': 'a b+c.txt', '/static%2Fjs%2Fmain.js': 'static/js/main.js',
    })) {
      test(path, async () => expectFile(await get(path), name));
    }
  });
}

function outOfReach() {
  describe('what is not served', () => {
    for (const path of [
      '/Robots.txt', '/ROBOTS.TXT', '/robots.txt/', '/robots', '/index', '/INDEX.html', '/chat', '/some/client/route', '/static/js/main.js/',
      '/.hidden', '/static/.secret.txt', '/%2ehidden', '/.git/config',
      '/../outside.txt', '/..', '/../', '/static/../../outside.txt', '/%2e%2e/outside.txt', '/..%2foutside.txt', '/%2e%2e%2foutside.txt',
      '/static/%2e%2e/%2e%2e/outside.txt', '/....//outside.txt', '/%252e%252e/outside.txt', '/..%5coutside.txt', '//../outside.txt',
      '/build/../../outside.txt', '/etc/passwd', '//etc/passwd', '/%2fetc%2fpasswd', '/robots.txt%00', '/robots.txt%00.png', '/%00', '/%ff.txt',
      `/${'x'.repeat(300)}`, `/${'x/'.repeat(2000)}`,
    ]) {
      test(path.length > 60 ? `${path.slice(0, 20)}… (${path.length} characters)` : path, async () => {
        const response = await get(path);
        expectNotFoundPage(response, { shown: path, newSession: false });
        // It went through the session.
        assert.ok((await redis.client.ttl(`sess:${sids.guest}`)) > UNTOUCHED_TTL);
      });
    }
    for (const [path, shown] of [['/%', '/%25'], ['/%E0%A4%A.txt', '/%E0%A4%25A.txt'], ['/robots.txt%zz', '/robots.txt%25zz']]) {
      test(path, async () => expectNotFoundPage(await get(path), { shown, newSession: false }));
    }
    test('without a session one is made', async () => {
      const response = await send(server, { path: '/chat' });
      expectNotFoundPage(response, { shown: '/chat', newSession: true });
    });
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      test(`by ${method}`, async () => {
        for (const path of ['/robots.txt', '/', '/static']) expectNotFoundPage(await get(path, [], method), { method, shown: path });
      });
    }
  });
}

function directories() {
  describe('directories', () => {
    for (const [path, location] of Object.entries({
      '/static': '/static/', '/static?x=1': '/static/?x=1', '/static/js': '/static/js/', '//static': '/static/', '////static': '/static/', '/sub': '/sub/',
      '/sub?a=b&c=%22': '/sub/?a=b&c=%22', '/a%20b': '/a%20b/', '/static/../sub': '/static/../sub/', '/%73ub': '/%73ub/',
    })) {
      test(`${path} leads to ${location}`, async () => {
        const response = await get(path);
        assert.equal(response.status, 301);
        assert.equal(response.get('location'), location);
        assert.equal(response.get('content-type'), 'text/html; charset=UTF-8');
        assert.equal(response.get('content-security-policy'), "default-src 'none'");
        assert.equal(response.get('x-content-type-options'), 'nosniff');
        assert.equal(response.get('content-length'), String(response.body.length));
        assert.match(response.text, /Redirecting to <a href="/);
        assert.equal(sidSetBy(response), undefined);
        assert.ok((await redis.client.ttl(`sess:${sids.guest}`)) <= UNTOUCHED_TTL, 'the session was renewed');
      });
    }
    test('HEAD', async () => {
      const response = await get('/static', [], 'HEAD');
      assert.equal(response.status, 301);
      assert.equal(response.get('location'), '/static/');
    });
    test('the page has no markup from the request', async () => {
      const response = await get('/static?"onclick=x\'&<b>');
      if (response.status === 400) return; // Raw angle brackets may be refused (§1).
      assert.equal(response.status, 301);
      assert.doesNotMatch(response.text, /<b>|"onclick/);
    });
    test('never leads to another host', async () => {
      for (const path of ['//other.example', '//other.example/', '//other.example/%2e%2e', '///other.example/..', '//other.example/../static', '/%5cother.example/..']) {
        const location = (await get(path)).get('location');
        if (location !== undefined) assert.match(location, /^\/(?![/\\])/, `${path} leads to ${location}`);
      }
    });
    for (const path of ['/static/', '/static/js/', '/static/?x=1']) {
      test(`${path} has no index: not found`, async () => assert.equal((await get(path)).status, 404));
    }
  });
}

function conditions() {
  const FILE = 'robots.txt';
  const at = (ms) => new Date(MTIME.getTime() + ms).toUTCString();
  const tag = async () => (await get(`/${FILE}`)).get('etag');
  const OTHER = '"x"';

  describe('conditions', () => {
    // Each gives the headers, with the tag of the file filled in for TAG.
    const cases = {
      304: [
        { 'If-None-Match': 'TAG' }, { 'If-None-Match': 'STRONG' }, { 'If-None-Match': '*' }, { 'If-None-Match': `${OTHER}, TAG` }, { 'If-None-Match': `STRONG,${OTHER}` },
        { 'If-Modified-Since': at(0) }, { 'If-Modified-Since': at(86_400_000) }, { 'If-None-Match': 'TAG', 'If-Modified-Since': at(0) },
        { 'If-None-Match': 'TAG', 'Cache-Control': 'max-age=0' }, { 'If-None-Match': 'TAG', Range: 'bytes=0-1' }, { 'If-Match': 'TAG', 'If-None-Match': 'TAG' },
      ],
      200: [
        { 'If-None-Match': OTHER }, { 'If-None-Match': '' }, { 'If-Modified-Since': at(-1000) }, { 'If-Modified-Since': 'yesterday' },
        { 'If-None-Match': OTHER, 'If-Modified-Since': at(86_400_000) }, { 'If-None-Match': 'TAG', 'Cache-Control': 'no-cache' },
        { 'If-Modified-Since': at(0), 'Cache-Control': 'max-age=0, no-cache' }, { 'If-Match': 'TAG' }, { 'If-Match': 'STRONG' }, { 'If-Match': '*' },
        { 'If-Match': `${OTHER}, TAG` }, { 'If-Unmodified-Since': at(0) }, { 'If-Unmodified-Since': at(86_400_000) }, { 'If-Unmodified-Since': 'yesterday' },
      ],
      412: [
        { 'If-Match': OTHER }, { 'If-Match': `${OTHER}, "y"` }, { 'If-Unmodified-Since': at(-1000) }, { 'If-Match': OTHER, 'If-None-Match': '*' },
        { 'If-Unmodified-Since': at(-86_400_000), 'If-None-Match': 'TAG' },
      ],
    };
    for (const [status, list] of Object.entries(cases)) {
      for (const headers of list) {
        test(`${JSON.stringify(headers)}: ${status}`, async () => {
          const weak = await tag();
          const filled = Object.entries(headers).map(([name, value]) => [name, value.replace('TAG', weak).replace('STRONG', weak.slice(2))]);
          const response = await get(`/${FILE}`, filled);
          assert.equal(response.status, Number(status));
          if (status === '304') await expectNotModified(response, FILE);
          if (status === '200') await expectFile(response, FILE);
          if (status === '412' && !isUpstream) assert.doesNotMatch(response.text, /\bat .*:\d+/);
          const head = await get(`/${FILE}`, filled, 'HEAD');
          assert.equal(head.status, Number(status), 'HEAD');
        });
      }
    }
    test('a redirect knows none', async () => assert.equal((await get('/static', { 'If-None-Match': '*' })).status, 301));
  });
}

function ranges() {
  const FILE = 'robots.txt';
  let size;
  before(async () => ({ size } = await stat(join(client.dir, FILE))));
  const part = (value, headers = {}) => get(`/${FILE}`, { Range: value, ...headers });

  describe('ranges', () => {
    const satisfied = {
      'bytes=0-0': () => [0, 0],
      'bytes=0-4': () => [0, 4],
      'bytes=5-': () => [5, size - 1],
      'bytes=-5': () => [size - 5, size - 1],
      'bytes=0-99999': () => [0, size - 1],
      'bytes=0-1,1-3': () => [0, 3],
      'bytes=0-1,2-3': () => [0, 3],
      'bytes=2-3,0-1': () => [0, 3],
      'bytes=0-4,9999-': () => [0, 4],
      'bytes=0-4,0-4': () => [0, 4],
    };
    for (const [value, expected] of Object.entries(satisfied)) {
      test(value, async () => expectPart(await part(value), FILE, ...expected()));
    }
    for (const value of ['bytes=0-1,5-6', 'items=0-4', 'Bytes=0-4', '0-4', 'bytes', '']) {
      test(`${value || '(empty)'}: the whole`, async () => expectFile(await part(value), FILE));
    }
    for (const value of ['bytes=9999-', 'bytes=9999-10000', 'bytes=x', 'bytes=', 'bytes=5-2', 'bytes=-', 'bytes=a-b']) {
      test(`${value}: 416`, async () => {
        const response = await part(value);
        assert.equal(response.status, 416);
        assert.equal(response.get('content-range'), `bytes */${size}`);
        assert.equal(sidSetBy(response), undefined);
        if (!isUpstream) assert.doesNotMatch(response.text, /\bat .*:\d+/);
      });
    }
    test('in the middle of a big file', async () => {
      await expectPart(await get('/big.bin', { Range: 'bytes=65530-200000' }), 'big.bin', 65_530, 200_000);
      await expectPart(await get('/big.bin', { Range: 'bytes=-70000' }), 'big.bin', 230_007, 300_006);
    });
    test('HEAD', async () => {
      const response = await get(`/${FILE}`, { Range: 'bytes=0-4' }, 'HEAD');
      assert.equal(response.status, 206);
      assert.equal(response.get('content-length'), '5');
    });

    const tag = async () => (await get(`/${FILE}`)).get('etag');
    const at = (ms) => new Date(MTIME.getTime() + ms).toUTCString();
    test('If-Range that still holds', async () => {
      for (const value of [await tag(), at(0), at(10_000)]) await expectPart(await part('bytes=0-4', { 'If-Range': value }), FILE, 0, 4);
    });
    test('If-Range that does not: the whole', async () => {
      for (const value of ['"x"', 'W/"x"', at(-1000)]) await expectFile(await part('bytes=0-4', { 'If-Range': value }), FILE);
    });
  });
}

function changes() {
  describe('a new build', () => {
    test('is served without a restart, under a new ETag', async () => {
      const path = await client.add('later.txt', 'first');
      const first = await get('/later.txt');
      await expectFile(first, 'later.txt');
      await writeFile(path, 'another');
      await expectFile(await get('/later.txt', { 'If-None-Match': first.get('etag') }), 'later.txt');
      await rm(path);
      expectNotFoundPage(await get('/later.txt'), { shown: '/later.txt' });
    });
    test('a time between two milliseconds is rounded to the nearer', async () => {
      const path = await client.add('between.txt', 'x');
      for (const [seconds, expected] of [[1614834367.0896, 1614834367090], [1614834367.0894, 1614834367089]]) {
        await utimes(path, seconds, seconds);
        assert.equal((await get('/between.txt')).get('etag'), `W/"1-${expected.toString(16)}"`);
      }
    });
  });
}
