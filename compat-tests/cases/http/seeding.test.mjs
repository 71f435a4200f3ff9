// The first start on an empty database: http-and-redis.md §11, fixtures/http/01- and
// 02-*.json.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { PASSWORD } from '../../lib/dataset.mjs';
import { send } from '../../lib/http.mjs';
import { startRedis } from '../../lib/redis.mjs';
import { deviation, isUpstream, startServer } from '../../lib/target.mjs';

const NAMES = ['Pablo', 'Joe', 'Mary', 'Alex'];
const PAIRS = ['1:2', '1:3', '1:4', '2:3', '2:4', '3:4'];
const GENERAL = [
  ['Hello!', 1000],
  ['Hi, How are you? What about our next meeting?', 800],
  ['Yeah everything is fine', 600],
  ['Next meeting tomorrow 10.00AM', 400],
  ["Wow that's great", 200],
];
const GREETINGS = ['Hello', 'Hi', 'Yo', 'Hola'];

let redis;
before(async () => {
  redis = await startRedis();
});
beforeEach(() => redis.client.flushall());
after(() => redis?.stop());

/** Starts servers at the same time, gives them to `use`, and stops them. */
async function withServers(count, use) {
  const servers = await Promise.all(Array.from({ length: count }, () => startServer({ redis })));
  try {
    return await use(...servers);
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

/** Checks the whole content, and returns it. */
async function assertSeeded(bootTime) {
  const content = await redis.dump();
  const expectedKeys = [
    'total_users', 'room:0', 'room:0:name',
    ...NAMES.map((name) => `username:${name}`),
    ...NAMES.flatMap((_, n) => [`user:${n + 1}`, `user:${n + 1}:rooms`]),
    ...PAIRS.map((pair) => `room:${pair}`),
  ];
  assert.deepEqual(Object.keys(content), expectedKeys.sort());
  assert.equal(content.total_users, '4');
  assert.equal(content['room:0:name'], 'General');

  for (const [n, name] of NAMES.entries()) {
    assert.equal(content[`username:${name}`], `user:${n + 1}`);
    assert.deepEqual(Object.keys(content[`user:${n + 1}`]).sort(), ['password', 'username']);
    assert.equal(content[`user:${n + 1}`].username, name);
    assert.match(content[`user:${n + 1}`].password, isUpstream ? /^\$2[ab]\$10\$/ : /^\$2b\$10\$/);
    const own = PAIRS.filter((pair) => pair.split(':').includes(String(n + 1)));
    assert.deepEqual(content[`user:${n + 1}:rooms`], ['0', ...own].sort());
  }
  assert.equal(new Set(NAMES.map((_, n) => content[`user:${n + 1}`].password)).size, 4, 'each has a hash of its own');

  for (const pair of PAIRS) {
    const messages = assertMessages(content[`room:${pair}`], pair);
    assert.equal(messages.length, 2, `room:${pair}`);
    assert.deepEqual(messages.map(({ from }) => String(from)).sort(), pair.split(':'));
    for (const { date, message } of messages) {
      assert.ok(GREETINGS.includes(message), message);
      assert.ok(!Number.isInteger(date), `${date} has no fraction`);
      assert.ok(date > bootTime - 222 - 10 && date < bootTime + 10, `${date} at ${bootTime}`);
    }
  }

  const general = assertMessages(content['room:0'], '0');
  assert.deepEqual(general.map(({ message }) => message), GENERAL.map(([message]) => message));
  for (const [n, { date, from }] of general.entries()) {
    assert.ok(Number.isInteger(date), `${date} is no whole second`);
    assert.ok(Math.abs(date - (bootTime - GENERAL[n][1])) < 10, `${date} at ${bootTime}`);
    assert.ok(NAMES[from - 1], `from ${from}`);
  }
  return content;
}

/** The messages of one room, oldest first; each must be written as the original writes it. */
function assertMessages(membersAndScores, roomId) {
  const messages = [];
  for (let n = 0; n < membersAndScores.length; n += 2) {
    const [member, score] = [membersAndScores[n], membersAndScores[n + 1]];
    const { from, date, message } = JSON.parse(member);
    assert.equal(typeof from, 'number');
    assert.equal(typeof date, 'number');
    assert.equal(member, JSON.stringify({ from, date, message, roomId }), 'order of keys, or form of numbers');
    assert.equal(Number(score), date, 'the score is the date');
    messages.push({ from, date, message });
  }
  return messages;
}

const now = () => Math.floor(Date.now() / 1000);

describe('seeding', () => {
  test('the first start fills an empty database, in silence', async () => {
    const published = [];
    const listening = await redis.subscribe('MESSAGES', (text) => published.push(text));
    await withServers(1, async (server) => {
      await assertSeeded(now());
      assert.equal(await redis.client.exists('online_users'), 0);
      for (const username of NAMES) {
        const response = await send(server, {
          method: 'POST', path: '/login', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ username, password: PASSWORD }),
        });
        assert.equal(response.text, JSON.stringify({ id: String(NAMES.indexOf(username) + 1), username }));
      }
      assert.equal((await send(server, { path: '/room/0/preload' })).json.messages.length, 5);
    });
    assert.deepEqual(published, []);
    listening.stop();
  });

  test('the second start changes nothing', async () => {
    await withServers(1, () => {});
    const first = await redis.dump();
    await withServers(1, () => {});
    assert.deepEqual(await redis.dump(), first);
  });

  test('total_users alone decides', async () => {
    await redis.client.set('total_users', '0');
    await withServers(1, () => {});
    assert.deepEqual(await redis.dump(), { total_users: '0' });
  });

  test('without total_users it runs, whatever else there is', async () => {
    await redis.client.sadd('online_users', '9');
    await redis.client.set('username:other', 'user:77');
    await redis.client.set('room:0:name', 'Old');
    await redis.client.sadd('user:1:rooms', 'kept');
    await redis.client.zadd('room:0', 1, '{"kept":true}');
    await withServers(1, async () => {
      const content = await redis.dump();
      assert.deepEqual(content.online_users, ['9']);
      assert.equal(content['username:other'], 'user:77');
      assert.equal(content['room:0:name'], 'General');
      assert.deepEqual(content['user:1:rooms'], ['0', '1:2', '1:3', '1:4', 'kept']);
      assert.equal(content['room:0'].length, 2 * 6);
      assert.equal(content.total_users, '4');
    });
  });

  test('it is over when the server says that it listens', async () => {
    await withServers(1, async () => {
      const first = await redis.dump();
      assert.equal(first['room:0']?.length, 10);
    });
  });

  for (let round = 1; round <= 2; round += 1) {
    deviation(`servers that start at the same time seed once (${round})`, async () => {
      await withServers(3, async (...servers) => {
        await assertSeeded(now());
        for (const server of servers) {
          const response = await send(server, {
            method: 'POST', path: '/login', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ username: 'Alex', password: PASSWORD }),
          });
          assert.equal(response.status, 200);
        }
      });
    });
  }
});
