// Two requests, or two servers, on one session: http-and-redis.md §6 "Lost updates" and
// fixtures/http/27-races.json. The original writes back what it has loaded, however long
// ago; a drop-in must not undo what happened meanwhile.
//
// The slow request is a log in against a hash of cost 13: it loads the session, then
// computes for some hundred milliseconds.
import assert from 'node:assert/strict';
import { beforeEach, describe } from 'node:test';
import { sids } from '../../lib/dataset.mjs';
import { eventually } from '../../lib/expect.mjs';
import { COOKIE_OBJECT } from '../../lib/session.mjs';
import { deviation } from '../../lib/target.mjs';
import { useTarget } from '../../lib/suite.mjs';

const t = useTarget();

const KEY = `sess:${sids.pablo}`;
/** Of "password123", cost 13. */
const SLOW_HASH = '$2b$13$qDHeDLwtuAqzPTDK3VtKmugXK0MKMPBS4/cYqp8YXzvxCZ7nhbCxS';

beforeEach(() => t.redis.client.hset('user:3', 'password', SLOW_HASH));

/** Starts the slow log in and resolves, with its promise, once it has loaded the session. */
async function slowLogin(password) {
  const watch = await t.redis.monitor();
  const answer = t.postJson('/login', { username: 'Mary', password }, { cookie: t.cookies.pablo, timeout: 20_000 });
  answer.catch(() => {}); // It is awaited later; a failure before that is not "unhandled".
  await eventually(() => assert.ok(watch.commands.some((command) => command.includes(KEY)), 'the session was not loaded'));
  await eventually(() => assert.ok(watch.commands.some((command) => command.includes('user:3')), 'the hash was not loaded'));
  watch.stop();
  return { answer };
}

const asPeer = (user) => t.redis.client.set(KEY, JSON.stringify({ cookie: COOKIE_OBJECT, user }), 'EX', 86_400);

describe('a slow request', () => {
  deviation('that changes nothing does not bring a logged-out session back', async () => {
    const { answer } = await slowLogin('wrong');
    assert.equal((await t.post('/logout', { cookie: t.cookies.pablo })).text, 'OK');
    assert.equal((await answer).status, 404);
    await eventually(async () => assert.equal(await t.redis.client.exists(KEY), 0));
    assert.equal((await t.get('/me', { cookie: t.cookies.pablo })).text, 'null');
  });

  deviation('that changes the session does not bring it back under the logged-out sid', async () => {
    const { answer } = await slowLogin('password123');
    assert.equal((await t.post('/logout', { cookie: t.cookies.pablo })).text, 'OK');
    assert.ok((await answer).status < 500);
    await eventually(async () => assert.equal(await t.redis.client.exists(KEY), 0));
    assert.equal((await t.get('/me', { cookie: t.cookies.pablo })).text, 'null');
  });

  deviation('that changes nothing does not undo what another server has written', async () => {
    const { answer } = await slowLogin('wrong');
    await asPeer({ id: '2', username: 'Joe' });
    assert.equal((await answer).status, 404);
    assert.equal((await t.get('/me', { cookie: t.cookies.pablo })).text, '{"id":"2","username":"Joe"}');
  });

  deviation('does not bring back what another server has deleted', async () => {
    const { answer } = await slowLogin('wrong');
    await t.redis.client.del(KEY);
    assert.equal((await answer).status, 404);
    assert.equal(await t.redis.client.exists(KEY), 0);
  });
});

describe('many requests at once on one session', () => {
  deviation('a log in among them is not lost', async () => {
    const ids = Array.from({ length: 900 }, (_, n) => `ids[]=${(n % 5) + 1}`).join('&');
    const others = Array.from({ length: 20 }, () => t.get(`/users?${ids}`, { cookie: t.cookies.guest }));
    const login = await t.postJson('/login', { username: 'Joe', password: 'password123' }, { cookie: t.cookies.guest });
    assert.equal(login.status, 200);
    for (const response of await Promise.all(others)) assert.equal(response.status, 200);
    assert.equal((await t.get('/me', { cookie: t.cookies.guest })).text, '{"id":"2","username":"Joe"}');
  });

  deviation('a log out among them stays', async () => {
    const ids = Array.from({ length: 900 }, (_, n) => `ids[]=${(n % 5) + 1}`).join('&');
    const others = Array.from({ length: 20 }, () => t.get(`/users?${ids}`, { cookie: t.cookies.pablo }));
    await t.post('/logout', { cookie: t.cookies.pablo });
    await Promise.all(others);
    await eventually(async () => assert.equal(await t.redis.client.exists(KEY), 0));
  });
});
