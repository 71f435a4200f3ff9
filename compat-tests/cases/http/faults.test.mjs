// What ends the original, or leaves it with half a write: http-and-redis.md §14. A
// drop-in answers in time, lives on, and leaves Redis as it was. The recorded ones are in
// fixtures/http/21-faults.json.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { expectComputed, expectRefusal } from '../../lib/expect.mjs';
import { deviation } from '../../lib/target.mjs';
import { useTarget } from '../../lib/suite.mjs';

const t = useTarget();

const asPablo = (path) => t.unchanged(() => t.get(path, { cookie: t.cookies.pablo, timeout: 2_000 }));
const asGuest = (path) => t.unchanged(() => t.get(path, { cookie: t.cookies.guest, timeout: 2_000 }));
const login = (body) => t.unchanged(() => t.postJson('/login', body, { timeout: 2_000 }));
const messages = (query, id = '0') => asPablo(`/room/${id}/messages?${query}`);

const REQUIRED = { message: 'Username and password are required' };
const INTERNAL = { message: 'Internal server error' };

describe('/login without both as text', () => {
  for (const body of [
    '{"username":["a"],"password":"x"}', '{"username":{},"password":"x"}', '{"username":{"a":1},"password":"x"}', '{"username":null,"password":null}',
    '{"username":"Pablo","password":true}', '{"username":"Pablo","password":["password123"]}', '{"username":"Pablo","password":{}}',
    '{"username":"new","password":123}', '{"__proto__":{"username":"Pablo","password":"password123"}}', '{"Username":"Pablo","Password":"password123"}',
    '[{"username":"Pablo","password":"password123"}]',
  ]) {
    deviation(body, async () => expectComputed(await login(body), { status: 400, body: REQUIRED, newSession: true }));
  }
});

describe('/login against a damaged user', () => {
  deviation('the name leads to a key of another type', async () => {
    await t.redis.client.set('username:odd', 'online_list');
    await t.redis.client.sadd('online_list', 'x');
    const response = await login({ username: 'odd', password: 'x' });
    assert.ok([404, 500].includes(response.status), String(response.status));
    assert.equal(typeof response.json.message, 'string');
  });
  deviation('the name is a key of another type', async () => {
    await t.redis.client.sadd('username:odd', 'x');
    expectComputed(await login({ username: 'odd', password: 'x' }), { status: 500, body: INTERNAL, newSession: true });
  });
  deviation('the counter is no number: nothing is left behind', async () => {
    await t.redis.client.set('total_users', 'abc');
    expectComputed(await login({ username: 'new', password: 'x' }), { status: 500, body: INTERNAL, newSession: true });
    await t.redis.client.set('total_users', '5');
    expectComputed(await t.postJson('/login', { username: 'new', password: 'x' }), { status: 201, body: { id: 6, username: 'new' }, newSession: true });
  });
});

describe('/users', () => {
  const pablo = { 1: { id: '1', username: 'Pablo', online: false } };
  for (const [query, known] of [
    ['ids[]=99', {}], ['ids[]', {}], ['ids[]=01', {}], ['ids[]=1:rooms', {}], ['ids[]=99&ids[]=1', pablo], ['ids[]=1:rooms&ids[]=1&ids[]=', pablo],
    ['ids[]=1&ids[]=99&ids[]=98&ids[]=97', pablo], ['ids=99&ids=1', pablo],
  ]) {
    deviation(`${query}: the known ones only`, async () => expectComputed(await asGuest(`/users?${query}`), { body: known }));
  }
  deviation('online_users of another type', async () => {
    await t.redis.client.set('online_users', 'x');
    expectComputed(await asGuest('/users?ids[]=1'), { status: 500, body: INTERNAL });
    expectComputed(await asPablo('/users/online'), { status: 500, body: INTERNAL });
  });
  deviation('somebody online who does not exist', async () => {
    await t.redis.client.sadd('online_users', '1', '99', 'x', '');
    expectComputed(await asPablo('/users/online'), { body: { 1: { id: '1', username: 'Pablo', online: true } } });
  });
});

describe('messages', () => {
  for (const query of [
    '', 'offset=0', 'size=1', 'offset=abc&size=1', 'offset=0&size=1x', 'offset=0.5&size=1', 'offset=0&size=1.5', 'offset=0.5&size=0.5',
    'offset=Infinity&size=1', 'offset=-Infinity&size=1', 'offset=0&size=1e999', 'offset=1&offset=2&size=1', 'offset[]=1&offset[]=2&size=1',
    'offset[a]=1&size=1', 'offset=0&size=1e23', 'offset=9223372036854775808&size=0', 'offset=0&size=9223372036854775807', 'offset=-1e19&size=0', 'offset=1_0&size=1',
    'offset=1,0&size=1', 'offset=-0x1&size=1', 'offset=0x&size=1', 'offset=NaN&size=1', 'offset=null&size=1', 'offset=1n&size=1', 'offset=--1&size=1',
  ]) {
    deviation(query || '(no query)', async () => {
      expectComputed(await messages(query), { status: 400, body: { message: 'offset and size must be integers' } });
    });
  }
  deviation('of a key that is no sorted set', async () => {
    await t.redis.client.sadd('room:set', 'x');
    for (const id of ['0:name', 'set']) expectComputed(await messages('offset=0&size=1', id), { status: 500, body: INTERNAL });
  });
  deviation('members that are no JSON are left out', async () => {
    await t.redis.client.zadd('room:bad', 1, '{"n":1}', 2, '{bad', 3, '', 4, 'undefined', 5, '{"n":5}', 6, '01', 7, '"\u0001"', 8, "'x'", 9, '{"n":9}');
    expectComputed(await messages('offset=0&size=20', 'bad'), { body: [{ n: 9 }, { n: 5 }, { n: 1 }] });
  });
});

describe('keys of another type', () => {
  deviation('preload', async () => {
    await t.redis.client.del('room:0');
    await t.redis.client.set('room:0', 'x');
    expectComputed(await asGuest('/room/0/preload'), { status: 500, body: INTERNAL });
  });
  deviation('rooms', async () => {
    await t.redis.client.set('user:60:rooms', 'x');
    expectComputed(await asPablo('/rooms/60'), { status: 500, body: INTERNAL });
    await t.redis.client.sadd('room:custom:name', 'x');
    await t.redis.client.sadd('user:61:rooms', 'custom');
    expectComputed(await asPablo('/rooms/61'), { status: 500, body: INTERNAL });
  });
  deviation('creating a room', async () => {
    await t.redis.client.set('user:7:rooms', 'x');
    await t.redis.client.hset('user:7', 'username', 'seven');
    const response = await t.postJson('/room', { user1: 7, user2: 1 }, { cookie: t.cookies.pablo });
    expectComputed(response, { status: 500, body: INTERNAL });
  });
});

describe('error answers', () => {
  deviation('say nothing about the inside', async () => {
    for (const response of [
      await t.postJson('/login', '{bad'),
      await t.get('/rooms/%FF', { cookie: t.cookies.pablo }),
      await t.postJson('/login', '{}', { headers: { 'Content-Encoding': 'br' } }),
    ]) {
      expectRefusal(response, [400, 415]);
      assert.doesNotMatch(response.text, /\.rs\b|\/src\/|WRONGTYPE|panicked|node_modules/);
    }
  });
});
