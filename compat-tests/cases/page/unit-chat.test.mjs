// The page's model, and how it is kept in line with the server. No server, no browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chat } from '../../../src/page/model/chat.mjs';
import { PAGE, catchUp, loadOlder } from '../../../src/page/model/history.mjs';
import { readMessage } from '../../../src/page/model/message.mjs';
import * as outbox from '../../../src/page/model/outbox.mjs';
import { Room } from '../../../src/page/model/room.mjs';
import { Sync } from '../../../src/page/sync.mjs';

const raw = (number, from = '2', roomId = '0') => ({ roomId, from, message: `m${number}`, date: 1_000_000 + number });
const texts = (room) => room.messages.map(({ text }) => text);
const numbered = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => `m${from + index}`);

/** A store of messages as the server pages through it. */
function store(...numbers) {
  const messages = numbers.map((number) => raw(number));
  const reads = [];
  return {
    messages,
    reads,
    async fetchPage(offset) {
      reads.push(offset);
      const page = [...messages].sort((a, b) => b.date - a.date).slice(offset, offset + PAGE);
      return { count: page.length, messages: page.map(readMessage) };
    },
  };
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

function readingRoom() {
  const room = new Room('0');
  const missed = [];
  const keep = (message, wasMissed) => {
    if (wasMissed) missed.push(message.text);
    room.add(message);
  };
  return { room, missed, keep };
}

test('the first read takes one page', async () => {
  const { room, keep, missed } = readingRoom();
  const history = store(...range(1, 100));
  await catchUp(room, history.fetchPage, keep);
  assert.deepEqual(texts(room), numbered(70, 100));
  assert.deepEqual([room.complete, room.loaded, missed.length], [false, true, 0]);
});

test('older messages join without a hole, whatever came meanwhile', async () => {
  const { room, keep } = readingRoom();
  const history = store(...range(1, 100));
  await catchUp(room, history.fetchPage, keep);
  // One is heard, another is not: the counted place of the oldest message is wrong.
  history.messages.push(raw(101), raw(102));
  room.add(readMessage(raw(101)));
  while (!room.complete) await loadOlder(room, history.fetchPage, keep);
  assert.deepEqual(texts(room), numbered(1, 101));
});

test('older messages are found although more were heard than are stored', async () => {
  const { room, keep } = readingRoom();
  const history = store(...range(1, 90));
  await catchUp(room, history.fetchPage, keep);
  // Messages that were heard and that the store has no more.
  for (const number of range(200, 280)) room.add(readMessage(raw(number)));
  while (!room.complete) await loadOlder(room, history.fetchPage, keep);
  assert.deepEqual(texts(room).slice(0, 90), numbered(1, 90));
});

test('a gap is read back to what was known, however much is heard meanwhile', async () => {
  const { room, keep, missed } = readingRoom();
  const history = store(...range(1, 50));
  await catchUp(room, history.fetchPage, keep);
  room.linkLost();
  history.messages.push(...range(51, 120).map((number) => raw(number)));
  // This one is heard before the history is read: it must not be taken for the end of the gap.
  room.add(readMessage(raw(120)));
  history.reads.length = 0;
  await catchUp(room, history.fetchPage, keep);
  assert.deepEqual(texts(room), numbered(20, 120));
  assert.deepEqual([...missed].sort(), numbered(51, 120).sort());
  assert.equal(history.reads.length, 3);
  assert.equal(room.anchor, null);
});

test('a gap that is too long leaves no hole', async () => {
  const { room, keep } = readingRoom();
  const history = store(...range(1, 40));
  await catchUp(room, history.fetchPage, keep);
  room.linkLost();
  history.messages.push(...range(41, 900).map((number) => raw(number)));
  await catchUp(room, history.fetchPage, keep);
  const oldest = 901 - 8 * PAGE;
  assert.deepEqual(texts(room), numbered(oldest, 900));
  assert.equal(room.complete, false);
  while (!room.complete) await loadOlder(room, history.fetchPage, keep);
  assert.deepEqual(texts(room), numbered(1, 900));
});

test('a catch-up that fails is made up for, however much is heard before the next one', async () => {
  const { room, keep, missed } = readingRoom();
  const history = store(...range(1, 50));
  await catchUp(room, history.fetchPage, keep);
  room.linkLost();
  history.messages.push(...range(51, 60).map((number) => raw(number)));
  await assert.rejects(catchUp(room, () => Promise.reject(new Error('away')), keep));
  // More than a page: none of these may be taken for the end of the gap.
  for (const number of range(61, 100)) {
    history.messages.push(raw(number));
    room.add(readMessage(raw(number)));
  }
  room.linkLost();
  await catchUp(room, history.fetchPage, keep);
  assert.deepEqual(texts(room), numbered(20, 100));
  assert.ok(missed.includes('m51'));
});

const pablo = () => new Chat({ id: 1, username: 'Pablo' });

test('rooms of others are none of our business', () => {
  const chat = pablo();
  chat.addRoom({ id: '0', names: ['General'] });
  for (const roomId of ['2:3', '7', '1:2:3', '11:2', '', '1', '1:\ud800']) assert.equal(chat.receive(raw(1, '2', roomId)), null, roomId);
  assert.equal(chat.admits({ toString: 1 }), false);
  assert.ok(chat.receive(raw(1, '2', '1:2')));
  assert.ok(chat.receive(raw(1, '2', '0')));
  assert.deepEqual([...chat.rooms.keys()].sort(), ['0', '1:2']);
});

test('rooms are named after the other one and ordered by activity', () => {
  const chat = pablo();
  chat.addRoom({ id: '0', names: ['General'] });
  chat.addRoom({ id: '1:2', names: [['Pablo'], ['Joe']] });
  chat.addRoom({ id: '1:9', names: [['Pablo'], [null]] });
  assert.deepEqual([...chat.rooms.values()].map((room) => chat.titleOf(room)), ['General', 'Joe', 'Unknown user']);
  chat.receive(raw(5, '2', '1:2'));
  chat.receive(raw(7, '2', '0'));
  chat.receive(raw(9, '1', '1:9'));
  assert.deepEqual(chat.sortedRooms().map(({ id }) => id), ['1:9', '0', '1:2']);
});

test('unread is what others said while nobody looked', () => {
  const chat = pablo();
  const room = chat.addRoom({ id: '0', names: ['General'] });
  chat.receive(raw(1, '2'));
  chat.receive(raw(2, '1'));
  chat.receive(raw(1, '2'));
  assert.equal(chat.unread(), 1);
  chat.show('0');
  chat.watch(true);
  assert.equal(chat.unread(), 0);
  chat.receive(raw(3, '2'));
  assert.equal(room.unread, 0);
  chat.watch(false);
  // A clock that is slow does not hide a message.
  chat.receive(raw(0, '2'));
  assert.equal(room.unread, 1);
});

test('what comes to a room that was never opened is unread after a reload, what was there is not', async () => {
  const stored = new Map();
  const storage = { getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => stored.set(key, value) };
  const unread = async (numbers) => {
    const chat = new Chat({ id: 1, username: 'Pablo' }, { storage });
    const { server } = syncing();
    server.stored.push(...numbers.map((number) => raw(number)));
    await new Sync({ chat, api: server.api, link: server.link, on: {} }).request();
    return chat.unread();
  };
  assert.deepEqual([await unread([1, 2]), await unread([1, 2, 3]), await unread([1, 2, 3, 4])], [0, 1, 2]);
});

test('a room does not grow for ever, but never under the eyes of its reader', () => {
  const chat = pablo();
  const room = chat.addRoom({ id: '0', names: ['General'] });
  chat.show('0');
  chat.watch(false);
  for (const number of range(1, 700)) chat.receive(raw(number));
  assert.equal(room.messages.length, 700);
  chat.watch(true);
  chat.receive(raw(701));
  assert.deepEqual([texts(room), room.complete], [numbered(402, 701), false]);
});

test('what is not known to be stored outlives a reload', () => {
  const stored = new Map();
  const storage = { getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => stored.set(key, value), removeItem: (key) => stored.delete(key) };
  const chat = pablo();
  chat.addRoom({ id: '0', names: ['General'] });
  chat.compose('0', 'on its way <').state = 'sending';
  chat.compose('0', 'waiting');
  outbox.save('1', chat.unsent(), storage);
  const next = pablo();
  next.restore(outbox.load('1', storage));
  const room = next.rooms.get('0');
  assert.deepEqual(room.outgoing.map(({ state }) => state), ['unknown', 'waiting']);
  assert.deepEqual(room.outgoing.map(({ key }) => key), chat.rooms.get('0').outgoing.map(({ key }) => key));
  next.receive({ ...room.outgoing[0].wire, message: 'on its way &lt' });
  assert.equal(room.outgoing.length, 1);
  outbox.save('1', [], storage);
  assert.deepEqual(outbox.load('1', storage), []);
  for (const text of ['{', '5', '[null, 5, {}, {"state":"x","wire":{}}]']) {
    stored.set('chat.unsent.1', text);
    assert.deepEqual(outbox.load('1', storage), [], text);
  }
});

test('presence is what the server says, and we are here', () => {
  const chat = pablo();
  chat.learn({ 2: { id: '2', username: 'Joe', online: true }, 3: { id: '3', username: 'Mary', online: false } });
  chat.presence({ id: 3, username: 'Mary' }, true);
  assert.deepEqual(chat.othersOnline().map(({ username }) => username), ['Joe', 'Mary']);
  chat.learnOnline({ 1: { id: '1', username: 'Pablo', online: true }, 4: { id: '4', username: 'Alex', online: true } });
  assert.deepEqual(chat.othersOnline().map(({ username }) => username), ['Alex']);
  chat.presence({ id: '1', username: 'Pablo' }, false);
  assert.ok(chat.isOnline('1'));
  for (const odd of [null, 5, 'x', {}]) chat.presence(odd, true);
  assert.deepEqual(chat.othersOnline().map(({ username }) => username), ['Alex']);
});

test('presence that is heard while the list is on its way counts', () => {
  const chat = pablo();
  chat.awaitOnline();
  chat.presence({ id: 2, username: 'Joe' }, true);
  chat.presence({ id: 3, username: 'Mary' }, false);
  chat.learnOnline({ 3: { id: '3', username: 'Mary', online: true }, 4: { id: '4', username: 'Alex', online: true } });
  assert.deepEqual(chat.othersOnline().map(({ username }) => username), ['Alex', 'Joe']);
  chat.presence({ id: { toString: 1 }, username: 'Nobody' }, true);
  chat.presence(null, true);
  chat.learnOnline({});
  assert.deepEqual(chat.othersOnline(), []);
});

/** A server for the sync: what it stores, whether it answers, and what it was told. */
function fakeServer() {
  const server = {
    stored: [],
    sent: [],
    fails: null,
    me: { id: 1, username: 'Pablo' },
    link: { isUp: true, generation: 1, emit: (name, data) => server.sent.push([name, data]), settled: async () => server.sent.push(['settled']) },
  };
  const answer = (make) => async (...words) => {
    if (server.fails) throw server.fails;
    return make(...words);
  };
  server.api = {
    me: answer(() => server.me),
    rooms: answer(() => [{ id: '0', names: ['General'] }]),
    online: answer(() => ({})),
    users: answer((ids) => Object.fromEntries(ids.map((id) => [id, { id, username: `user ${id}`, online: false }]))),
    messages: answer((_room, offset, size) => [...server.stored].sort((a, b) => b.date - a.date).slice(offset, offset + size + 1)),
  };
  return server;
}

function syncing() {
  const server = fakeServer();
  const chat = pablo();
  const ended = [];
  const on = { signedOut: () => ended.push('out'), otherUser: (me) => ended.push(me.username) };
  const doubts = [];
  const later = (doubt) => doubts.push(doubt);
  const sync = new Sync({ chat, api: server.api, link: server.link, on, delay: () => 1, later });
  const lose = () => {
    server.link.isUp = false;
    chat.linkLost();
  };
  const comeBack = () => {
    server.link.isUp = true;
    server.link.generation += 1;
    return sync.request();
  };
  return { server, chat, sync, ended, lose, comeBack, doubts };
}

test('rooms are joined before they are read', async () => {
  const { server, sync, chat } = syncing();
  server.stored.push(raw(1));
  await sync.request();
  assert.deepEqual(server.sent, [['room.join', '0'], ['settled']]);
  assert.deepEqual(texts(chat.rooms.get('0')), ['m1']);
  assert.equal(chat.nameOf('2'), 'user 2');
  await sync.request();
  assert.equal(server.sent.filter(([name]) => name === 'room.join').length, 1);
});

test('a message is sent once, and its echo proves that it arrived', async () => {
  const { server, chat, sync } = syncing();
  await sync.request();
  const message = chat.compose('0', 'hello <there>');
  sync.sendWaiting();
  sync.sendWaiting();
  assert.equal(message.state, 'sending');
  const sent = server.sent.filter(([name]) => name === 'message');
  assert.equal(sent.length, 1);
  chat.receive({ ...sent[0][1], message: 'hello &ltthere&gt' });
  const room = chat.rooms.get('0');
  assert.deepEqual([room.outgoing.length, texts(room)], [0, ['hello &ltthere&gt']]);
});

test('a message that the server says nothing about is looked for in the history', async () => {
  const { server, chat, sync, doubts } = syncing();
  await sync.request();
  const room = chat.rooms.get('0');
  const [lost, kept] = [chat.compose('0', 'refused'), chat.compose('0', 'stored, its echo is late')];
  sync.sendWaiting();
  server.stored.push(kept.wire);
  await doubts.shift()();
  assert.deepEqual([lost.state, room.outgoing, texts(room)], ['failed', [lost], ['stored, its echo is late']]);
  // It comes after all.
  chat.receive(lost.wire);
  assert.deepEqual(room.outgoing, []);
  // Where the echo came in time, nothing is asked.
  const echoed = chat.compose('0', 'echoed');
  sync.sendWaiting();
  chat.receive(echoed.wire);
  const asked = server.sent.length;
  await doubts.shift()();
  assert.equal(server.sent.length, asked);
});

test('a room is joined before something is sent to it, so that the echo is heard', async () => {
  const { server, chat, sync } = syncing();
  await sync.request();
  chat.addRoom({ id: '1:2', names: [['Pablo'], ['Joe']] });
  chat.compose('1:2', 'hello');
  server.sent.length = 0;
  sync.sendWaiting();
  assert.deepEqual(server.sent.map(([name, data]) => [name, data.message ?? data]), [['room.join', '1:2'], ['message', 'hello']]);
});

test('what was on its way is looked for in the history', async () => {
  const { server, chat, sync, lose, comeBack } = syncing();
  await sync.request();
  const [arrived, lost] = [chat.compose('0', 'arrived'), chat.compose('0', 'lost')];
  sync.sendWaiting();
  lose();
  assert.deepEqual([arrived.state, lost.state], ['unknown', 'unknown']);
  server.stored.push(arrived.wire);
  await comeBack();
  const room = chat.rooms.get('0');
  assert.deepEqual([texts(room), room.outgoing.map(({ state }) => state)], [['arrived'], ['failed']]);
  // Not sent again unasked.
  assert.equal(server.sent.filter(([name]) => name === 'message').length, 2);
});

test('what was written without a connection is sent once there is one', async () => {
  const { server, chat, sync, lose, comeBack } = syncing();
  await sync.request();
  lose();
  const message = chat.compose('0', 'later');
  sync.sendWaiting();
  assert.equal(message.state, 'waiting');
  await comeBack();
  assert.equal(message.state, 'sending');
  assert.equal(server.sent.filter(([name]) => name === 'message').length, 1);
});

test('nothing is sent for somebody who is not signed in any more', async () => {
  const { server, chat, sync, ended, lose, comeBack } = syncing();
  await sync.request();
  lose();
  chat.compose('0', 'later');
  server.me = null;
  await comeBack();
  assert.deepEqual(ended, ['out']);
  server.me = { id: '2', username: 'Joe' };
  await comeBack();
  assert.deepEqual(ended, ['out', 'Joe']);
  assert.equal(server.sent.filter(([name]) => name === 'message').length, 0);
});

test('a run that failed is repeated until it works', async () => {
  const { server, chat, sync } = syncing();
  server.fails = Object.assign(new Error('The store is away.'), { status: 503, isPassing: true });
  await sync.request();
  assert.equal(sync.error, 'The store is away.');
  server.fails = null;
  server.stored.push(raw(1));
  const over = Date.now() + 5000;
  while (sync.error !== '' && Date.now() < over) await new Promise((resolve) => setTimeout(resolve, 2));
  assert.equal(sync.error, '');
  assert.deepEqual(texts(chat.rooms.get('0')), ['m1']);
  sync.stop();
});

test('one room that can not be read does not keep the others from it', async () => {
  const { server, chat, sync } = syncing();
  server.api.rooms = async () => [{ id: '0', names: ['General'] }, { id: '1:2', names: [['Pablo'], ['Joe']] }];
  const good = server.api.messages;
  server.api.messages = async (room, ...rest) => {
    if (room === '0') throw Object.assign(new Error('Internal server error.'), { status: 500, isPassing: false, isSignedOut: false });
    return good(room, ...rest);
  };
  server.stored.push(raw(1, '2', '1:2'));
  await sync.request();
  assert.equal(chat.rooms.get('0').error, 'Internal server error.');
  assert.deepEqual(texts(chat.rooms.get('1:2')), ['m1']);
});
