// Two servers with COMPAT=safe on one Redis, and one beside a Node server that knows nothing of it.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Person } from '../../lib/embedded.mjs';
import { Ws } from '../../lib/engine.mjs';
import { ask, fence, heard, isEvent, isMessage, isOf, message, random, useSafe } from '../../lib/safe.mjs';
import { nodePeer } from '../../lib/rt-peer.mjs';
import { startProxy } from '../../lib/rt-proxy.mjs';

const beside = {};
const t = useSafe({
  async further({ start, redis }) {
    beside.safe = await start({ env: { SERVER_ID: 'other:1' } });
    beside.proxy = await startProxy(redis.port, { filter: ({ chunk }) => (chunk.includes('session.renewed') ? null : chunk) });
    beside.untold = await start({ env: { SERVER_ID: 'untold:1' }, redis: beside.proxy });
    if (nodePeer) beside.node = await start({ commandLine: nodePeer.commandLine, env: { SERVER_ID: 'node:1' } });
  },
});

after(() => beside.proxy?.stop());

/** An envelope as a server elsewhere publishes it. */
const publish = (type, data) => t.redis.client.publish('MESSAGES', JSON.stringify({ serverId: 'elsewhere:1', type, data }));

describe('what other servers announce', () => {
  test('a message comes to sockets in its room, and to no other', async () => {
    const [a, b, c] = [await t.newcomer(), await t.newcomer(), await t.newcomer()];
    const [atA, atB, atC, nobody] = [await t.socket(a), await t.socket(b), await t.socket(c), await t.socket()];
    const text = random();
    await publish('message', { roomId: `${a.id}:${b.id}`, message: text, from: a.id, date: 1 });
    await publish('message', { roomId: '0', message: `general ${text}`, from: a.id, date: 1 });
    for (const socket of [atA, atB]) {
      await socket.next(isMessage(text));
      await socket.next(isMessage(`general ${text}`));
    }
    await atC.next(isMessage(`general ${text}`));
    assert.equal(atC.frames.some(isMessage(text)), false);
    await fence(nobody);
    assert.deepEqual(heard(nobody, 'message'), []);
  });
  test('a new room comes to both its users, who are in it from then on', async () => {
    const [a, b, c] = [await t.newcomer(), await t.newcomer(), await t.newcomer()];
    const [atA, atB, atC] = [await t.socket(a), await t.socket(b), await t.socket(c)];
    const id = `${a.id}:${b.id}`;
    await publish('show.room', { id, names: [['x'], ['y']] });
    for (const socket of [atA, atB]) await socket.next(isEvent('show.room'));
    atA.emit('message', message(a, id, 'after show.room'));
    await atB.next(isMessage('after show.room'));
    await fence(atC);
    assert.deepEqual(heard(atC, 'show.room', 'message'), []);
  });
  test('presence comes to who is signed in; types that are none of the chat\'s to nobody', async () => {
    const witness = await t.socket(await t.newcomer());
    const nobody = await t.socket();
    await publish('news', { roomId: '0' });
    await publish('', null);
    await publish('show.room', { id: 'no pair' });
    await publish('message', { message: 'nowhere' });
    await publish('user.connected', { id: 4711, username: 'far', online: true });
    await witness.next(isOf('user.connected', { id: 4711 }));
    assert.deepEqual(witness.frames.filter((frame) => frame.startsWith?.('42')).length, 1, witness.frames.join(' '));
    await fence(nobody);
    assert.deepEqual(nobody.frames.filter((frame) => frame.startsWith?.('42')), []);
  });
});

describe('two servers of ours', () => {
  test('a log out on one ends the session\'s sockets on the other', async () => {
    const [person, other] = [await t.newcomer(), await t.newcomer()];
    const socket = await t.socket(person, { base: beside.safe.base });
    const kept = await t.socket(other, { base: beside.safe.base });
    assert.equal((await person.ask('POST', '/logout')).status, 200);
    assert.equal(await socket.next((frame) => frame === '41'), '41');
    await socket.closing();
    await fence(kept);
    assert.equal(kept.closed, undefined);
  });
  test('so does a log in as somebody else; one as oneself does not, and the socket ends with the renewed session', async () => {
    const [person, other] = [await t.newcomer(), await t.newcomer()];
    const socket = await t.socket(person, { base: beside.safe.base });
    const again = await t.login(person.cookie, person.username);
    const third = await t.login(again.cookie, other.username);
    assert.equal(third.status, 200);
    assert.equal(await socket.next((frame) => frame === '41'), '41');
  });
  test('a log in on one closes a connection to the other that has not joined yet', async () => {
    const { username } = await t.newcomer();
    const planted = (await t.request('/me')).headers['set-cookie'][0].split(';')[0];
    const early = t.keep(await Ws.open(beside.safe.base, { cookie: planted }));
    assert.notEqual((await t.login(planted, username)).cookie, planted);
    await early.closing();
    assert.ok(!early.frames.some((frame) => frame.startsWith?.('4')), early.frames.join(' '));
  });
  test('a log in of which a server was not told ends the sockets there within seconds: those of the same user so that they come back', async () => {
    const [person, former, later] = [await t.newcomer(), await t.newcomer(), await t.newcomer()];
    const base = beside.untold.base;
    const [same, other] = [await t.socket(person, { base }), await t.socket(former, { base })];
    const started = Date.now();
    const { cookie } = await t.login(person.cookie, person.username);
    await t.login(former.cookie, later.username);
    assert.equal(await other.next((frame) => frame === '41'), '41');
    await Promise.all([same.closing(), other.closing()]);
    assert.ok(Date.now() - started < 10_000, 'before what is left of the sessions ends');
    assert.ok(!same.frames.includes('41'));
    // With its new cookie it ends with its session as any other.
    const again = await t.socket({ cookie }, { base });
    assert.equal((await t.request('/logout', { method: 'POST', headers: { cookie } })).status, 200);
    assert.equal(await again.next((frame) => frame === '41'), '41');
  });
  test('a reconnect to the other server is heard and hears', async () => {
    const [a, b] = [await t.newcomer(), await t.newcomer()];
    const room = await t.room(a, b);
    const atA = await t.socket(a);
    const atB = await t.socket(b);
    assert.deepEqual(await ask(atA, 'message', message(a, room, 'here')), { ok: true });
    await atB.next(isMessage('here'));
    await atB.close();
    const there = await t.socket(b, { base: beside.safe.base });
    for (const to of [room, '0']) {
      const text = random();
      atA.emit('message', message(a, to, text));
      await there.next(isMessage(text));
      there.emit('message', message(b, to, `re: ${text}`));
      await atA.next(isMessage(`re: ${text}`));
    }
  });
  test('the first message of a new room reaches the other server\'s user, and nobody else there', async () => {
    const [a, b, c] = [await t.newcomer(), await t.newcomer(), await t.newcomer()];
    const atA = await t.socket(a);
    const [atB, atC] = [await t.socket(b, { base: beside.safe.base }), await t.socket(c, { base: beside.safe.base })];
    const room = await t.room(a, b);
    for (const text of ['first', 'second']) atA.emit('message', message(a, room, text));
    await atB.next(isMessage('second'));
    assert.deepEqual(heard(atB, 'show.room', 'message').map(([name]) => name), ['show.room', 'message', 'message']);
    await fence(atC);
    assert.deepEqual(heard(atC, 'show.room', 'message'), []);
  });
});

if (nodePeer) describe('beside a Node server', () => {
  test('people of both talk, in private and in the general room; ours hear nothing that is not theirs', async () => {
    const there = (name) => Person.signIn(beside.node.base, name, 'a password');
    const [a, b, c] = [await t.newcomer(), await there(`node ${random()}`), await t.newcomer()];
    const [atA, atC, witness] = [await t.socket(a), await t.socket(c), await t.socket(await t.newcomer())];
    const atB = await t.socket(b, { base: beside.node.base });
    await witness.next(isOf('user.connected', b));
    const room = await t.room(a, b);
    atB.emit('room.join', room);
    atB.emit('room.join', '0');
    atB.emit('message', message(b, room, 'from Node'));
    await atA.next(isMessage('from Node'));
    assert.equal(heard(atA, 'show.room').length, 1);
    atA.emit('message', message(a, room, 'to Node'));
    await atB.next(isMessage('to Node'));
    atB.emit('message', message(b, '0', 'to all'));
    await atC.next(isMessage('to all'));
    assert.deepEqual(heard(atC, 'show.room').concat(heard(atC, 'message').filter(([, { message: text }]) => text !== 'to all')), []);
    assert.equal(beside.node.alive(), true);
  });
  test('a session goes from one to the other and back, through log in and log out', async () => {
    const person = await t.newcomer();
    const asked = (server) => t.me(person.cookie, server.base);
    assert.equal((await asked(beside.node)).user.id, person.id);
    const renewed = await t.login(person.cookie, person.username);
    person.cookie = renewed.cookie;
    assert.equal((await asked(beside.node)).user.username, person.username);
    const nodes = await t.login(person.cookie, person.username, 'a password', beside.node.base);
    assert.equal(nodes.line, undefined, 'a Node server keeps the id');
    assert.equal((await asked(t.server)).user.id, String(person.id));
    assert.equal((await t.request('/logout', { method: 'POST', headers: { cookie: person.cookie } }, beside.node.base)).status, 200);
    assert.equal((await asked(t.server)).user, null);
  });
  test('a log in here is no log in there with the old cookie', async () => {
    const { username } = await t.newcomer();
    const before = (await t.request('/me', {}, beside.node.base)).headers['set-cookie'][0].split(';')[0];
    await t.login(before, username);
    assert.deepEqual(await t.me(before, beside.node.base), { user: null, line: undefined });
    const sid = decodeURIComponent(before.split('=')[1]).slice(2).split('.')[0];
    const ttl = await t.redis.client.ttl(`sess:${sid}`);
    assert.ok(ttl > 0 && ttl <= 60, `${ttl} s, also after a Node server has stored it again`);
  });
  test('what servers of ours tell one another is no event of a Node server', async () => {
    const person = await t.newcomer();
    const nobody = await t.socket(undefined, { base: beside.node.base });
    await t.login(person.cookie, person.username);
    await person.ask('POST', '/logout');
    await publish('user.connected', { id: 4712, username: 'far', online: true });
    await nobody.next(isOf('user.connected', { id: 4712 }));
    assert.deepEqual(nobody.frames.filter((frame) => /session|sid/.test(frame) && !/^(?:0|40)\{/.test(frame)), []);
  });
});
