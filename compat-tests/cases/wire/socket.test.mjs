// The Socket.IO layer and the chat's events from outside (realtime.md §7, §8).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { has } from '../../lib/capabilities.mjs';
import { Ws } from '../../lib/engine.mjs';
import { cameOnline, messageIn, parsed, random, useWire, wentOffline } from '../../lib/wire.mjs';

const t = useWire();

const opened = async (options) => {
  const ws = t.keep(await Ws.open(t.server.base, options));
  await ws.next((frame) => frame.startsWith('0{'));
  return ws;
};

describe('namespaces and packets', () => {
  test('40 is answered with an id', async () => {
    assert.match(await (await opened()).connectNs(), /^40\{"sid":"[\w-]{16,}"\}$/);
  });
  test('nothing comes before CONNECT', async () => {
    const ws = await opened();
    await t.socket(await t.newcomer());
    assert.deepEqual(ws.frames.slice(1), []);
    await ws.connectNs();
  });
  test('another namespace is refused, and 40 works afterwards', async () => {
    const ws = await opened();
    ws.send('40/other,');
    assert.equal(await ws.next(), '44/other,{"message":"Invalid namespace"}');
    assert.match(await ws.connectNs(), /^40/);
  });
  test('an event before CONNECT does not close the connection', async () => {
    const ws = await opened();
    ws.emit('room.join', random());
    assert.match(await ws.connectNs(), /^40/);
  });
  for (const frame of ['42["no such event",1]', '421["room.join","wire"]', '43[1]', '42["room.join"]']) {
    test(`${frame} is harmless`, async () => {
      const { a, room, atA } = await t.pair();
      atA.send(frame);
      await t.join(atA, a, room);
    });
  }
  for (const frame of ['4', '49', '42{}', '42[]', '42["x"', '42abc', '4é']) {
    test(`${frame} closes the connection`, async () => {
      const ws = await opened();
      await ws.connectNs();
      ws.send(frame);
      assert.deepEqual(await ws.closing(), { closed: 1005 });
    });
  }
});

describe('presence', () => {
  test('coming and going are told to others, with the id as the session has it', async () => {
    const person = await t.newcomer();
    const witness = await t.witness();
    const socket = await t.socket(person);
    const user = { id: person.id, username: person.username };
    assert.deepEqual(parsed(await witness.next(cameOnline(person))), { ...user, online: true });
    await socket.close();
    assert.deepEqual(parsed(await witness.next(wentOffline(person))), { ...user, online: false });
    assert.deepEqual(socket.frames.filter(cameOnline(person)), [], 'not to oneself');
  });
  test('after a log in the id is a string', async () => {
    const { username, id } = await t.newcomer();
    const again = await t.newcomer(username);
    assert.equal(again.id, String(id));
    const witness = await t.witness();
    await t.socket(again);
    assert.equal(parsed(await witness.next(cameOnline(again))).id, String(id));
  });
  test('/users/online and /users follow', async () => {
    const [person, other] = [await t.newcomer(), await t.newcomer()];
    const shown = (online) => ({ id: String(person.id), username: person.username, online });
    const witness = await t.witness();
    const socket = await t.socket(person);
    assert.deepEqual((await other.get('/users/online'))[person.id], shown(true));
    assert.deepEqual((await other.get(`/users?ids[]=${person.id}`))[person.id], shown(true));
    await socket.close();
    await witness.next(wentOffline(person));
    assert.equal((await other.get('/users/online'))[person.id], undefined);
    assert.deepEqual((await other.get(`/users?ids[]=${person.id}`))[person.id], shown(false));
  });
  test('41 is leaving, 40 is coming back', async () => {
    const person = await t.newcomer();
    const witness = await t.witness();
    const socket = await t.socket(person);
    socket.send('41');
    await witness.next(wentOffline(person));
    await socket.connectNs();
    await witness.next(cameOnline(person));
  });
  if (!has('safe')) test('a socket stays who it was when its session logs out', async () => {
    const { a, room, atA } = await t.pair();
    assert.equal((await a.ask('POST', '/logout')).status, 200);
    await t.join(atA, a, room);
  });
  test('without a valid cookie one is nobody: what one sends is ignored', async () => {
    const { b, room, atB } = await t.pair();
    const nobody = await t.nobody();
    nobody.emit('room.join', room);
    nobody.emit('message', t.message(b, room, 'from nobody'));
    // Another one behind it on the same connection, and a round trip, so that it would have come by now.
    await t.socket(await t.newcomer());
    await t.join(atB, b, room);
    assert.equal(atB.frames.some(messageIn(room, 'from nobody')), false);
    assert.equal(nobody.closed, undefined);
  });
});

describe('rooms and messages', () => {
  test('to those who joined, the sender too, the rest not', async () => {
    const { a, b, room, atA, atB } = await t.pair();
    // Where sockets are put into their user's rooms, only somebody else's is outside.
    const other = has('safe') ? await t.newcomer() : b;
    const outside = await t.socket(other);
    const message = t.message(a, room, 'inside');
    atA.emit('message', message);
    for (const socket of [atA, atB]) assert.deepEqual(parsed(await socket.next(messageIn(room, 'inside'))), message);
    await t.join(outside, other, has('safe') ? await t.room(other, a) : room);
    assert.equal(outside.frames.some(messageIn(room, 'inside')), false);
  });
  test('the frame, key by key', async () => {
    const { a, room, atA } = await t.pair();
    const message = { roomId: room, message: 'é"', from: a.id, date: 4_000_000_000.25, extra: { z: 1, a: [null] } };
    atA.emit('message', message);
    assert.equal(await atA.next(messageIn(room, 'é"')), `42${JSON.stringify(['message', message])}`);
  });
  test('joining twice is joining once', async () => {
    const { a, room, atA } = await t.pair();
    await t.join(atA, a, room);
    atA.emit('message', t.message(a, room, 'once'));
    await t.join(atA, a, room);
    assert.equal(atA.frames.filter(messageIn(room, 'once')).length, 1);
  });
  test('show.room comes to the other before the first message', async () => {
    const [a, b] = [await t.newcomer(), await t.newcomer()];
    const room = await t.room(a, b);
    const [atA, atB] = [await t.socket(a), await t.socket(b)];
    atB.emit('room.join', room);
    // Events of one connection are taken in their order, so an own room tells that the join is done.
    await t.join(atB, b, await t.room(b, await t.newcomer()));
    atA.emit('message', t.message(a, room, 'first'));
    await atB.next(messageIn(room, 'first'));
    const showRoom = `42["show.room",${JSON.stringify({ id: room, names: room.split(':').map((id) => [id === String(a.id) ? a.username : b.username]) })}]`;
    assert.ok(atB.frames.indexOf(showRoom) >= 0 && atB.frames.indexOf(showRoom) < atB.frames.findIndex(messageIn(room, 'first')));
    assert.equal(atA.frames.includes(showRoom), false, 'not to the sender');
  });
  test('200 messages arrive complete and in order, and are stored so', async () => {
    const { a, room, atA, atB } = await t.pair();
    const texts = Array.from({ length: 200 }, (_, n) => `n${n}`);
    for (const text of texts) atA.emit('message', t.message(a, room, text));
    const got = [];
    while (got.length < texts.length) got.push(parsed(await atB.next(messageIn(room))).message);
    assert.deepEqual(got, texts);
    await atA.next(messageIn(room, 'n199'));
    assert.deepEqual((await a.get(`/room/${room}/messages?offset=0&size=199`)).map(({ message }) => message).reverse(), texts);
  });
  test('the same message twice: delivered twice, stored once', async () => {
    const { a, room, atA } = await t.pair();
    const message = t.message(a, room, 'again');
    for (let n = 0; n < 2; n += 1) atA.emit('message', message);
    for (let n = 0; n < 2; n += 1) await atA.next(messageIn(room, 'again'));
    assert.equal((await a.get(`/room/${room}/messages?offset=0&size=50`)).filter((stored) => stored.message === 'again').length, 1);
  });
  test('binary parts go with their message', async () => {
    const { a, room, atA, atB } = await t.pair();
    const message = { ...t.message(a, room, 'binary'), blob: { _placeholder: true, num: 0 } };
    const frame = `451-${JSON.stringify(['message', message])}`;
    atA.send(frame, Buffer.from([1, 2, 255]));
    assert.equal(await atB.next((got) => got.startsWith?.('451-')), frame);
    assert.deepEqual(await atB.next(), { bin: '0102ff' });
  });
});
