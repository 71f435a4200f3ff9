// export and import: the data moves between the embedded store's file and a Redis.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { has } from '../../lib/capabilities.mjs';
import { Person, folder, startEmbedded, transfer } from '../../lib/embedded.mjs';
import { request } from '../../lib/engine.mjs';
import { dump, startRedis } from '../../lib/redis.mjs';
import { startServer } from '../../lib/target.mjs';

const LIMITS = { timeout: 60_000 };
const isMessage = (frame) => typeof frame === 'string' && frame.startsWith('42["message"');

async function redisOf(t) {
  const redis = await startRedis();
  t.after(() => redis.stop('SIGKILL'));
  return redis;
}

/** A file in which two people have chatted, its server stopped. */
async function furnished(t, env) {
  const file = join(await folder(t), 'chat.db');
  const server = await startEmbedded(t, file, { env });
  const [mary, zoe] = [await Person.signIn(server.base, 'Mary'), await Person.signIn(server.base, 'Zoë', 'secret')];
  const { body: room } = await zoe.ask('POST', '/room', { user1: zoe.id, user2: mary.id });
  const socket = await zoe.socket('0', room.id);
  const texts = ['<one>', 'two \u{1f600}', 'three "quoted"'];
  texts.forEach((text, i) => socket.emit('message', zoe.message(i === 2 ? room.id : '0', text, 4_000_000_000.5 + i)));
  for (let i = 0; i < 3; i += 1) await socket.next(isMessage);
  await socket.close();
  await server.stop();
  return { file, mary, zoe, room };
}

async function seen(base, person, room) {
  const at = Object.assign(Object.create(Person.prototype), person, { base });
  return {
    me: await at.get('/me'),
    rooms: (await at.get(`/rooms/${at.id}`)).map(JSON.stringify).sort(),
    general: await at.get('/room/0/messages?offset=0&size=50'),
    own: await at.get(`/room/${room}/messages?offset=0&size=50`),
    users: await at.get(`/users?ids[]=1&ids[]=3&ids[]=5`),
  };
}

if (has('embedded')) describe('transfer', () => {
  test('a file goes to Redis and back, sessions included', LIMITS, async (t) => {
    const { file, zoe, room } = await furnished(t);
    const redis = await redisOf(t);
    const exported = await transfer('export', file, redis);
    assert.equal(exported.code, 0, exported.words);
    assert.match(exported.said, /^Exported 5 users, 20 messages in 8 rooms and 2 sessions from .*chat\.db to the Redis at 127\.0\.0\.1:\d+\.$/m);
    const [, secret] = /^ {2}SESSION_SECRET=(\S+)$/m.exec(exported.said);

    assert.equal(await redis.client.get('total_users'), '5');
    assert.equal(await redis.client.get('username:Zoë'), 'user:5');
    assert.deepEqual(Object.keys(await redis.client.hgetall('user:5')), ['username', 'password']);
    assert.deepEqual((await redis.client.smembers('user:5:rooms')).sort(), ['0', room.id].sort());
    assert.equal(await redis.client.get('room:0:name'), 'General');
    assert.deepEqual(await redis.client.zrange(`room:${room.id}`, 0, -1, 'WITHSCORES'), [
      JSON.stringify(zoe.message(room.id, 'three "quoted"', 4_000_000_002.5)), '4000000002.5',
    ]);
    const [session] = await redis.client.keys('sess:*');
    const life = await redis.client.ttl(session);
    assert.ok(life > 86_000 && life <= 86_400, `${life}`);

    const onRedis = await startServer({ redis, env: { STORE: 'redis', DATA_FILE: undefined, SESSION_SECRET: secret } });
    t.after(() => onRedis.kill());
    const before = await seen(onRedis.base, zoe, room.id);
    assert.equal(before.me.username, 'Zoë');
    await onRedis.stop();

    const other = join(await folder(t), 'back.db');
    const imported = await transfer('import', other, redis);
    assert.equal(imported.code, 0, imported.words);
    assert.match(imported.said, /^Imported 5 users, 20 messages in 8 rooms and 2 sessions from the Redis at .* into .*back\.db\.$/m);
    assert.match(imported.said, /SESSION_SECRET/);
    const back = await startEmbedded(t, other, { env: { SESSION_SECRET: secret } });
    assert.deepEqual(await seen(back.base, zoe, room.id), before);
    // Who comes next gets the next id.
    assert.equal((await Person.signIn(back.base, 'Nina')).id, 6);
    await back.stop();
  });

  test('a target that holds data is left as it is without --force', LIMITS, async (t) => {
    const { file, zoe, room } = await furnished(t, { SESSION_SECRET: 'shared' });
    const redis = await redisOf(t);
    await redis.client.set('username:Old', 'user:1');
    await redis.client.set('another:application', 'stays');
    await redis.client.sadd('online_users', '7');
    const before = await dump(redis.client);
    const refused = await transfer('export', file, redis);
    assert.equal(refused.code, 1);
    assert.match(refused.words, /holds data of the chat already.*--force/);
    assert.deepEqual(await dump(redis.client), before);

    const forced = await transfer('export', file, redis, { args: ['--force'], env: { SESSION_SECRET: 'shared' } });
    assert.equal(forced.code, 0, forced.words);
    assert.doesNotMatch(forced.said, /shared/);
    assert.equal(await redis.client.exists('username:Old'), 0);
    assert.equal(await redis.client.get('another:application'), 'stays');

    const third = await furnished(t);
    const kept = await transfer('import', third.file, redis);
    assert.equal(kept.code, 1);
    assert.match(kept.words, /holds data of the chat already.*--force/);
    const replaced = await transfer('import', third.file, redis, { args: ['--force'] });
    assert.equal(replaced.code, 0, replaced.words);
    assert.match(replaced.said, /^Passed over 1 key without data of the chat, such as 'another:application'\.$/m);
    const server = await startEmbedded(t, third.file, { env: { SESSION_SECRET: 'shared' } });
    assert.equal((await seen(server.base, zoe, room.id)).me.username, 'Zoë');
    const old = await request(server.base, { path: '/me', headers: { cookie: third.zoe.cookie } });
    assert.equal(old.text, 'null', 'the sessions of before are gone');
    await server.stop();
  });

  test('an import that fails changes nothing', LIMITS, async (t) => {
    const { file, zoe, room } = await furnished(t, { SESSION_SECRET: 'shared' });
    const redis = await redisOf(t);
    const big = 'x'.repeat(100_000);
    for (let i = 0; i < 3000; i += 1) redis.client.zadd('room:0', i, JSON.stringify({ from: '1', date: i, message: `${i}${big}`, roomId: '0' }));
    await redis.client.set('total_users', '4');
    const running = transfer('import', file, redis, { args: ['--force'] });
    await new Promise((resolve) => setTimeout(resolve, 300));
    await redis.stop('SIGKILL');
    const failed = await running;
    assert.notEqual(failed.code, 0, failed.said);
    assert.match(failed.words, /Nothing was changed|can't be reached/);
    const server = await startEmbedded(t, file, { env: { SESSION_SECRET: 'shared' } });
    const now = await seen(server.base, zoe, room.id);
    assert.deepEqual([now.me.username, now.own.length], ['Zoë', 1]);
    await server.stop();
  });

  test('a running server, a missing file and an absent Redis are named', LIMITS, async (t) => {
    const dir = await folder(t);
    const redis = await redisOf(t);
    const file = join(dir, 'chat.db');
    const missing = await transfer('export', file, redis);
    assert.equal(missing.code, 1);
    assert.match(missing.words, /chat\.db/);
    const server = await startEmbedded(t, file);
    for (const direction of ['export', 'import']) {
      await redis.client.set('total_users', '4');
      const busy = await transfer(direction, file, redis, { args: ['--force'] });
      assert.equal(busy.code, 1, busy.words);
      assert.match(busy.words, /in use/);
    }
    await server.stop();
    await redis.client.flushall();
    const empty = await transfer('import', file, redis, { args: ['--force'] });
    assert.equal(empty.code, 1);
    assert.match(empty.words, /no data/);
    const nowhere = await transfer('export', file, { url: '127.0.0.1:1' });
    assert.equal(nowhere.code, 3);
    assert.match(nowhere.words, /can't be reached/);
    const wrong = await transfer('export', file, redis, { args: ['--frce'] });
    assert.equal(wrong.code, 2);
  });
});
