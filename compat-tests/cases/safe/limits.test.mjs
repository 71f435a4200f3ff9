// What one client may use, with COMPAT=safe (http-and-redis.md §15, 14): 429 with Retry-After, or a closed
// socket with a reason; and what 1,000 browsers behind one address do is never too much.
import assert from 'node:assert/strict';
import http from 'node:http';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { io } from 'socket.io-client';
import { has } from '../../lib/capabilities.mjs';
import { Polling, Ws, request } from '../../lib/engine.mjs';
import { ask, connect, message, random, useSafe } from '../../lib/safe.mjs';

const t = useSafe();
const PROXY = { TRUSTED_PROXIES: '127.0.0.1' };
const from = (address) => ({ 'x-forwarded-for': address });
const start = async (env) => (await t.start({ env })).base;

/** Tries to sign in; `via` are further headers. */
async function login(base, username, password = 'a password', { via = {}, ...options } = {}) {
  const headers = { 'content-type': 'application/json', ...via };
  return request(base, { method: 'POST', path: '/login', headers, body: JSON.stringify({ username, password }), ...options });
}

/** A 429 that says when to come again, within these seconds. */
function isOver({ status, headers, text }, [least, most]) {
  assert.equal(status, 429, text);
  assert.match(headers['retry-after'], /^\d+$/);
  const seconds = Number(headers['retry-after']);
  assert.ok(seconds >= least && seconds <= most, `Retry-After: ${seconds}`);
  assert.equal(typeof JSON.parse(text).message, 'string');
}

/** Does `work` for each number below `count`, some at a time, and gives what came of it. */
async function each(count, work, width = 50) {
  const found = [];
  let next = 0;
  const worker = async () => {
    for (let n = next++; n < count; n = next++) found[n] = await work(n);
  };
  await Promise.all(Array.from({ length: width }, worker));
  return found;
}

const agents = [];
const keepAlive = () => agents[agents.push(new http.Agent({ keepAlive: true, maxSockets: 50 })) - 1];
test.after(() => agents.forEach((agent) => agent.destroy()));

describe('log-ins', () => {
  test('of one address: past the limit 429 before anything is done, and not for other addresses', async () => {
    const base = await start({ ...PROXY, LOGINS_PER_ADDRESS: '2' });
    const name = random();
    assert.equal((await login(base, name, undefined, { via: from('192.0.2.1') })).status, 201);
    assert.equal((await login(base, name, undefined, { via: from('192.0.2.1') })).status, 200);
    isOver(await login(base, name, undefined, { via: from('192.0.2.1') }), [1700, 1800]);
    const fresh = random();
    isOver(await login(base, fresh, undefined, { via: from('192.0.2.1') }), [1700, 1800]);
    if (has('redis')) assert.equal(await t.redis.client.exists(`username:${fresh}`), 0);
    assert.equal((await login(base, fresh, undefined, { via: from('192.0.2.2') })).status, 201);
  });
  test('that are refused make no session', async () => {
    const base = await start({ LOGINS_PER_ADDRESS: '1' });
    assert.equal((await login(base, random())).status, 201);
    const sessions = async () => (has('redis') ? (await t.redis.client.keys('sess:*')).length : 0);
    const before = await sessions();
    const answer = await login(base, random());
    isOver(answer, [3500, 3600]);
    assert.equal(answer.headers['set-cookie'], undefined);
    assert.equal(await sessions(), before);
  });
  test('after Retry-After work again', async () => {
    // A name that is too long is an attempt that costs no bcrypt.
    const base = await start({ LOGINS_PER_ADDRESS: '1800', NAME_BYTES: '2' });
    const agent = keepAlive();
    const attempt = () => login(base, 'too long', undefined, { agent });
    const before = await each(1800, attempt);
    assert.deepEqual([...new Set(before.map(({ status }) => status))], [400]);
    // Two seconds bring one attempt more: some may have come meanwhile.
    let over;
    for (let n = 0; n < 50 && over?.status !== 429; n += 1) over = await attempt();
    isOver(over, [1, 2]);
    await sleep(Number(over.headers['retry-after']) * 1000);
    assert.equal((await attempt()).status, 400);
  });
  test('with wrong passwords for one name at one address: 429 there, whatever comes next', async () => {
    const base = await start({ ...PROXY, FAILED_LOGINS_PER_NAME_AND_ADDRESS: '2' });
    const [name, other] = [random(), random()];
    const here = { via: from('192.0.2.1') };
    for (const one of [name, other]) assert.equal((await login(base, one, undefined, here)).status, 201);
    // Those that succeed don't count.
    for (let n = 0; n < 4; n += 1) assert.equal((await login(base, name, undefined, here)).status, 200);
    for (let n = 0; n < 2; n += 1) assert.equal((await login(base, name, 'wrong', here)).status, 404);
    isOver(await login(base, name, 'wrong', here), [1700, 1800]);
    isOver(await login(base, name, 'a password', here), [1700, 1800]);
    assert.equal((await login(base, other, undefined, here)).status, 200);
    assert.equal((await login(base, name, undefined, { via: from('192.0.2.2') })).status, 200);
  });
  test('with wrong passwords for one name from everywhere: its owner gets in where they are known', async () => {
    const base = await start({ ...PROXY, FAILED_LOGINS_PER_NAME: '3' });
    const name = random();
    const home = { via: from('192.0.2.1') };
    assert.equal((await login(base, name, undefined, home)).status, 201);
    for (const n of [2, 3, 4]) assert.equal((await login(base, name, 'wrong', { via: from(`192.0.2.${n}`) })).status, 404);
    isOver(await login(base, name, undefined, { via: from('192.0.2.5') }), [1100, 1200]);
    assert.equal((await login(base, name, undefined, home)).status, 200);
  });
  test('that register: past the limit 429 and nobody new, while known names sign in', async () => {
    const base = await start({ ...PROXY, REGISTRATIONS_PER_ADDRESS: '2' });
    const names = [random(), random(), random()];
    const here = { via: from('192.0.2.1') };
    for (const name of names.slice(0, 2)) assert.equal((await login(base, name, undefined, here)).status, 201);
    isOver(await login(base, names[2], undefined, here), [1700, 1800]);
    assert.equal((await login(base, names[0], undefined, here)).status, 200);
    if (has('redis')) assert.equal(await t.redis.client.exists(`username:${names[2]}`), 0);
    assert.equal((await login(base, names[2], undefined, { via: from('192.0.2.2') })).status, 201);
  });
});

describe('addresses', () => {
  const attempt = (base, via) => login(base, 'too long', undefined, { via });
  test('X-Forwarded-For of a stranger says nothing; the log tells which setting it needs', async () => {
    const server = await t.start({ env: { LOGINS_PER_ADDRESS: '2', NAME_BYTES: '2' } });
    for (const n of [1, 2]) assert.equal((await attempt(server.base, from(`192.0.2.${n}`))).status, 400);
    for (const n of [3, 4, 5]) assert.equal((await attempt(server.base, from(`192.0.2.${n}`))).status, 429);
    const lines = server.stderr().split('\n').filter((line) => line.includes('LOGINS_PER_ADDRESS'));
    assert.equal(lines.length, 1, server.stderr());
    assert.match(lines[0], /127\.0\.0\.1.*TRUSTED_PROXIES|TRUSTED_PROXIES.*127\.0\.0\.1/);
  });
  test('of a trusted proxy the last counts that is no proxy\'s; what the client wrote before it does not', async () => {
    const base = await start({ TRUSTED_PROXIES: '127.0.0.1,10.0.0.0/8', LOGINS_PER_ADDRESS: '2', NAME_BYTES: '2' });
    assert.equal((await attempt(base, from('203.0.113.1, 192.0.2.1'))).status, 400);
    assert.equal((await attempt(base, from('203.0.113.2, 192.0.2.1, 10.1.2.3'))).status, 400);
    assert.equal((await attempt(base, from('192.0.2.1'))).status, 429);
    assert.equal((await attempt(base, from('203.0.113.3, 192.0.2.1'))).status, 429);
    assert.equal((await attempt(base, from('192.0.2.2'))).status, 400);
  });
  test('of a trusted proxy, but no address: the proxy\'s own counts', async () => {
    const base = await start({ ...PROXY, LOGINS_PER_ADDRESS: '2', NAME_BYTES: '2' });
    assert.equal((await attempt(base, from('unknown'))).status, 400);
    assert.equal((await attempt(base, from('192.0.2.1, "x"'))).status, 400);
    assert.equal((await attempt(base, {})).status, 429);
    assert.equal((await attempt(base, from('192.0.2.1'))).status, 400);
  });
  test('a /64 of IPv6 is one address', async () => {
    const base = await start({ ...PROXY, LOGINS_PER_ADDRESS: '2', NAME_BYTES: '2' });
    for (const n of [1, 2]) assert.equal((await attempt(base, from(`2001:db8:0:1::${n}`))).status, 400);
    assert.equal((await attempt(base, from('2001:db8:0:1:f::3'))).status, 429);
    assert.equal((await attempt(base, from('2001:db8:0:2::1'))).status, 400);
  });
});

describe('sizes', () => {
  test('a new name may be so long; one that is longer is refused and not registered', async () => {
    const name = random().padEnd(510, 'x') + 'é';
    assert.equal((await login(t.server.base, name)).status, 201);
    const over = await login(t.server.base, `${name}x`);
    assert.equal(over.status, 400);
    assert.match(JSON.parse(over.text).message, /512/);
    if (has('redis')) assert.equal(await t.redis.client.exists(`username:${name}x`), 0);
  });
  if (has('redis')) test('a longer name that is registered already signs in', async () => {
    const name = random().padEnd(600, 'x');
    assert.equal((await login(await start({ NAME_BYTES: '600' }), name)).status, 201);
    assert.equal((await login(t.server.base, name)).status, 200);
  });
  for (const polling of [false, true]) {
    test(`a message may be so large; a larger one is refused${polling ? ' over polling' : ''}, and the socket stays`, async () => {
      const person = await t.newcomer();
      const socket = await t.socket(person, { polling });
      const large = `${random()}${'é'.repeat(200_000)}`;
      assert.deepEqual(await ask(socket, 'message', message(person, '0', large)), { ok: true });
      const refused = await ask(socket, 'message', message(person, '0', 'x'.repeat(524_288)));
      assert.deepEqual(refused, { message: 'The message is too long' });
      const after = random();
      assert.deepEqual(await ask(socket, 'message', message(person, '0', after)), { ok: true });
      assert.deepEqual((await t.history(person, '0')).slice(0, 2), [after, large]);
    });
  }
  test('the text of a binary one counts too', async () => {
    const person = await t.newcomer();
    const socket = await t.socket(person);
    const binary = (length) => `451-7${JSON.stringify(['message', message(person, '0', 'x'.repeat(length), { b: { _placeholder: true, num: 0 } })])}`;
    for (const [length, answer] of [[524_288, '437[{"message":"The message is too long"}]'], [400_000, '437[{"ok":true}]']]) {
      socket.send(binary(length), Buffer.from('x'));
      assert.equal(await socket.next((frame) => frame.startsWith?.('437')), answer);
    }
  });
});

describe('sessions', () => {
  test('for requests without one: past the limit the same answers without a cookie, and log-ins with one', async () => {
    const base = await start({ ...PROXY, SESSIONS_PER_ADDRESS: '2' });
    const ask = (path, via = from('192.0.2.1')) => request(base, { path, headers: via });
    for (let n = 0; n < 2; n += 1) assert.ok((await ask('/me')).headers['set-cookie']);
    const count = async () => (await t.redis.client.keys('sess:*')).length;
    const stored = has('redis') && (await count());
    for (const [path, status, body] of [['/me', 200, 'null'], ['/links', 200, undefined], ['/users/online', 403, 'Forbidden'], ['/nowhere', 404, undefined]]) {
      const answer = await ask(path);
      assert.equal(answer.status, status, path);
      if (body) assert.equal(answer.text, body);
      assert.equal(answer.headers['set-cookie'], undefined, path);
    }
    if (has('redis')) assert.equal(await count(), stored);
    assert.ok((await ask('/me', from('192.0.2.2'))).headers['set-cookie']);
    const name = random();
    const { status, headers } = await login(base, name, undefined, { via: from('192.0.2.1') });
    assert.equal(status, 201);
    const me = await request(base, { path: '/me', headers: { ...from('192.0.2.1'), cookie: headers['set-cookie'][0].split(';')[0] } });
    assert.equal(JSON.parse(me.text).username, name);
  });
  test('a request with a session is never counted', async () => {
    const base = await start({ SESSIONS_PER_ADDRESS: '1' });
    const cookie = (await request(base, { path: '/me' })).headers['set-cookie'][0].split(';')[0];
    for (let n = 0; n < 5; n += 1) assert.equal((await request(base, { path: '/users/online', headers: { cookie } })).status, 403);
    assert.equal((await login(base, random(), undefined, { via: { cookie } })).status, 201);
  });
});

describe('sockets', () => {
  const handshake = (base, headers = {}) => request(base, { query: 'EIO=4&transport=polling', headers });

  test('of one address: past the limit 429 on both transports, and again when one is gone', async () => {
    const base = await start({ ...PROXY, SOCKETS_PER_ADDRESS: '3' });
    const headers = from('192.0.2.1');
    const open = [await connect(base, { headers }), await connect(base, { headers }), await connect(base, { headers, polling: true })];
    isOver(await handshake(base, headers), [1, 60]);
    const refused = await Ws.open(base, { headers });
    assert.equal(refused.state, 'refused');
    isOver(refused.refused, [1, 60]);
    // What is open goes on, also an upgrade, which is no further socket.
    const polls = open[2];
    const probe = await Ws.open(base, { headers, sid: polls.sid });
    assert.equal(probe.state, 'open');
    await probe.close();
    const elsewhere = t.keep(await connect(base, { headers: from('192.0.2.2') }));
    assert.equal(elsewhere.closed, undefined);
    await open[0].close();
    let freed;
    for (let n = 0; n < 100 && freed?.status !== 200; n += 1) {
      freed = await handshake(base, headers);
      if (freed.status !== 200) await sleep(20);
    }
    assert.equal(freed.status, 200);
    for (const socket of open) t.keep(socket);
  });
  test('a handshake that is refused for another reason takes no place', async () => {
    const base = await start({ SOCKETS_PER_ADDRESS: '1' });
    for (const query of ['EIO=4&transport=pigeon', 'EIO=4']) assert.equal((await request(base, { query })).status, 400);
    assert.equal((await Ws.open(base, { origin: 'http://evil.example' })).refused.status, 403);
    t.keep(await connect(base));
  });
  test('of one session: past the limit 429, and not for others', async () => {
    const base = await start({ SOCKETS_PER_SESSION: '2' });
    const [person, other] = [await t.newcomer(undefined, base), await t.newcomer(undefined, base)];
    for (let n = 0; n < 2; n += 1) await t.socket(person, { base });
    isOver(await handshake(base, { cookie: person.cookie }), [1, 60]);
    await t.socket(other, { base });
    for (let n = 0; n < 3; n += 1) await t.socket(undefined, { base });
  });
  test('a stock client that is refused comes in by itself once there is room', async () => {
    const base = await start({ SOCKETS_PER_ADDRESS: '1' });
    const first = t.keep(await connect(base));
    const stock = io(base, { reconnectionDelay: 50, reconnectionDelayMax: 100, forceNew: true });
    try {
      await sleep(500);
      assert.equal(stock.connected, false);
      await first.close();
      for (let n = 0; n < 250 && !stock.connected; n += 1) await sleep(20);
      assert.equal(stock.connected, true);
    } finally {
      stock.close();
    }
  });
  for (const polling of [false, true]) {
    test(`that send too much are closed${polling ? ' while they poll' : ' with a reason'}; what was taken before is stored, once and in order`, async () => {
      const server = await t.start({ env: { EVENTS_PER_SOCKET: '5', EVENTS_BURST: '10' } });
      const person = await t.newcomer(undefined, server.base);
      const witness = await t.socket(await t.newcomer(undefined, server.base), { base: server.base });
      const socket = await t.socket(person, { base: server.base, polling });
      let reason;
      if (!polling) socket.socket.on('close', (_code, text) => (reason = text));
      const tag = random();
      const packets = Array.from({ length: 30 }, (_, n) => `42${JSON.stringify(['message', message(person, '0', `${tag} ${n}`)])}`);
      const sent = await socket.send(...packets);
      if (polling) isOver(sent, [1, 2]);
      const { closed } = await socket.closing();
      if (!polling) assert.deepEqual([closed, String(reason)], [1008, 'Too many events in a short time']);
      const texts = async () => {
        const all = await (await request(server.base, { path: '/room/0/preload' })).text;
        return JSON.parse(all).messages.map((one) => one.message).filter((text) => text.startsWith(tag)).reverse();
      };
      await witness.next((frame) => frame.startsWith?.('42["user.disconnected"'));
      // CONNECT is one of the ten; a second brings five more.
      const stored = await texts();
      assert.ok(stored.length >= 9 && stored.length <= 25, `${stored.length} were stored`);
      assert.deepEqual(stored, stored.map((_, n) => `${tag} ${n}`));
      const heard = witness.frames.filter((frame) => frame.includes?.(tag));
      assert.equal(heard.length, stored.length);
      assert.match(server.stderr(), /EVENTS_PER_SOCKET/);
      // Nor is a new socket a way around, but others are not concerned.
      const refused = await handshake(server.base, { cookie: person.cookie });
      isOver(refused, [1, 2]);
      await t.socket(await t.newcomer(undefined, server.base), { base: server.base });
      await sleep(Number(refused.headers['retry-after']) * 1000);
      const again = await t.socket(person, { base: server.base });
      assert.deepEqual(await ask(again, 'message', message(person, '0', `again ${tag}`)), { ok: true });
    });
  }
  test('that send as much as they may, stay', async () => {
    const base = await start({ EVENTS_PER_SOCKET: '50', EVENTS_BURST: '5' });
    const person = await t.newcomer(undefined, base);
    const socket = await t.socket(person, { base });
    for (let n = 0; n < 30; n += 1) {
      assert.deepEqual(await ask(socket, 'message', message(person, '0', random())), { ok: true });
      await sleep(25);
    }
  });
});

describe('1,000 browsers behind one address meet no limit', () => {
  const BROWSERS = 1000;
  test('when they come for the first time, sign in, open sockets, and come back all at once', async () => {
    const { base } = t.server;
    const agent = keepAlive();
    // As the page does it: some requests at once, none of them with a cookie yet.
    const visits = await each(BROWSERS, async () => {
      const answers = await Promise.all(['/me', '/links', '/room/0/preload', '/me'].map((path) => request(base, { path, agent })));
      return answers.map(({ status, headers }) => (status === 200 && headers['set-cookie']?.[0].split(';')[0]));
    });
    assert.equal(visits.flat().filter(Boolean).length, 4 * BROWSERS);
    // Attempts that cost no bcrypt, twice for each; the limits count them like any other.
    const tried = await each(2 * BROWSERS, (n) => login(base, 'x'.repeat(513), 'p', { via: { cookie: visits[n % BROWSERS][0] }, agent }));
    assert.deepEqual([...new Set(tried.map(({ status }) => status))], [400]);
    for (let round = 0; round < 2; round += 1) {
      const sockets = await each(BROWSERS, async (n) => Ws.open(base, { cookie: visits[n][0] }), BROWSERS);
      assert.deepEqual([...new Set(sockets.map(({ state }) => state))], ['open']);
      await Promise.all(sockets.map((socket) => socket.connectNs()));
      for (const socket of sockets) socket.socket.terminate();
    }
  });
  test('also with one cookie, and over polling', async () => {
    const person = await t.newcomer();
    const opened = await each(BROWSERS, async () => (await new Polling(t.server.base, { cookie: person.cookie }).open()).opened.status);
    assert.deepEqual([...new Set(opened)], [200]);
  });
  test('when they sign in with one name at once, as far as bcrypt keeps up', async () => {
    const { username } = await t.newcomer();
    const answers = await each(80, () => login(t.server.base, username), 80);
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  });
});

describe('no limits', () => {
  const TINY = {
    LOGINS_PER_ADDRESS: '1', REGISTRATIONS_PER_ADDRESS: '1', FAILED_LOGINS_PER_NAME_AND_ADDRESS: '1', FAILED_LOGINS_PER_NAME: '1',
    SESSIONS_PER_ADDRESS: '1', SOCKETS_PER_ADDRESS: '1', SOCKETS_PER_SESSION: '1', EVENTS_PER_SOCKET: '1', EVENTS_BURST: '1', NAME_BYTES: '1', MESSAGE_BYTES: '1',
  };
  for (const [title, env] of [['LIMITS=off', { LIMITS: 'off' }], ['COMPAT=exact', { COMPAT: 'exact' }]]) {
    test(`with ${title} none of them holds`, async () => {
      const base = await start({ ...TINY, ...env });
      const [person, other] = [await t.newcomer(undefined, base), await t.newcomer(undefined, base)];
      for (let n = 0; n < 3; n += 1) assert.equal((await login(base, person.username, 'wrong')).status, 404);
      assert.equal((await login(base, person.username)).status, 200);
      for (let n = 0; n < 3; n += 1) assert.ok((await request(base, { path: '/me' })).headers['set-cookie']);
      const [socket] = [await t.socket(person, { base }), await t.socket(person, { base }), await t.socket(other, { base })];
      const texts = Array.from({ length: 20 }, random);
      for (const text of texts) socket.emit('message', message(person, '0', text));
      const reader = async () => (await other.get('/room/0/messages?offset=0&size=40')).map((one) => one.message);
      for (let n = 0; n < 100 && !(await reader()).includes(texts.at(-1)); n += 1) await sleep(20);
      const stored = await reader();
      assert.deepEqual(texts.filter((text) => !stored.includes(text)), []);
    });
  }
});
