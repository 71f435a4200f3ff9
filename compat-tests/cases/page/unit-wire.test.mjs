// The page's own Engine.IO and Socket.IO client. No server, no browser.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import * as api from '../../../src/page/wire/api.mjs';
import { Link } from '../../../src/page/wire/link.mjs';
import { connectPacket, eventPacket, joinPayload, readOpen, readPacket, readSocketPacket, splitPayload } from '../../../src/page/wire/packets.mjs';
import { PollingTransport } from '../../../src/page/wire/polling.mjs';
import { Socket } from '../../../src/page/wire/socket.mjs';

const OPEN = '0{"sid":"abcdefghijklmnopqrst","upgrades":[],"pingInterval":25000,"pingTimeout":5000}';

test('Engine.IO packets', () => {
  assert.deepEqual(readPacket('2'), { type: 'ping', data: '' });
  assert.deepEqual(readPacket('42["a"]'), { type: 'message', data: '2["a"]' });
  for (const bad of ['', '7', 'x', '9abc', 'b64', null, new ArrayBuffer(2)]) assert.equal(readPacket(bad), null);
  assert.deepEqual(splitPayload(joinPayload(['2', '4x'])), ['2', '4x']);
  assert.equal(readOpen(OPEN.slice(1)).pingInterval, 25_000);
  for (const bad of ['', '{', '{}', 'null', '[]', '{"sid":1,"pingInterval":1,"pingTimeout":1}', '{"sid":"a","pingInterval":0,"pingTimeout":1}']) {
    assert.equal(readOpen(bad), null, bad);
  }
});

test('Socket.IO packets', () => {
  const cases = {
    '0{"sid":"x"}': { type: 'connect', namespace: '/', data: { sid: 'x' } },
    0: { type: 'connect', namespace: '/', data: undefined },
    1: { type: 'disconnect', namespace: '/', data: undefined },
    '2["message",{"a":[1,"}"]}]': { type: 'event', namespace: '/', data: ['message', { a: [1, '}'] }] },
    '217["x"]': { type: 'event', namespace: '/', data: ['x'] },
    '2/admin,["x"]': { type: 'event', namespace: '/admin', data: ['x'] },
    '4/settled-1,{"message":"Invalid namespace"}': { type: 'connect_error', namespace: '/settled-1', data: { message: 'Invalid namespace' } },
    '51-["x",{"_placeholder":true,"num":0}]': { type: 'binary_event', namespace: '/', data: ['x', { _placeholder: true, num: 0 }] },
    '1/admin': { type: 'disconnect', namespace: '/admin', data: undefined },
  };
  for (const [text, packet] of Object.entries(cases)) assert.deepEqual(readSocketPacket(text), packet, text);
  for (const bad of ['', 'x', '7', '9[]', '2["x"', '2abc', '0{']) assert.equal(readSocketPacket(bad), null, bad);
  assert.equal(eventPacket('room.join', '0'), '42["room.join","0"]');
  assert.deepEqual([connectPacket(), connectPacket('/a')], ['40', '40/a,']);
});

/** A transport in the hands of the test. */
class FakeTransport {
  sent = [];
  closed = false;
  start(on) {
    Object.assign(this, on);
  }
  send(packet) {
    this.sent.push(packet);
  }
  close() {
    this.closed = true;
  }
  join() {
    this.onPacket(OPEN);
    this.onPacket('40{"sid":"s"}');
  }
}

function socketUnderTest() {
  const transport = new FakeTransport();
  const events = [];
  const lost = [];
  const socket = new Socket(transport, { onEvent: (...event) => events.push(event), onLost: (why) => lost.push(why) });
  return { transport, socket, events, lost };
}

beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 }));
afterEach(() => mock.timers.reset());

test('a connection opens, hears events and answers pings', async () => {
  const { transport, socket, events } = socketUnderTest();
  const open = socket.open(1000);
  transport.onPacket(OPEN);
  assert.deepEqual(transport.sent, ['40']);
  transport.onPacket('40{"sid":"s"}');
  await open;
  transport.onPacket('42["message",{"a":1}]');
  transport.onPacket('2');
  // What a later server may say, or a broken one.
  for (const packet of ['6', '42[]', '42{}', 'x', '43[]', '4']) transport.onPacket(packet);
  assert.deepEqual(events.filter(([name]) => name), [['message', { a: 1 }]]);
  assert.deepEqual(transport.sent, ['40', '3']);
});

test('a server that does not let the page in is given up', async () => {
  for (const answer of [() => {}, (transport) => transport.onPacket(OPEN), (transport) => transport.onPacket('0{}'), (transport) => transport.onClose('refused')]) {
    const { transport, socket, lost } = socketUnderTest();
    const open = socket.open(1000);
    const rejected = assert.rejects(open);
    answer(transport);
    mock.timers.tick(1000);
    await rejected;
    assert.deepEqual([transport.closed, lost], [true, []]);
  }
});

test('a refusal is told', async () => {
  const { transport, socket } = socketUnderTest();
  const open = socket.open(1000);
  transport.onPacket(OPEN);
  transport.onPacket('44{"message":"not you"}');
  await assert.rejects(open, /not you/);
});

test('silence is the end, any packet is a sign of life', async () => {
  const { transport, socket, lost } = socketUnderTest();
  const open = socket.open(1000);
  transport.join();
  await open;
  mock.timers.tick(30_000);
  transport.onPacket('2');
  mock.timers.tick(30_000);
  assert.deepEqual(lost, []);
  mock.timers.tick(1000);
  assert.equal(lost.length, 1);
  assert.ok(transport.closed);
});

test('after a sleep the clock tells', async () => {
  const { transport, socket, lost } = socketUnderTest();
  const open = socket.open(1000);
  transport.join();
  await open;
  socket.check();
  assert.deepEqual(lost, []);
  mock.timers.setTime(1_000_000 + 3_600_000);
  socket.check();
  assert.equal(lost.length, 1);
});

test('a fence tells when everything before it is dealt with', async () => {
  const { transport, socket } = socketUnderTest();
  await assert.rejects(socket.settled());
  const open = socket.open(1000);
  transport.join();
  await open;
  socket.emit('room.join', '0');
  const settled = socket.settled();
  assert.deepEqual(transport.sent, ['40', '42["room.join","0"]', '40/settled-1,']);
  transport.onPacket('44/settled-1,{"message":"Invalid namespace"}');
  await settled;
  // A server that knows no such refusal only costs time.
  const unanswered = socket.settled();
  mock.timers.tick(5000);
  await unanswered;
  const never = assert.rejects(socket.settled(), /lost/);
  transport.onClose('gone');
  await never;
});

/** Lets promises go on while timers stand still. */
const turns = async () => {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
};

function linkUnderTest({ limits = [100, 100] } = {}) {
  const opened = [];
  const log = [];
  const way = (name, limit) => ({
    limit,
    open: () => {
      const transport = new FakeTransport();
      transport.name = name;
      opened.push(transport);
      return transport;
    },
  });
  const on = { up: () => log.push('up'), lost: () => log.push('lost'), event: () => {}, changed: () => log.push(link.state) };
  const link = new Link(on, { ways: [way('first', limits[0]), way('second', limits[1])], delay: (attempt) => 1000 * (attempt + 1) });
  return { link, opened, log };
}

test('where the first way is closed the second is taken', async () => {
  const { link, opened, log } = linkUnderTest();
  link.start();
  opened[0].onClose('refused');
  await turns();
  opened[1].join();
  await turns();
  assert.deepEqual([opened.map(({ name }) => name), log], [['first', 'second'], ['connecting', 'up', 'up']]);
  link.stop();
});

test('a first way that passes no frames is given up in time', async () => {
  const { link, opened } = linkUnderTest();
  link.start();
  opened[0].onPacket(OPEN);
  mock.timers.tick(100);
  await turns();
  assert.deepEqual([opened.length, opened[0].closed], [2, true]);
  link.stop();
});

test('a lost connection comes back, later each time it fails', async () => {
  const { link, opened, log } = linkUnderTest();
  link.start();
  opened[0].join();
  await turns();
  opened[0].onClose('gone');
  assert.deepEqual(log.slice(-2), ['lost', 'waiting']);
  assert.equal(link.retryAt, 1_001_000);
  mock.timers.tick(1000);
  opened[1].onClose('refused');
  await turns();
  opened[2].onClose('refused');
  await turns();
  assert.equal(link.retryAt, 1_001_000 + 2000);
  link.tryNow();
  link.tryNow();
  assert.equal(opened.length, 4);
  opened[3].join();
  await turns();
  assert.deepEqual([link.state, link.generation], ['up', 2]);
  link.stop();
});

test('a connection that is stopped stays so', async () => {
  for (const when of ['connecting', 'up', 'waiting']) {
    const { link, opened, log } = linkUnderTest();
    link.start();
    if (when === 'up') opened[0].join();
    if (when === 'waiting') {
      opened[0].onClose('refused');
      await turns();
      opened[1].onClose('refused');
    }
    await turns();
    assert.equal(link.state, when);
    const count = opened.length;
    link.stop();
    await turns();
    mock.timers.tick(60_000);
    await turns();
    assert.deepEqual([opened.length, link.state, opened.at(-1).closed], [count, 'stopped', true]);
    assert.ok(!log.includes('lost'));
  }
});

/** What a polling transport asks for; the test answers. */
function pollingUnderTest() {
  const requests = [];
  const fetch = (url, options) =>
    new Promise((resolve, reject) => {
      const answer = (text, status = 200) => resolve({ ok: status === 200, status, text: async () => text });
      requests.push({ url, answer, reject, ...options });
    });
  const packets = [];
  const closed = [];
  const transport = new PollingTransport(fetch);
  transport.start({ onPacket: (packet) => packets.push(packet), onClose: (why) => closed.push(why) });
  return { transport, requests, packets, closed };
}

test('polling always listens, and says one thing after the other', async () => {
  const { transport, requests, packets } = pollingUnderTest();
  requests[0].answer(OPEN);
  await turns();
  assert.match(requests[1].url, /transport=polling&sid=abcdefghijklmnopqrst$/);
  transport.send('40');
  transport.send('42["a"]');
  await turns();
  assert.deepEqual([requests[2].method, requests[2].body], ['POST', '40\x1e42["a"]']);
  transport.send('42["b"]');
  await turns();
  assert.equal(requests.length, 3);
  requests[2].answer('ok');
  await turns();
  assert.equal(requests[3].body, '42["b"]');
  requests[1].answer('40{}\x1e2');
  await turns();
  assert.deepEqual(packets, [OPEN, '40{}', '2']);
  assert.equal(requests[4].method, 'GET');
});

test('polling that is refused is a lost connection, once', async () => {
  const { transport, requests, closed } = pollingUnderTest();
  requests[0].answer(OPEN);
  await turns();
  transport.send('40');
  await turns();
  requests[1].answer('{"code":1}', 400);
  requests[2].reject(new Error('gone'));
  await turns();
  assert.equal(closed.length, 1);
});

test('polling that is closed says so', async () => {
  const { transport, requests, closed } = pollingUnderTest();
  requests[0].answer(OPEN);
  await turns();
  transport.close();
  transport.close();
  assert.ok(requests[1].signal.aborted);
  assert.deepEqual([requests.length, requests[2].body, requests[2].keepalive], [3, '1', true]);
  assert.deepEqual(closed, []);
});

test('names are asked for in short requests, and only of ids that somebody can have', async (t) => {
  const asked = [];
  t.mock.method(globalThis, 'fetch', async (path) => {
    const ids = new URL(path, 'http://host').searchParams.getAll('ids[]');
    asked.push({ ids, length: path.length });
    return { ok: true, status: 200, text: async () => JSON.stringify(Object.fromEntries(ids.map((id) => [id, { id }]))) };
  });
  // What anybody may write as the sender of a message.
  const hostile = ['\ud800', 'a\udc00', 'x'.repeat(70_000), 'é'.repeat(2000)];
  const ids = Array.from({ length: 1000 }, (_, index) => String(index + 1));
  const found = await api.users([...hostile, ...ids, '😀&ids[]=7']);
  assert.deepEqual(Object.keys(found).sort(), [...ids, '😀&ids[]=7'].sort());
  assert.deepEqual(asked.flatMap((request) => request.ids), [...ids, '😀&ids[]=7']);
  assert.ok(asked.every(({ length }) => length < 5000));
  assert.deepEqual(await api.users(hostile), {});
});
