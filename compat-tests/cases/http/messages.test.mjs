// GET /room/:id/messages and /room/0/preload: http-and-redis.md §2 and §9. More of it is
// in fixtures/http/13- and 14-*.json.
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { expectComputed } from '../../lib/expect.mjs';
import { deviation } from '../../lib/target.mjs';
import { useTarget } from '../../lib/suite.mjs';

const t = useTarget();

const get = (id, query) => t.get(`/room/${id}/messages?${query}`, { cookie: t.cookies.pablo });
const message = (n, roomId) => JSON.stringify({ from: (n % 4) + 1, date: n, message: `number ${n}`, roomId });

describe('ranges', () => {
  const COUNT = 40;
  beforeEach(async () => {
    const members = Array.from({ length: COUNT }, (_, n) => [n, message(n, '1:3')]);
    await t.redis.client.zadd('room:1:3', ...members.flat());
  });

  // What Redis gives for ZREVRANGE offset offset+size.
  const ranges = {
    'offset=0&size=15': [0, 15], 'offset=16&size=15': [16, 31], 'offset=32&size=15': [32, 47], 'offset=0&size=0': [0, 0], 'offset=39&size=0': [39, 39],
    'offset=40&size=5': [40, 45], 'offset=0&size=1000': [0, 1000], 'offset=0&size=-1': [0, -1], 'offset=-1&size=0': [-1, -1], 'offset=-5&size=4': [-5, -1],
    'offset=-5&size=5': [-5, 0], 'offset=-100&size=3': [-100, -97], 'offset=5&size=-3': [5, 2], 'offset=5&size=-6': [5, -1], 'offset=0&size=-2': [0, -2],
    'offset=1e1&size=0x5': [10, 15], 'offset=0b11&size=0o7': [3, 10], 'offset=0XA&size=0B1': [10, 11], 'offset=&size=': [0, 0], 'offset=3&size=': [3, 3],
    'offset=%202%20&size=%09%0A1': [2, 3], 'offset=+2+&size=1': [2, 3], 'offset=%2B2&size=1': [2, 3], 'offset=%C2%A02&size=%EF%BB%BF1': [2, 3],
    'offset=1.0&size=2.': [1, 3], 'offset=.0&size=00': [0, 0], 'offset=0007&size=1': [7, 8], 'offset=10e-1&size=1': [1, 2], 'offset=-0&size=0': [0, 0],
    'offset[]=1&size[]=2': [1, 3], 'offset[0]=1&size=2': [1, 3], 'offset[]=&size=0': [0, 0], 'size=2&offset=1': [1, 3],
    'offset=5&size=1&other=9': [5, 6], 'offset=0&size=1e3': [0, 1000],
  };
  for (const [query, range] of Object.entries(ranges)) {
    test(query, async () => {
      const expected = await t.redis.client.zrevrange('room:1:3', ...range);
      expectComputed(await get('1:3', query), { body: `[${expected.join(',')}]` });
    });
  }

  test('size=15 gives 16, newest first', async () => {
    const dates = (await get('1:3', 'offset=0&size=15')).json.map(({ date }) => date);
    assert.deepEqual(dates, Array.from({ length: 16 }, (_, n) => COUNT - 1 - n));
  });
});

describe('a room that does not exist is empty, whatever is asked', () => {
  for (const query of ['offset=0&size=15', '', 'offset=x', 'size=', 'offset=0.5&size=1e99', 'offset[a]=1']) {
    test(query || '(no query)', async () => expectComputed(await get('nope', query), { body: [] }));
  }
});

test('equal scores come in the reverse order of their bytes', async () => {
  const members = ['"b"', '"a"', '"B"', '"ä"', '"aa"', '"😀"', '"～"'];
  await t.redis.client.zadd('room:even', ...members.flatMap((member) => [7, member]));
  const order = [...members].sort((a, b) => Buffer.compare(Buffer.from(b), Buffer.from(a)));
  expectComputed(await get('even', 'offset=0&size=20'), { body: `[${order.join(',')}]` });
});

test('anybody signed in reads any room', async () => {
  await t.redis.client.zadd('room:3:4', 1, '{"private":true}');
  expectComputed(await get('3:4', 'offset=0&size=0'), { body: [{ private: true }] });
});

test('reading changes nothing', async () => {
  await t.unchanged(() => get('0', 'offset=0&size=15'));
  await t.unchanged(() => t.get('/room/0/preload'));
});

describe('what is stored comes out as JSON.stringify(JSON.parse(text))', () => {
  const texts = [
    // Numbers.
    '1.0', '-0', '-0.0', '0e5', '1e21', '1e20', '1E2', '1e+2', '123456789012345678901', '12345678901234567890', '999999999999999999999', '1e-7', '1e-6', '0.000001',
    '0.0000001', '0.00000123', '1E400', '-1E400', '1e-400', '5e-324', '2.5e-324', '1.7976931348623157e308', '1.7976931348623159e308', '2.2250738585072014e-308',
    '9007199254740991', '9007199254740993', '9007199254740995', '-9007199254740993', '0.1', '0.30000000000000004', '0.1000000000000000055', '4.35', '1.005',
    '1600001000.601936', '1600000020.3179839', '100', '1e300', '123e-20', '1.5e-10', '123456.789e3', '4.9406564584124654e-324', '1e23', '8.41e21', '5.0e-324', '18446744073709551616',
    '0.1e1', '100e-2', '3.0000000000000001',
    // Text.
    '"a\\/b"', '"\\u0041"', '"\\u00e9\\u00E9é"', '"\\b\\f\\n\\r\\t\\"\\\\"', '"\\u0000\\u001f\\u007f\\u0080"', '"\u2028\u2029\u007f"', '"\\u2028\\u2029"',
    '"\\ud83d\\ude00 😀"', '"\\ud800"', '"\\udc00"', '"\\udc00\\ud800"', '"a\\ud800b"', '"\\ud800\\ud800\\udc00"', '"\\ud83d\\ude00\\ude00"', '"\\uD83D x"', '"\\udbff\\udfff"',
    '"\\ufeff\\ufffe\\uffff"', '"&lt <b>\'"', '""',
    // Keys.
    '{"b":1,"a":2}', '{"10":1,"9":2,"a":3,"1":4}', '{"b":1,"01":2,"1":3,"-1":4,"1.0":5,"1e3":6," 2":7,"0":8}', '{"4294967295":1,"4294967294":2,"a":0,"4294967296":3}',
    '{"a":1,"b":2,"a":3}', '{"2":"x","1":"y","2":"z"}', '{"x":{"2":1,"1":{"b":1,"0":2}},"y":[{"5":1,"4":2}]}', '{"__proto__":{"x":1},"a":1}', '{"__proto__":1,"__proto__":2}',
    '{"constructor":1,"toString":2,"length":3}', '{"":1,"\\u0061":2,"a":3}', '{"\\ud800":1}', '{"9007199254740993":1,"a":2}',
    // Values of every kind, at the top as well.
    'null', 'true', 'false', '[]', '{}', '[[],{},"",null,[[1]]]', ' { "a" : [ 1 , 2 ] , "b" : null } ', '\t[\n]\r', '"text"', '5',
    `${'['.repeat(100)}1${']'.repeat(100)}`,
    // Messages as they are sent.
    '{"roomId":"0","message":"hi &ltb&gt&amp;\\"","from":1,"date":1600001000}', '{"from":"1","date":"1e3","message":"x","roomId":"0","extra":{"a":[1.50]}}',
  ];
  for (const text of texts) {
    test(text.length > 90 ? `${text.slice(0, 90)}…` : text, async () => {
      await t.redis.client.zadd('room:raw', 1, text);
      expectComputed(await get('raw', 'offset=0&size=0'), { body: `[${JSON.stringify(JSON.parse(text))}]` });
    });
  }

  test('nested very deeply', async () => {
    const deep = `${'{"a":['.repeat(240)}1.0${']}'.repeat(240)}`;
    await t.redis.client.zadd('room:raw', 1, deep);
    expectComputed(await get('raw', 'offset=0&size=0'), { body: `[${deep.replace('1.0', '1')}]` });
  });

  test('bytes that are no UTF-8 become U+FFFD', async () => {
    await t.redis.client.zadd('room:raw', 1, Buffer.from([0x22, 0x61, 0xff, 0xe2, 0x82, 0x62, 0x22]));
    expectComputed(await get('raw', 'offset=0&size=0'), { body: '["a\ufffd\ufffdb"]' });
  });

  test('a thousand numbers and texts made up', async () => {
    const random = seeded(20_240_229);
    const made = new Map();
    while (made.size < 1000) {
      const text = anyText(random, 0);
      if (!made.has(text)) made.set(text, made.size);
    }
    await t.redis.client.zadd('room:raw', ...[...made].flatMap(([text, score]) => [score, text]));
    const response = await get('raw', 'offset=0&size=-1');
    const expected = [...made.keys()].reverse().map((text) => JSON.stringify(JSON.parse(text)));
    // One by one first: a difference in a list of a thousand can't be read.
    for (const [n, item] of response.json.entries()) assert.equal(JSON.stringify(item), expected[n], `of ${[...made.keys()].at(-1 - n)}`);
    assert.equal(response.text, `[${expected.join(',')}]`);
  });
});

describe('preload', () => {
  test('the 21 newest, for anybody', async () => {
    await t.redis.client.del('room:0');
    const members = Array.from({ length: 30 }, (_, n) => message(n, '0'));
    await t.redis.client.zadd('room:0', ...members.flatMap((member, n) => [n, member]));
    const newest = [...members].reverse().slice(0, 21);
    expectComputed(await t.get('/room/0/preload', { cookie: t.cookies.guest }), { body: `{"id":"0","name":"General","messages":[${newest.join(',')}]}` });
  });
  test('with another name, even an empty one', async () => {
    for (const name of ['"Ü"', '']) {
      await t.redis.client.set('room:0:name', name);
      assert.equal((await t.get('/room/0/preload', { cookie: t.cookies.guest })).json.name, name);
    }
  });
  test('normalises as well', async () => {
    await t.redis.client.del('room:0');
    await t.redis.client.zadd('room:0', 1, '{"b":1.0,"1":-0}');
    expectComputed(await t.get('/room/0/preload', { cookie: t.cookies.guest }), { body: '{"id":"0","name":"General","messages":[{"1":0,"b":1}]}' });
  });
  test('neither name nor room', async () => {
    await t.redis.client.del('room:0', 'room:0:name');
    expectComputed(await t.get('/room/0/preload', { cookie: t.cookies.guest }), { body: { id: '0', name: null, messages: [] } });
  });
  deviation('without the members that are no JSON', async () => {
    await t.redis.client.zadd('room:0', 1, '{bad', 2, 'undefined', 3, '', 4, "{'a':1}", 5, '{"a":1}x');
    const response = await t.unchanged(() => t.get('/room/0/preload', { cookie: t.cookies.guest }));
    assert.equal(response.status, 200);
    assert.deepEqual(response.json.messages.map(({ date }) => date), [1600000400, 1600000200, 1600000000]);
  });
});

/** Numbers in [0, 1), the same in every run (mulberry32). */
function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

function anyText(random, depth) {
  const pick = (list) => list[Math.floor(random() * list.length)];
  const digits = (max) => Array.from({ length: 1 + Math.floor(random() * max) }, () => Math.floor(random() * 10)).join('');
  const number = () => {
    const whole = pick(['0', `${1 + Math.floor(random() * 9)}${digits(20)}`, `${1 + Math.floor(random() * 9)}`]);
    const fraction = random() < 0.5 ? `.${digits(20)}` : '';
    const exponent = random() < 0.4 ? `${pick(['e', 'E'])}${pick(['', '+', '-'])}${Math.floor(random() * 330)}` : '';
    return `${pick(['', '-'])}${whole}${fraction}${exponent}`;
  };
  const text = () => `"${Array.from({ length: Math.floor(random() * 8) }, () => pick(['a', 'é', '\u2028', '😀', '\\n', '\\u0001', '\\ud800', '\\udc00', '\\/', '<', ' ', '\\"'])).join('')}"`;
  const key = () => pick([text(), `"${Math.floor(random() * 50)}"`, `"${digits(11)}"`]);
  const items = (make) => Array.from({ length: Math.floor(random() * 5) }, make).join(pick([',', ' , ']));
  const deeper = () => anyText(random, depth + 1);
  const kind = random();
  if (depth > 3 || kind < 0.35) return number();
  if (kind < 0.55) return text();
  if (kind < 0.6) return pick(['null', 'true', 'false']);
  return kind < 0.75 ? `[${items(deeper)}]` : `{${items(() => `${key()}:${deeper()}`)}}`;
}
