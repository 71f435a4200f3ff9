// Registration and log in: http-and-redis.md §2 "/login". More of it is in
// fixtures/http/05- and 06-*.json, and what the original dies of in 21-faults.json.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PASSWORD, PASSWORD_HASH } from '../../lib/dataset.mjs';
import { expectComputed } from '../../lib/expect.mjs';
import { cookieOf, sidSetBy } from '../../lib/session.mjs';
import { has } from '../../lib/capabilities.mjs';
import { deviation, isUpstream } from '../../lib/target.mjs';
import { useTarget } from '../../lib/suite.mjs';

const t = useTarget();

const login = (username, password = PASSWORD, request = {}) => t.postJson('/login', { username, password }, request);
const expectIn = (response, user, status = 200) => expectComputed(response, { status, body: user, newSession: true });
const expectOut = (response) =>
  expectComputed(response, { status: 404, body: { message: 'Invalid username or password' }, newSession: true });

// The original's package manifest puts bcryptjs in the place of bcrypt, which the contract was
// measured with. It writes $2a$, and differs in the corners of hashing.
const native = has('native-bcrypt') ? test : () => {};

/** Ids of all users there are, by their hashes. */
const userIds = async () => (await t.redis.client.keys('user:*')).map((key) => /^user:(\d+)$/.exec(key)?.[1]).filter(Boolean).sort();

/** Every user is whole: name, hash, general room, and the name leads back to a user of that name. */
async function assertNoHalfUsers() {
  for (const key of await t.redis.client.keys('username:*')) {
    const name = key.slice('username:'.length);
    const user = await t.redis.client.hgetall(await t.redis.client.get(key));
    assert.equal(user.username, name, key);
  }
  for (const id of await userIds()) {
    const user = await t.redis.client.hgetall(`user:${id}`);
    assert.deepEqual(Object.keys(user).sort(), ['password', 'username'], `user:${id}`);
    assert.ok((await t.redis.client.smembers(`user:${id}:rooms`)).includes('0'), `user:${id}:rooms`);
  }
}

describe('registration', () => {
  test('writes the user whole, and nothing else', async () => {
    const before = await t.redis.dump();
    const sid = expectIn(await login('newbie', 'pw'), { id: 6, username: 'newbie' }, 201);
    const { 'user:6': user, ...after } = await t.redis.dump();
    assert.deepEqual(after, { ...before, total_users: '6', 'username:newbie': 'user:6', 'user:6:rooms': ['0'] });
    assert.deepEqual(Object.keys(user).sort(), ['password', 'username']);
    assert.equal(user.username, 'newbie');
    // $2a$: see native.
    assert.match(user.password, isUpstream ? /^\$2[ab]\$10\$[./A-Za-z0-9]{53}$/ : /^\$2b\$10\$[./A-Za-z0-9]{53}$/);
    assert.deepEqual(JSON.parse(await t.redis.client.get(`sess:${sid}`)).user, { id: 6, username: 'newbie' });
  });

  test('the id is a number in that session, and text in later ones', async () => {
    const first = expectIn(await login('newbie', 'pw'), { id: 6, username: 'newbie' }, 201);
    const second = expectIn(await login('newbie', 'pw'), { id: '6', username: 'newbie' });
    expectComputed(await t.get('/me', { cookie: cookieOf(first) }), { body: { id: 6, username: 'newbie' } });
    expectComputed(await t.get('/me', { cookie: cookieOf(second) }), { body: { id: '6', username: 'newbie' } });
  });

  test('ids go on from the counter', async () => {
    await t.redis.client.set('total_users', '1234567890');
    expectIn(await login('newbie'), { id: 1234567891, username: 'newbie' }, 201);
    expectIn(await login('next'), { id: 1234567892, username: 'next' }, 201);
    expectIn(await login('newbie'), { id: '1234567891', username: 'newbie' });
  });

  test('two users with one password have different hashes', async () => {
    await login('one', 'pw');
    await login('two', 'pw');
    assert.notEqual(await t.redis.client.hget('user:6', 'password'), await t.redis.client.hget('user:7', 'password'));
  });

  test('other fields are ignored', async () => {
    const response = await t.postJson('/login', { id: 1, username: 'newbie', password: 'pw', user: { id: 1 }, role: 'admin' });
    expectIn(response, { id: 6, username: 'newbie' }, 201);
  });
});

describe('names are compared byte for byte', () => {
  for (const name of [
    'pablo', ' Pablo', 'Pablo ', 'PABLO', 'Pablo\u0000', 'caf\u00e9', 'cafe\u0301', '😀', '<b>"\'&', 'a:b', '../x', '__proto__', 'constructor',
    'undefined', 'null', '0', 'x'.repeat(200), 'line\nbreak', '%41', '\u2028', 'ﬁ', 'İ',
  ]) {
    test(JSON.stringify(name.length > 40 ? `${name.length} characters` : name), async () => {
      expectIn(await login(name), { id: 6, username: name }, 201);
      expectIn(await login(name), { id: '6', username: name });
      expectOut(await login(name, 'wrong'));
      expectIn(await login('Pablo'), { id: '1', username: 'Pablo' });
    });
  }
  test('composed and decomposed are two users', async () => {
    expectIn(await login('caf\u00e9'), { id: 6, username: 'caf\u00e9' }, 201);
    expectIn(await login('cafe\u0301'), { id: 7, username: 'cafe\u0301' }, 201);
  });
});

describe('forms of the body that a drop-in may refuse with 400', () => {
  for (const [what, body, expected] of [
    ['an empty name', { username: '', password: 'x' }, { id: 6, username: '' }],
    ['an empty password', { username: 'n', password: '' }, { id: 6, username: 'n' }],
    ['a number as name', { username: 12, password: 'x' }, { id: 6, username: 12 }],
    ['true as name', { username: true, password: 'x' }, { id: 6, username: true }],
  ]) {
    test(what, async () => {
      const before = await t.redis.dump();
      const response = await t.postJson('/login', body);
      if (response.status === 201) return assert.deepEqual(response.json, expected);
      assert.equal(response.status, 400);
      assert.equal(typeof response.json.message, 'string');
      assert.deepEqual(await t.redis.dump(), before);
    });
  }
});

describe('log in', () => {
  test('writes nothing but the session', async () => {
    await t.unchanged(() => login('Pablo'));
    await t.unchanged(() => login('Pablo', 'wrong'));
  });
  for (const [what, [name, value, hashKey, id]] of Object.entries({
    'the id is what stands after the last colon': ['odd', 'x:y:77', 'x:y:77', '77'],
    'the id is the whole value when it has no colon': ['odd', 'plain', 'plain', 'plain'],
    'the id is kept as text': ['odd', 'user:007', 'user:007', '007'],
    'another name may lead to a user': ['alias', 'user:1', null, '1'],
  })) {
    test(what, async () => {
      await t.redis.client.set(`username:${name}`, value);
      if (hashKey) await t.redis.client.hset(hashKey, 'username', 'someone', 'password', PASSWORD_HASH);
      // The name is the one typed, whatever the hash says.
      expectIn(await login(name), { id, username: name });
    });
  }
  test('wrong passwords', async () => {
    for (const password of ['', 'Password123', 'password12', 'password1234', ' password123', 'password123\u0000', PASSWORD_HASH]) {
      if (password === '') continue; // May be refused otherwise: above.
      expectOut(await login('Pablo', password));
    }
  });
  test('many at once', async () => {
    const names = ['Pablo', 'Joe', 'Mary', 'Alex', 'zoe'];
    const answers = await Promise.all([...names, ...names].map((name, n) => login(name, n < 5 ? PASSWORD : 'wrong', { timeout: 20_000 })));
    for (const [n, response] of answers.entries()) {
      if (n < 5) expectIn(response, { id: String(n + 1), username: names[n] });
      else expectOut(response);
    }
  });
});

describe('hashes', () => {
  const withHash = (hash) => t.redis.client.hset('user:1', 'password', hash);

  test('$2a$ counts as $2b$', async () => {
    await withHash(PASSWORD_HASH.replace('$2b$', '$2a$'));
    expectIn(await login('Pablo'), { id: '1', username: 'Pablo' });
    expectOut(await login('Pablo', 'wrong'));
  });
  for (const [cost, hash] of [
    [4, '$2b$04$6KXeEvoAqHoSBPBOxaxj1O57ClgqiTr83VklSNVK5cd.VTgnQ28z2'],
    [13, '$2b$13$qDHeDLwtuAqzPTDK3VtKmugXK0MKMPBS4/cYqp8YXzvxCZ7nhbCxS'],
  ]) {
    test(`cost ${cost} is honoured`, async () => {
      await withHash(hash);
      expectIn(await login('Pablo', PASSWORD, { timeout: 20_000 }), { id: '1', username: 'Pablo' });
    });
  }
  for (const [what, hash] of Object.entries({
    '$2y$': PASSWORD_HASH.replace('$2b$', '$2y$'),
    '$2x$': PASSWORD_HASH.replace('$2b$', '$2x$'),
    'the password itself': PASSWORD,
    'a short hash': PASSWORD_HASH.slice(0, 40),
    'a hash and more': `${PASSWORD_HASH}x`,
    'another algorithm': '$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b5dWRWJTmaaJObG',
  })) {
    native(`${what} never fits`, async () => {
      await withHash(hash);
      expectOut(await login('Pablo'));
    });
  }
});

describe('what counts of a password', () => {
  const tries = async (password, same, different) => {
    assert.equal((await login('newbie', password)).status, 201);
    for (const other of same) assert.equal((await login('newbie', other)).status, 200, JSON.stringify(other));
    for (const other of different) assert.equal((await login('newbie', other)).status, 404, JSON.stringify(other));
  };
  const a = (length) => 'a'.repeat(length);

  test('72 bytes', () => tries(a(72), [a(72), a(73), `${a(72)}bcd`], [a(71), `${a(71)}b`]));
  test('the cut may fall into a character', () => tries(`${a(71)}é`, [`${a(71)}é`, `${a(71)}èx`], [a(71), `${a(70)}éa`, `${a(71)}😀`]));
  test('bytes of UTF-8', () => tries('ü😀', ['ü😀'], ['u😀', 'ü', 'u\u0308😀']));
  test('NUL is data', async () => {
    assert.equal((await login('newbie', 'a\u0000b')).status, 201);
    assert.equal((await login('newbie', 'a\u0000b')).status, 200);
    assert.equal((await login('newbie', 'a\u0000c')).status, 404);
    assert.equal((await login('newbie', 'a')).status, 404);
  });
  native('lone surrogates count as U+FFFD', async () => {
    assert.equal((await t.postJson('/login', '{"username":"newbie","password":"a\\ud800"}')).status, 201);
    assert.equal((await login('newbie', 'a\ufffd')).status, 200);
  });
});

describe('two registrations of one new name at the same time', () => {
  for (let round = 1; round <= 3; round += 1) {
    deviation(`with one password: one registers, one logs in (${round})`, async () => {
      const answers = await Promise.all([login('twin', 'pw'), login('twin', 'pw')]);
      assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 201]);
      const [first, second] = answers.sort((a, b) => b.status - a.status).map(({ json }) => json);
      assert.equal(first.username, 'twin');
      assert.deepEqual(second, { id: String(first.id), username: 'twin' });
      assert.equal(await t.redis.client.get('username:twin'), `user:${first.id}`);
      await assertNoHalfUsers();
      for (const response of answers) {
        expectComputed(await t.get('/me', { cookie: cookieOf(sidSetBy(response)) }), { body: response.json });
      }
    });
  }
  deviation('with two passwords: one registers, the other is wrong', async () => {
    const answers = await Promise.all([login('twin', 'one'), login('twin', 'two')]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 404]);
    await assertNoHalfUsers();
    const winner = answers[0].status === 201 ? 'one' : 'two';
    assert.equal((await login('twin', winner)).status, 200);
  });
  deviation('eight at once: one user', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => login('twin', 'pw', { timeout: 20_000 })));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 200, 200, 200, 200, 200, 200, 201]);
    await assertNoHalfUsers();
    assert.equal((await userIds()).length, 6);
  });
});

test('different names at the same time each get an id of their own', async () => {
  const names = Array.from({ length: 6 }, (_, n) => `name ${n}`);
  const answers = await Promise.all(names.map((name) => login(name, 'pw', { timeout: 20_000 })));
  for (const { status } of answers) assert.equal(status, 201);
  assert.deepEqual(answers.map(({ json }) => json.id).sort((a, b) => a - b), [6, 7, 8, 9, 10, 11]);
  await assertNoHalfUsers();
});
