// GET /users and /users/online: http-and-redis.md §2. Query strings are in query.test.mjs.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { expectComputed } from '../../lib/expect.mjs';
import { useTarget } from '../../lib/suite.mjs';

const t = useTarget();

const IDS = ['x', '10', '9', '01', '-1', '4294967294', '4294967295', '0', '2.5', 'y', '1'];
/** JavaScript's order of keys: array indices ascending, then the rest as they came. */
const ORDER = ['0', '1', '9', '10', '4294967294', 'x', '01', '-1', '4294967295', '2.5', 'y'];

async function addUsers() {
  for (const id of IDS) await t.redis.client.hset(`user:${id}`, 'username', `n${id}`, 'password', 'secret');
}
const ask = (...ids) => t.get(`/users?${ids.map((id) => `ids[]=${encodeURIComponent(id)}`).join('&')}`, { cookie: t.cookies.guest });
const entry = (id, username, online) => `${JSON.stringify(id)}:${JSON.stringify({ id, username, online })}`;

describe('/users', () => {
  test('the order of keys is that of a JavaScript object', async () => {
    await addUsers();
    expectComputed(await ask(...IDS), { body: `{${ORDER.map((id) => entry(id, `n${id}`, false)).join(',')}}` });
  });
  test('says who is online', async () => {
    await t.redis.client.sadd('online_users', '2', '4');
    const response = await ask('1', '2', '3', '4');
    expectComputed(response, { body: `{${entry('1', 'Pablo', false)},${entry('2', 'Joe', true)},${entry('3', 'Mary', false)},${entry('4', 'Alex', true)}}` });
  });
  test('shows nothing but id, name and online', async () => {
    await t.redis.client.hset('user:7', 'username', 'seven', 'email', 'a@b.example', 'id', '99');
    expectComputed(await ask('7'), { body: `{${entry('7', 'seven', false)}}` });
  });
  test('a hash without a name', async () => {
    await t.redis.client.hset('user:7', 'other', 'x');
    expectComputed(await ask('7'), { body: '{"7":{"id":"7","online":false}}' });
  });
  test('an empty name, and one that JSON must escape', async () => {
    await t.redis.client.hset('user:7', 'username', '');
    await t.redis.client.hset('user:8', 'username', '"<\n\u2028😀>');
    expectComputed(await ask('7', '8'), { body: `{${entry('7', '', false)},${entry('8', '"<\n\u2028😀>', false)}}` });
  });
  test('__proto__ is not a user of the answer', async () => {
    await t.redis.client.hset('user:__proto__', 'username', 'p');
    const response = await ask('1', '__proto__');
    assert.equal(response.status, 200);
    assert.deepEqual(response.json['1'], { id: '1', username: 'Pablo', online: false });
  });
  test('many, without a session, and nothing changes', async () => {
    const ids = Array.from({ length: 500 }, (_, n) => String(1000 + n));
    for (const id of ids) await t.redis.client.hset(`user:${id}`, 'username', `n${id}`);
    const response = await t.unchanged(() => t.get(`/users?${ids.map((id) => `ids[]=${id}`).join('&')}`));
    expectComputed(response, { body: `{${ids.map((id) => entry(id, `n${id}`, false)).join(',')}}`, newSession: true });
  });
});

describe('/users/online', () => {
  const online = () => t.get('/users/online', { cookie: t.cookies.pablo });
  test('nobody', async () => expectComputed(await online(), { body: {} }));
  test('the order of keys is that of a JavaScript object', async () => {
    await addUsers();
    await t.redis.client.sadd('online_users', ...IDS);
    // Those that are no array indices come as SMEMBERS gives them.
    const members = await t.redis.client.smembers('online_users');
    const indices = ORDER.slice(0, 5);
    const order = [...indices, ...members.filter((id) => !indices.includes(id))];
    expectComputed(await online(), { body: `{${order.map((id) => entry(id, `n${id}`, true)).join(',')}}` });
  });
  test('a hash without a name', async () => {
    await t.redis.client.hset('user:7', 'other', 'x');
    await t.redis.client.sadd('online_users', '7');
    expectComputed(await online(), { body: '{"7":{"id":"7","online":true}}' });
  });
  test('asking puts nobody online', async () => {
    await t.redis.client.sadd('online_users', '2');
    const response = await t.unchanged(online);
    expectComputed(response, { body: `{${entry('2', 'Joe', true)}}` });
  });
});
