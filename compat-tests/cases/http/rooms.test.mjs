// POST /room and GET /rooms/:userId: http-and-redis.md §2. More of it is in
// fixtures/http/11- and 12-*.json.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { expectComputed, expectRefusal, TEXT_TYPE } from '../../lib/expect.mjs';
import { useTarget } from '../../lib/suite.mjs';

const t = useTarget();

const create = (body) => t.postJson('/room', body, { cookie: t.cookies.pablo });
const rooms = (userId) => t.get(`/rooms/${userId}`, { cookie: t.cookies.pablo });
const names = { 1: 'Pablo', 2: 'Joe', 3: 'Mary', 4: 'Alex', 5: 'zoe' };
const nameOf = (id) => [names[id] ?? null];

describe('POST /room reads ids as parseInt does', () => {
  // The text of user1 in JSON, and what parseInt makes of it; user2 is 1.
  const readAs = {
    '2': 2, '"2"': 2, '" 2"': 2, '"\\t\\n2"': 2, '"\\u00a02"': 2, '"\\ufeff2"': 2, '"\\u20282"': 2, '"+2"': 2, '"2 "': 2, '"2abc"': 2, '"2.9"': 2,
    '2.9': 2, '2e0': 2, '"2e5"': 2, '20e-1': 2, '"02"': 2, '"0x10"': 16, '"0X1f"': 31, '"0x2g"': 2, '"0b11"': 0, '"0o17"': 0, '[2]': 2, '["2","3"]': 2,
    '[[2]]': 2, '"2:3"': 2, '"2,000"': 2, '12': 12, '"007"': 7, '99': 99, '3000000000': 3000000000, '9007199254740993': 9007199254740992,
    '"9007199254740993"': 9007199254740992, '2e-0': 2, '5e-7': 5, '"5e-7"': 5, '2e21': 2, '1e15': 1e15, '0': 0, '-0': 0, '"-0"': 0, '-3': -3, '"-3"': -3,
    '"- 3"': NaN, '"--3"': NaN, '"٣"': NaN, '"x"': NaN, '""': NaN, '" "': NaN, '"0x"': NaN, '"NaN"': NaN, '"Infinity"': NaN, 'null': NaN, 'true': NaN,
    'false': NaN, '{}': NaN, '[]': NaN, '[null]': NaN, '{"a":2}': NaN, '"\\u180e2"': NaN, '".5"': NaN, '"$2"': NaN, '"e5"': NaN,
  };
  for (const [text, id] of Object.entries(readAs)) {
    test(`${text} is ${id}`, async () => {
      const before = await t.redis.dump();
      const response = await create(`{"user1":${text},"user2":1}`);
      if (Number.isNaN(id)) {
        expectComputed(response, { status: 400, type: TEXT_TYPE, body: 'Bad Request' });
        return assert.deepEqual(await t.redis.dump(), before);
      }
      // Ids that no user can have may be refused.
      if (id <= 0 && response.status === 400) return assert.deepEqual(await t.redis.dump(), before);
      const room = `${Math.min(id, 1)}:${Math.max(id, 1)}`;
      expectComputed(response, { status: 201, body: { id: room, names: [nameOf(id), ['Pablo']] } });
      assert.equal(await t.redis.client.sismember(`user:${id}:rooms`, room), 1);
      assert.equal(await t.redis.client.sismember('user:1:rooms', room), 1);
    });
  }

  for (const body of ['{"user1":1,"user2":1}', '{"user1":1,"user2":"1x"}', '{"user1":1.1,"user2":1.9}', '{"user1":0,"user2":"-0"}', '{"user1":1}', '{"user2":1}', '{}', '[]']) {
    test(`${body}: 400`, async () => {
      expectComputed(await t.unchanged(() => create(body)), { status: 400, type: TEXT_TYPE, body: 'Bad Request' });
    });
  }
});

describe('POST /room', () => {
  test('the id is in numerical order, the names in that of the request', async () => {
    await t.redis.client.hset('user:10', 'username', 'ten');
    await t.redis.client.hset('user:9', 'username', 'nine');
    expectComputed(await create({ user1: 10, user2: 9 }), { status: 201, body: { id: '9:10', names: [['ten'], ['nine']] } });
    expectComputed(await create({ user1: 9, user2: 10 }), { status: 201, body: { id: '9:10', names: [['nine'], ['ten']] } });
  });
  test('repeating it changes nothing', async () => {
    await create({ user1: 1, user2: 5 });
    const response = await t.unchanged(() => create({ user1: 1, user2: 5 }));
    expectComputed(response, { status: 201, body: { id: '1:5', names: [['Pablo'], ['zoe']] } });
  });
  test('writes two set members, and no room', async () => {
    const before = await t.redis.dump();
    await create({ user1: 5, user2: 3 });
    const expected = { ...before, 'user:3:rooms': ['0', '3:5'], 'user:5:rooms': ['0', '3:5'] };
    assert.deepEqual(await t.redis.dump(), expected);
  });
  test('of two others', async () => {
    expectComputed(await create({ user1: 3, user2: 4 }), { status: 201, body: { id: '3:4', names: [['Mary'], ['Alex']] } });
  });
  test('names come out as JSON', async () => {
    await t.redis.client.hset('user:7', 'username', '"<ü>\n\u2028😀');
    expectComputed(await create({ user1: 7, user2: 1 }), { status: 201, body: { id: '1:7', names: [['"<ü>\n\u2028😀'], ['Pablo']] } });
  });
  test('a user without a name', async () => {
    await t.redis.client.hset('user:7', 'other', 'x');
    expectComputed(await create({ user1: 7, user2: 1 }), { status: 201, body: { id: '1:7', names: [[null], ['Pablo']] } });
  });
});

describe('GET /rooms/:userId', () => {
  const give = (userId, ...ids) => t.redis.client.sadd(`user:${userId}:rooms`, ...ids);
  const messageIn = (id) => t.redis.client.zadd(`room:${id}`, 1, '{}');
  const named = (id, name) => t.redis.client.set(`room:${id}:name`, name);

  test('the order is that of SMEMBERS', async () => {
    const ids = Array.from({ length: 20 }, (_, n) => `room ${n}`);
    for (const id of ids) await named(id, `Name of ${id}`);
    await give(60, ...ids);
    const order = await t.redis.client.smembers('user:60:rooms');
    expectComputed(await rooms(60), { body: order.map((id) => ({ id, names: [`Name of ${id}`] })) });
  });
  test('the order of a set of numbers', async () => {
    for (const id of [10, 9, 100, 1]) await named(id, `n${id}`);
    await give(60, 10, 9, 100, 1);
    const order = await t.redis.client.smembers('user:60:rooms');
    expectComputed(await rooms(60), { body: order.map((id) => ({ id, names: [`n${id}`] })) });
  });
  test('a named room needs no messages', async () => {
    await give(60, 'custom');
    await named('custom', 'Custom');
    expectComputed(await rooms(60), { body: [{ id: 'custom', names: ['Custom'] }] });
  });
  test('a name wins over the form of the id', async () => {
    await give(60, '1:2');
    await named('1:2', 'Pair');
    expectComputed(await rooms(60), { body: [{ id: '1:2', names: ['Pair'] }] });
  });
  test('an empty name counts as none', async () => {
    await give(60, '1:2', 'empty');
    await named('1:2', '');
    await named('empty', '');
    expectComputed(await rooms(60), { body: [{ id: '1:2', names: [['Pablo'], ['Joe']] }] });
  });
  test('a private room without messages is left out, whatever its id', async () => {
    await give(60, '1:5', 'a:b:c', 'lonely', '');
    expectComputed(await rooms(60), { body: [] });
  });
  for (const [id, expected] of Object.entries({
    '5:1': [['zoe'], ['Pablo']],
    '70:71': [[null], [null]],
    '1:': [['Pablo'], [null]],
    ':': [[null], [null]],
    'a:b': [[null], [null]],
  })) {
    test(`${id}: two parts, names in that order`, async () => {
      await give(60, id);
      await messageIn(id);
      expectComputed(await rooms(60), { body: [{ id, names: expected }] });
    });
  }
  for (const id of ['lonely', 'a:b:c', '1:2:', '']) {
    test(`${id || '(empty)'} with messages has no two parts: 400 for the whole`, async () => {
      await give(60, id, '0');
      await messageIn(id);
      expectComputed(await rooms(60), { status: 400, type: TEXT_TYPE, body: 'Bad Request' });
    });
  }
  test('names come out as JSON', async () => {
    await give(60, 'q"<ü>');
    await named('q"<ü>', '"\\\u2028😀');
    expectComputed(await rooms(60), { body: [{ id: 'q"<ü>', names: ['"\\\u2028😀'] }] });
  });
  test('of a user that does not exist', async () => {
    for (const id of ['77', 'nobody', '1:2', '-1']) expectComputed(await rooms(id), { body: [] });
  });
  test('for any signed-in caller, and changes nothing', async () => {
    const response = await t.unchanged(() => t.get('/rooms/4', { cookie: t.cookies.joe }));
    expectComputed(response, { body: [{ id: '0', names: ['General'] }] });
  });
  test('a room created a moment ago appears with its first message', async () => {
    await create({ user1: 3, user2: 4 });
    expectComputed(await rooms(3), { body: [{ id: '0', names: ['General'] }] });
    await messageIn('3:4');
    const ids = (await rooms(3)).json.map(({ id }) => id).sort();
    assert.deepEqual(ids, ['0', '3:4']);
  });
  test('an id that cannot be decoded: 400', async () => expectRefusal(await rooms('%FF'), 400));
});
