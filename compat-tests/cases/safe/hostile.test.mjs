// Clients that mean harm: what they hold is bounded, they are let go of, and others go on. `make hostile` has the
// figures at full size (docs/OPERATIONS.md, realtime.md §10.2).
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { PATH, Polling, request } from '../../lib/engine.mjs';
import { MEBI, PONG, badFrames, badPayloads, badRequests, bombs, connection, frame, heldOf, provoke, rssOf, webSocket } from '../../lib/hostile.mjs';
import { isMessage, message, random, useSafe } from '../../lib/safe.mjs';

/** Answers a heartbeat every second, and never joins the chat: it is there from the first case to the last. */
let idler;
function idle() {
  idler = webSocket(t.server.port, { join: false });
  idler.pongs = setInterval(() => idler.socket.write(PONG), 1_000);
}
after(() => clearInterval(idler.pongs));

const t = useSafe({ env: { STALL_TIMEOUT: '1', UNFINISHED_BYTES: String(8 * MEBI), ANSWER_BYTES: String(16 * MEBI), PING_INTERVAL: '600', LIMITS: 'off' }, further: idle });

const eventually = async (check, what, ms = 20_000) => {
  for (const until = Date.now() + ms; !(await check());) {
    assert.ok(Date.now() < until, what);
    await sleep(50);
  }
};
const openSid = async () => /"sid":"([^"]+)/.exec((await t.request(PATH, { query: 'EIO=4&transport=polling' })).text)[1];

/** A conversation works. */
async function works() {
  const person = await t.newcomer();
  const socket = await t.socket(person);
  const text = random();
  socket.emit('message', message(person, '0', text));
  await socket.next(isMessage(text));
}

describe('what is not complete', () => {
  test('is bounded over all connections: who sends more of much is closed, who sends little is not', async () => {
    const before = rssOf(t.server.pid);
    const half = frame('x'.repeat(900_000), { announced: 1_000_000 });
    const large = Array.from({ length: 40 }, () => webSocket(t.server.port, { then: ({ socket }) => socket.write(half) }));
    await eventually(() => large.filter(({ closed }) => closed !== undefined).length >= 30, 'the rest is closed');
    await works();
    assert.ok(rssOf(t.server.pid) - before < 40 * MEBI, `${rssOf(t.server.pid) - before} bytes more`);
    for (const { socket } of large) socket.destroy();
  });
  test('bodies of polling POSTs are counted too', async () => {
    const bodies = [];
    for (let i = 0; i < 20; i += 1) {
      const first = `POST ${PATH}?EIO=4&transport=polling&sid=${await openSid()} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(900_000)}`;
      bodies.push(connection(t.server.port, { first }));
    }
    await eventually(() => bodies.filter(({ closed }) => closed !== undefined).length >= 10, 'the rest is closed');
    for (const { socket } of bodies) socket.destroy();
    await works();
  });
});

describe('a binary event', () => {
  const hole = (num) => ({ _placeholder: true, num });
  const packet = (person, attachments, more) => `45${attachments}-${JSON.stringify(['message', message(person, '0', 'binary', more)])}`;
  test('names each of its attachments once, or its connection is closed', async () => {
    const person = await t.newcomer();
    const [socket, other] = [await t.socket(person), await t.socket(person)];
    const before = rssOf(t.server.pid);
    // Each placeholder would be 100 kB to store and to send.
    socket.send(packet(person, 1, { parts: Array(1_000).fill(hole(0)) }), Buffer.alloc(100_000));
    await socket.closing(5_000);
    assert.ok(rssOf(t.server.pid) - before < 16 * MEBI, `${rssOf(t.server.pid) - before} bytes more`);
    other.send(packet(person, 2, { parts: [hole(1), hole(0)] }), Buffer.from([1]), Buffer.from([2]));
    await other.next((frame) => frame.startsWith?.('452-'));
    assert.deepEqual([await other.next((frame) => frame.bin), await other.next((frame) => frame.bin)], [{ bin: '02' }, { bin: '01' }]);
    assert.equal((await person.get('/room/0/messages?offset=0&size=1')).at(0).parts.length, 2);
  });
  test('of nobody is answered as any other', async () => {
    const nobody = await t.socket();
    nobody.send('451-8["message",{"a":{"_placeholder":true,"num":0}}]', Buffer.from('x'));
    assert.equal(await nobody.next((frame) => frame.startsWith?.('438')), '438[{"message":"You are not signed in"}]');
    nobody.send('429["message"]');
    assert.equal(await nobody.next((frame) => frame.startsWith?.('439')), '439[{"message":"You are not signed in"}]');
  });
  test('of which attachments are missing is bounded with all that is not complete', { timeout: 60_000 }, async () => {
    const person = await t.newcomer();
    const sockets = [];
    for (let n = 0; n < 30; n += 1) sockets.push(await t.socket(person));
    const nobody = await t.socket();
    const before = rssOf(t.server.pid);
    const large = `459-["message","${'x'.repeat(900_000)}"]`;
    for (const socket of [nobody, ...sockets]) socket.send(large);
    await eventually(() => sockets.filter(({ closed }) => closed?.closed === 1013).length >= 20, 'the rest is closed');
    await works();
    // What an event would hold that has no effect is not kept at all.
    assert.equal(nobody.closed, undefined);
    assert.ok(rssOf(t.server.pid) - before < 48 * MEBI, `${rssOf(t.server.pid) - before} bytes more`);
  });
});

/** Connections that ask for much, again and again: the first case below leaves long messages. */
const asking = ({ cookie }, count) => {
  const first = `GET /room/0/messages?offset=0&size=50 HTTP/1.1\r\nHost: x\r\nCookie: ${cookie}\r\n\r\n`.repeat(20);
  return Array.from({ length: count }, () => connection(t.server.port, { first }));
};

describe('who does not read', () => {
  test('on a WebSocket is let go of, though its heartbeat goes on', { timeout: 60_000 }, async () => {
    const person = await t.newcomer();
    const speaker = await t.socket(person);
    const stuck = Array.from({ length: 5 }, () => webSocket(t.server.port, { cookie: person.cookie }));
    await Promise.all(stuck.map(({ ready }) => ready));
    assert.equal(heldOf(t.server.port, stuck), 5);
    stuck.forEach(({ socket }) => socket.pause());
    const text = 'w'.repeat(100_000);
    await eventually(async () => {
      stuck.forEach(({ socket }) => socket.write(PONG));
      speaker.emit('message', message(person, '0', text));
      return heldOf(t.server.port, stuck) === 0;
    }, 'their connections are closed', 40_000);
    stuck.forEach(({ socket }) => socket.destroy());
    await works();
  });
  test('an answer is let go of', { timeout: 60_000 }, async () => {
    const person = await t.newcomer();
    const stuck = asking(person, 3);
    // The server is at it before they stop.
    await eventually(() => stuck.every(({ received }) => received > 0), 'the answers begin');
    stuck.forEach(({ socket }) => socket.pause());
    await eventually(() => heldOf(t.server.port, stuck) === 0, 'their connections are closed');
    stuck.forEach(({ socket }) => socket.destroy());
  });
  test('answers is bounded with all others: there are no more long ones until they are let go of', { timeout: 60_000 }, async () => {
    const person = await t.newcomer();
    const history = (offset = 0) => t.request('/room/0/messages', { query: `offset=${offset}&size=50`, headers: { Cookie: person.cookie } });
    const before = rssOf(t.server.pid);
    assert.ok((await history()).text.length > 2 * MEBI);
    const stuck = asking(person, 40);
    stuck.forEach(({ socket }) => socket.pause());
    await eventually(async () => {
      const { status, text } = await history();
      return status === 503 && JSON.parse(text).message === 'Service unavailable, try again later';
    }, 'a long one is refused');
    // All else goes on.
    assert.equal((await history(1_000_000)).status, 200);
    await works();
    assert.ok(rssOf(t.server.pid) - before < 128 * MEBI, `${rssOf(t.server.pid) - before} bytes more`);
    await eventually(async () => (await history()).status === 200, 'they are made again');
    stuck.forEach(({ socket }) => socket.destroy());
  });
  test('polling answers takes little memory, though much waits for each', { timeout: 60_000 }, async () => {
    const person = await t.newcomer();
    const speaker = await t.socket(person);
    const polling = await Promise.all(Array.from({ length: 40 }, async () => {
      const one = await new Polling(t.server.base, { cookie: person.cookie }).open();
      await one.post('40');
      return one;
    }));
    const before = rssOf(t.server.pid);
    for (let n = 0; n < 30; n += 1) {
      const text = `${random()}${'w'.repeat(500_000)}`;
      speaker.emit('message', message(person, '0', text));
      await speaker.next(isMessage(text));
    }
    // All of it at once for each would be 600 MB. A script of one packet has to be copied.
    const stuck = polling.map(({ query, sid }, n) => connection(t.server.port, { first: `GET ${PATH}?${query}&sid=${sid}${n % 2 ? '' : '&j=1'} HTTP/1.1\r\nHost: x\r\n\r\n` }));
    stuck.forEach(({ socket }) => socket.pause());
    for (const until = Date.now() + 2_000; Date.now() < until; await sleep(20)) {
      assert.ok(rssOf(t.server.pid) - before < 96 * MEBI, `${rssOf(t.server.pid) - before} bytes more`);
    }
    await works();
    stuck.forEach(({ socket }) => socket.destroy());
  });
});

test('malformed and oversized requests are refused', { timeout: 60_000 }, async () => {
  await Promise.all(badRequests().map(async ([what, bytes, statuses]) => {
    const { status, closed } = await provoke(t.server.port, bytes);
    assert.ok(statuses.includes(status) || (status === undefined && closed), `${what}: ${status}`);
  }));
  await works();
});

test('malformed and oversized frames end their connection', { timeout: 60_000 }, async () => {
  await Promise.all(badFrames().map(async ([what, bytes]) => {
    const one = webSocket(t.server.port, { then: ({ socket }) => socket.write(bytes) });
    await eventually(() => one.closed !== undefined, what);
    one.socket.destroy();
  }));
  await works();
});

test('malformed and oversized payloads end their session', { timeout: 60_000 }, async () => {
  for (const [what, body] of badPayloads()) {
    const query = `EIO=4&transport=polling&sid=${await openSid()}`;
    await request(t.server.base, { method: 'POST', query, body }).catch(() => {});
    assert.equal((await t.request(PATH, { query })).status, 400, what);
  }
  await works();
});

test('compressed bombs are not inflated', { timeout: 60_000 }, async () => {
  const before = rssOf(t.server.pid);
  for (const [what, bytes] of bombs(64 * MEBI, await openSid())) {
    const { status, closed } = await provoke(t.server.port, bytes);
    assert.ok([400, 413, 415, 200].includes(status) || closed, `${what}: ${status}`);
  }
  assert.ok(rssOf(t.server.pid) - before < 32 * MEBI, `${rssOf(t.server.pid) - before} bytes more`);
  await works();
});

test('who never joins is let go of, though its heartbeat goes on', { timeout: 60_000 }, async () => {
  await eventually(() => idler.closed !== undefined, 'its connection is closed', 40_000);
  idler.socket.destroy();
  // The original keeps it for 45 s.
  assert.ok(idler.closed > 20_000 && idler.closed < 40_000, `${idler.closed} ms`);
});
