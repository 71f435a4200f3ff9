// A Redis user who may do what docs/MIGRATION.md lists, and no more: nothing that the server asks for is denied.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Person } from '../../lib/embedded.mjs';
import { patiently } from '../../lib/presence.mjs';
import { startRedis } from '../../lib/redis.mjs';
import { connect, isMessage, message, random } from '../../lib/safe.mjs';
import { root, startServer } from '../../lib/target.mjs';

/** http-and-redis.md §6, §8 and §11, and what its Redis client asks by itself. */
const ORIGINAL = ['get', 'set', 'del', 'exists', 'expire', 'incr', 'hmset', 'hmget', 'hgetall', 'sadd', 'srem', 'smembers', 'sismember', 'zadd', 'zrevrange', 'publish', 'subscribe', 'info'];
const KEYS = ['total_users', 'online_users', 'user:*', 'username:*', 'room:*', 'sess:*', 'rs:*'];
/** Without it `/users/online` asks twice. */
const OPTIONAL = ['sort'];

const text = readFileSync(join(root, 'docs', 'MIGRATION.md'), 'utf8');
const [listed] = text.match(/^\* A Redis user with an ACL[^]*?channel `rs:control`/m);
const [always, safe] = listed.split('with `COMPAT=safe` also').map((part) => [...part.matchAll(/`([A-Z]+(?:\|[A-Z]+)?)`/g)].map((match) => match[1].toLowerCase()));

const own = {};
before(async () => {
  own.redis = await startRedis();
});
after(() => own.redis.stop('SIGKILL'));

for (const [degree, commands, channels] of [['exact', always, ['MESSAGES']], ['safe', [...always, ...safe], ['MESSAGES', 'rs:control']]]) {
  test(`with COMPAT=${degree}: from an empty Redis on, with a subscription that is lost`, async () => {
    const { client, port } = own.redis;
    await client.flushall();
    const may = [...ORIGINAL, ...commands].map((command) => `+${command}`);
    const rules = ['on', '>a-word', ...KEYS.map((key) => `~${key}`), ...channels.map((channel) => `&${channel}`), ...may];
    await client.call('ACL', 'SETUSER', degree, 'reset', ...rules);
    await client.call('ACL', 'LOG', 'RESET');
    const redis = { url: `redis://${degree}:a-word@127.0.0.1:${port}` };
    const servers = [];
    for (const name of ['one', 'two']) servers.push(await startServer({ redis, env: { COMPAT: degree, SERVER_ID: `${name}:1`, PRESENCE_LEASE: '1.5' } }));
    try {
      const [a, b] = [await Person.signIn(servers[0].base, random()), await Person.signIn(servers[1].base, random())];
      const { body: room } = await a.ask('POST', '/room', { user1: a.id, user2: b.id });
      for (const path of ['/me', '/users/online', `/users?ids[]=${a.id}`, `/rooms/${a.id}`, '/room/0/preload', `/room/${room.id}/messages?offset=0&size=5`]) await a.get(path);
      const [atA, atB] = [await connect(servers[0].base, { cookie: a.cookie }), await connect(servers[1].base, { cookie: b.cookie })];
      for (const [socket, of] of [[atA, a], [atB, b]]) {
        for (const to of ['0', room.id]) await socket.emit('room.join', to);
        for (const to of ['0', room.id]) await socket.emit('message', message(of, to, random()));
      }
      // Others' messages are found when nothing was heard.
      await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      const missed = random();
      await atA.emit('message', message(a, '0', missed, { date: Date.now() / 1000 }));
      await atB.next(isMessage(missed));
      await sleep(2000);
      for (const socket of [atA, atB]) await socket.close();
      await a.ask('POST', '/logout');
      await patiently(async () => assert.deepEqual(await client.smembers('online_users'), []));
      if (degree === 'safe') {
        await connect(servers[1].base, { cookie: b.cookie });
        await patiently(async () => assert.equal((await client.smembers('online_users')).length, 1));
        await servers.pop().kill();
        await patiently(async () => assert.deepEqual(await client.smembers('online_users'), []));
      }
    } finally {
      for (const server of servers) await server.stop();
    }
    const denied = (await client.call('ACL', 'LOG')).map((entry) => `${entry[entry.indexOf('reason') + 1]} ${entry[entry.indexOf('object') + 1]}`);
    assert.deepEqual(denied.filter((what) => !OPTIONAL.some((command) => what === `command ${command}`)), []);
  });
}
