// The query string rules, seen through /users: http-and-redis.md §4.
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { expectComputed, TEXT_TYPE } from '../../lib/expect.mjs';
import { deviation } from '../../lib/target.mjs';
import { useTarget } from '../../lib/suite.mjs';

const t = useTarget();

/** Users under every id that a case asks for: the original ends on an unknown one. */
const addUsers = async (ids) => {
  for (const id of ids) await t.redis.client.hset(`user:${id}`, 'username', `name of ${id}`);
};
const users = (query) => t.get(`/users${query}`, { cookie: t.cookies.guest });
const shown = (ids) => Object.fromEntries(ids.map((id) => [id, { id, username: `name of ${id}`, online: false }]));

beforeEach(() => addUsers(['1', '2', '3', 'x', 'y', 'z']));

describe('a list', () => {
  const lists = {
    '?ids[]=1&ids[]=2': ['1', '2'],
    '?ids%5B%5D=1&ids%5B%5D=2': ['1', '2'],
    '?ids%5b%5d=x': ['x'],
    '?ids[]=y&ids[]=x': ['y', 'x'],
    '?ids[]=x&ids[]=y&ids[]=x': ['x', 'y'],
    '?ids=x&ids=y': ['x', 'y'],
    '?ids=x&ids=y&ids=z': ['x', 'y', 'z'],
    '?ids[0]=x&ids[1]=y': ['x', 'y'],
    '?ids[1]=x&ids[0]=y': ['y', 'x'],
    '?ids[5]=x&ids[2]=y&ids[9]=z': ['y', 'x', 'z'],
    '?ids%5B1%5D=x&ids%5B0%5D=y': ['y', 'x'],
    '?ids[20]=x': ['x'],
    '?ids[]=x&ids=y': ['x', 'y'],
    '?ids=x&ids[]=y': ['x', 'y'],
    '?ids[3]=x&ids=y': ['x', 'y'],
    '?ids=x&ids[5]=y': ['x', 'y'],
    '?a=b&ids[]=x&c': ['x'],
    '?&&ids[]=x&&': ['x'],
    '?ids[]=x&a=%E0%A4%A': ['x'],
    '?ids[]=x#ids[]=y': ['x'],
  };
  for (const [query, ids] of Object.entries(lists)) {
    test(query, async () => expectComputed(await users(query), { body: shown(ids) }));
  }

  test('of more than 20', async () => {
    const ids = Array.from({ length: 60 }, (_, n) => `u${n}`);
    await addUsers(ids);
    const response = await users(`?${ids.map((id) => `ids[]=${id}`).join('&')}`);
    expectComputed(response, { body: shown(ids) });
    assert.equal((await users(`?${ids.map((id) => `ids=${id}`).join('&')}`)).text, response.text);
  });
});

describe('no list: 404', () => {
  for (const query of [
    '', '?', '?ids', '?ids=', '?ids=1', '?ids=1,2', '?ids[a]=1', '?ids[-1]=1', '?ids[01]=1', '?ids[1.0]=1', '?ids[%201]=1',
    '?ids[]=1&ids[a]=2', '?ids[a]=2&ids[]=1', '?ids.0=1', '?IDS[]=1', '?id[]=1', '?ids[21]=1', '?ids[0]=1&ids[21]=2', '?ids[21]=2&ids[0]=1',
    '?ids[]=1&ids[100]=2', '?ids[toString]=1', '?ids[__proto__]=1', '?ids[length]=1', '?[]=1', '??ids[]=1', '?other[]=ids[]=1',
    '?ids=1;ids=2', '?ids=%00',
  ]) {
    test(query || '(none)', async () => expectComputed(await users(query), { status: 404, type: TEXT_TYPE, body: 'Not Found' }));
  }
});

describe('how a part is read', () => {
  const read = {
    'ids[]=a=b': 'a=b',
    'ids[]==5': '=5',
    'ids[]=1;ids[]=2': '1;ids[]=2',
    'ids[]=1,2': '1,2',
    'ids[]=a+b': 'a b',
    'ids[]=a%20b': 'a b',
    'ids[]=a%2Bb': 'a+b',
    'ids[]=a%26b': 'a&b',
    'ids[]=caf%C3%A9': 'café',
    'ids[]=%F0%9F%98%80': '😀',
    'ids[]=%E0%A4%A': '%E0%A4%A',
    'ids[]=a+%FF': 'a %FF',
    'ids[]=%zz': '%zz',
    'ids[]=%': '%',
    'ids[]=a?b': 'a?b',
    'ids[]=a/b': 'a/b',
    'ids[]=a%00b': 'a\0b',
    'ids[]=[]': '[]',
    'ids[]=01': '01',
    'ids[]=%31': '1',
    'ids[]=': '',
    'ids[]': '',
  };
  for (const [part, id] of Object.entries(read)) {
    test(part, async () => {
      await addUsers([id]);
      expectComputed(await users(`?${part}`), { body: shown([id]) });
    });
  }
});

describe('no more than 1000 parts are read', () => {
  test('the thousandth counts', async () => {
    expectComputed(await users(`?${'a&'.repeat(999)}ids[]=x`), { body: shown(['x']) });
  });
  test('the one after does not', async () => {
    expectComputed(await users(`?${'a&'.repeat(1000)}ids[]=x`), { status: 404, type: TEXT_TYPE, body: 'Not Found' });
    expectComputed(await users(`?${'ids[]=x&'.repeat(1000)}ids[]=y`), { body: shown(['x']) });
  });
});

test('an element that is a list itself is echoed, or refused', async () => {
  const response = await users('?ids[0][]=1');
  if (response.status === 200) assert.deepEqual(response.json['1'].id, ['1']);
  else assert.ok(response.status >= 400 && response.status < 500);
});

deviation('two values for one index: an answer, whatever it is', async () => {
  const response = await t.unchanged(() => users('?ids[0]=1&ids[0]=2'));
  assert.ok(response.status === 200 || (response.status >= 400 && response.status < 500), String(response.status));
});
