// Redis goes away while the server runs: http-and-redis.md §13. The original ends; a
// drop-in says so in its answers, goes on with the files, and comes back by itself.
import assert from 'node:assert/strict';
import { mkdir, rm } from 'node:fs/promises';
import { after, before, beforeEach, describe, test } from 'node:test';
import { has } from '../../lib/capabilities.mjs';
import { cookies, loadDataset } from '../../lib/dataset.mjs';
import { eventually, JSON_TYPE } from '../../lib/expect.mjs';
import { Connection, requestText, send } from '../../lib/http.mjs';
import { cookieOf, sidSetBy } from '../../lib/session.mjs';
import { startRedis } from '../../lib/redis.mjs';
import { isUpstream, startServer } from '../../lib/target.mjs';

const suite = isUpstream ? () => {} : describe;

/** Within this time there must be an answer. */
const SOON = 2_000;
/** Within this time after Redis is back, all must be well. */
const RECOVERY = 5_000;
/** Between two lines of our own log about requests that could not be served. */
const QUIET = 10_000;
const isOurs = has('page');

let redis;
let server;
let started;

const login = (password, timeout = SOON) =>
  send(server, {
    method: 'POST', path: '/login', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ username: 'Pablo', password }), timeout,
  });

/** Every route that needs Redis says that it is not there; files are served. */
async function assertUnavailable() {
  for (const [method, path, cookie] of [
    ['GET', '/me'], ['GET', '/me', cookies.pablo], ['GET', '/links'], ['GET', '/users?ids[]=1'], ['GET', '/rooms/1', cookies.pablo],
    ['GET', '/room/0/preload'], ['POST', '/logout', cookies.pablo], ['GET', '/nope'],
  ]) {
    const response = await send(server, { method, path, cookie, timeout: SOON });
    assert.equal(response.status, 503, `${method} ${path}`);
    assert.equal(response.get('content-type'), JSON_TYPE);
    assert.equal(typeof response.json.message, 'string');
    if (isOurs) assert.equal(response.get('retry-after'), '1');
    assert.equal(sidSetBy(response), undefined, 'a cookie without a session behind it');
  }
  assert.equal((await login('password123')).status, 503);
  const file = await send(server, { path: '/robots.txt', timeout: SOON });
  assert.equal(file.status, 200);
  // What needs no Redis is refused as ever.
  const refused = await send(server, { method: 'POST', path: '/login', headers: { 'Content-Type': 'application/json' }, body: '{bad', timeout: SOON });
  assert.equal(refused.status, 400);
}

async function assertServes() {
  await eventually(async () => {
    const response = await send(server, { path: '/me', timeout: SOON });
    assert.equal(response.text, 'null');
  }, RECOVERY);
  await loadDataset(redis.client);
  assert.equal((await send(server, { path: '/me', cookie: cookies.pablo })).json.username, 'Pablo');
  assert.equal((await login('password123', 5_000)).json.id, '1');
  assert.equal((await send(server, { path: '/room/0/preload' })).json.messages.length, 3);
}

/** From now on Redis refuses writes, since its last attempt to save has failed. */
async function failSaving() {
  const [, dir] = await redis.client.config('GET', 'dir');
  await rm(dir, { recursive: true });
  await redis.client.config('SET', 'save', '3600 1');
  await redis.client.bgsave();
  await eventually(async () => assert.match(await redis.client.info('persistence'), /rdb_last_bgsave_status:err/));
  await mkdir(dir);
}

/** Whoever reads is served as ever, with what Redis has; nobody gets a cookie without a session behind it. */
async function assertReads() {
  const asked = ['/me', '/users?ids[]=1', '/room/0/preload', '/links'];
  const asPablo = [...asked, '/users/online', '/rooms/1', '/room/0/messages?offset=0&size=5'];
  const short = cookieOf('short');
  for (const [path, cookie] of [...asked.map((path) => [path]), ...asPablo.map((path) => [path, cookies.pablo]), ['/me', short]]) {
    const response = await send(server, { path, cookie, timeout: SOON });
    assert.equal(response.status, 200, `${path}: ${response.status}`);
    assert.equal(sidSetBy(response), undefined, 'a cookie without a session behind it');
    if (path === '/me') assert.equal(response.json?.username, cookie && 'Pablo');
    if (path === '/users/online') assert.deepEqual(Object.keys(response.json), ['1']);
  }
}

suite('Redis lost while running', () => {
  before(async () => {
    redis = await startRedis();
    await loadDataset(redis.client);
    started = performance.now();
    server = await startServer({ redis });
  });
  beforeEach(() => loadDataset(redis.client));
  after(async () => {
    await server?.stop();
    await redis?.stop();
  });

  for (const [what, signal] of [['ends', 'SIGTERM'], ['is killed', 'SIGKILL']]) {
    test(`it ${what}, and comes back on the same port`, async () => {
      await redis.stop(signal);
      await eventually(async () => assert.equal((await send(server, { path: '/me', timeout: SOON })).status, 503));
      await assertUnavailable();
      redis = await startRedis({ port: redis.port });
      await redis.client.set('total_users', '5');
      await assertServes();
    });
  }

  test('it hangs, and goes on', async () => {
    process.kill(redis.pid, 'SIGSTOP');
    try {
      await assertUnavailable();
    } finally {
      process.kill(redis.pid, 'SIGCONT');
    }
    await assertServes();
  });

  test('it hangs in the middle of a request', async () => {
    const connection = await Connection.open(server.port);
    try {
      const answered = connection.response({ timeout: SOON });
      process.kill(redis.pid, 'SIGSTOP');
      connection.write(requestText({ path: '/room/0/preload', headers: { Cookie: cookies.guest } }));
      assert.equal((await answered).status, 503);
    } finally {
      process.kill(redis.pid, 'SIGCONT');
      connection.destroy();
    }
    await assertServes();
  });

  test('connections are closed from its side', async () => {
    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub', 'SKIPME', 'yes');
    await assertServes();
  });

  for (const [why, refuse, mend] of [
    ['out of memory', () => redis.client.config('SET', 'maxmemory', '1'), () => redis.client.config('SET', 'maxmemory', '0')],
    ['it is a replica', () => redis.client.replicaof('127.0.0.1', '1'), () => redis.client.replicaof('NO', 'ONE')],
    ['its replicas are gone', () => redis.client.config('SET', 'min-replicas-to-write', '1'), () => redis.client.config('SET', 'min-replicas-to-write', '0')],
    ['it can\'t save', failSaving, () => redis.client.config('SET', 'save', '')],
  ]) {
    test(`it refuses writes for a while (${why})`, async () => {
      await redis.client.set('sess:short', JSON.stringify({ cookie: { originalMaxAge: 60_000 }, user: { id: '1', username: 'Pablo' } }), 'EX', 60);
      await redis.client.sadd('online_users', '1');
      await refuse();
      try {
        await assertReads();
        assert.equal((await login('wrong')).status, 404);
        assert.equal((await login('password123')).status, 500, 'a log-in that can\'t be stored');
        await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        await eventually(assertReads, RECOVERY);
      } finally {
        await mend();
      }
      await assertServes();
      assert.ok(sidSetBy(await send(server, { path: '/me' })), 'new sessions are made again');
    });
  }

  test('through all of that the server lived', () => {
    assert.ok(server.alive(), server.stderr());
    if (!isOurs) return;
    // More requests than lines, or the log of a busy server would be full of them.
    const lines = server.stderr().split('\n').filter((line) => line.includes('a request could not be served'));
    assert.ok(lines.length > 0 && lines.length <= 1 + (performance.now() - started) / QUIET, server.stderr());
  });
});
