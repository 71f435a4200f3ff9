// Engine.IO from outside: handshake, polling, WebSocket, upgrade (realtime.md §1-§4).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Polling, RS, Ws, brief } from '../../lib/engine.mjs';
import { cameOnline, messageIn, parsed, random, useWire } from '../../lib/wire.mjs';

const t = useWire();
const OPEN = (upgrades) => new RegExp(`^0\\{"sid":"[\\w-]{16,}","upgrades":${upgrades},"pingInterval":25000,"pingTimeout":5000\\}$`);
const refusal = (code, message) => ({ status: 400, type: 'application/json', text: JSON.stringify({ code, message }) });
const told = ({ status, headers, text }) => ({ status, type: headers['content-type'], text });
const engine = (query, options) => t.request('/socket.io/', { query, ...options });

const polling = async (options) => t.keep(await new Polling(t.server.base, options).open());

describe('handshake', () => {
  for (const eio of ['4', '3', 'abc']) {
    test(`by polling, EIO=${eio}`, async () => {
      const { status, headers, text } = await engine(`EIO=${eio}&transport=polling`);
      assert.deepEqual([status, headers['content-type']], [200, 'text/plain; charset=UTF-8']);
      assert.match(text, OPEN('\\["websocket"\\]'));
      for (const name of ['set-cookie', 'x-powered-by', 'access-control-allow-origin', 'vary']) assert.equal(headers[name], undefined, name);
    });
  }
  test('by websocket', async () => {
    const ws = t.keep(await Ws.open(t.server.base));
    assert.match(await ws.next(), OPEN('\\[\\]'));
  });
  test('ids differ', async () => {
    const sids = await Promise.all(Array.from({ length: 20 }, async () => (await polling()).sid));
    assert.equal(new Set(sids).size, 20);
  });
  for (const query of ['', 'EIO=4', 'EIO=4&transport=carrier', 'EIO=4&transport=Polling', 'transport=polling&transport=polling']) {
    test(`?${query}: Transport unknown`, async () => assert.deepEqual(told(await engine(query)), refusal(0, 'Transport unknown')));
  }
  test('Session ID unknown', async () => {
    assert.deepEqual(told(await engine(`EIO=4&transport=polling&sid=${random()}`)), refusal(1, 'Session ID unknown'));
  });
  test('Bad handshake method', async () => {
    assert.deepEqual(told(await engine('EIO=4&transport=polling', { method: 'POST', body: '40' })), refusal(2, 'Bad handshake method'));
  });
  test('websocket without an upgrade: Bad request', async () => {
    assert.deepEqual(told(await engine('EIO=4&transport=websocket')), refusal(3, 'Bad request'));
  });
  test('/socket.io without its slash is a path like any other', async () => {
    assert.equal((await t.request('/socket.io', { query: 'EIO=4&transport=polling' })).status, 404);
  });
  test('a refused websocket: the message as text', async () => {
    const { refused } = await Ws.open(t.server.base, { sid: random() });
    assert.deepEqual([refused.status, refused.text], [400, 'Session ID unknown']);
  });
});

describe('polling', () => {
  test('packets in one POST are answered ok and taken in order', async () => {
    const person = await t.newcomer();
    const client = await polling({ cookie: person.cookie });
    const post = await client.post('40');
    assert.deepEqual(brief(post), { status: 200, headers: { 'content-type': 'text/html' }, body: 'ok' });
    assert.match((await client.get()).text, /^40\{"sid":"[\w-]+"\}$/);
  });
  test('a GET is held until there is something', async () => {
    const client = await polling({ cookie: (await t.newcomer()).cookie });
    await client.post('40');
    await client.get();
    const waiting = client.get();
    const person = await t.newcomer();
    await t.socket(person);
    const { text } = await waiting;
    assert.ok(text.split(RS).every((packet) => packet === '2' || packet.startsWith('42[')), text);
  });
  test('a chat by polling alone', async () => {
    const { b, room, atA, atB } = await t.pair({ transport: 'polling' });
    for (let n = 0; n < 20; n += 1) atB.send(`42${JSON.stringify(['message', t.message(b, room, `n${n}`)])}`);
    await atA.next(messageIn(room, 'n19'));
    const texts = atA.frames.filter(messageIn(room)).map((frame) => parsed(frame).message).filter((text) => /^n\d+$/.test(text));
    assert.deepEqual(texts, Array.from({ length: 20 }, (_, n) => `n${n}`));
  });
  test('a close packet ends the session', async () => {
    const client = await polling();
    await client.post('1');
    assert.deepEqual(told(await client.get()), refusal(1, 'Session ID unknown'));
  });
  test('polling with the sid of a websocket: Bad request', async () => {
    const ws = t.keep(await Ws.open(t.server.base));
    const { sid } = JSON.parse((await ws.next()).slice(1));
    assert.deepEqual(told(await engine(`EIO=4&transport=polling&sid=${sid}`)), refusal(3, 'Bad request'));
    await ws.connectNs();
  });
});

describe('upgrade', () => {
  test('the probe is answered, the held GET released, the session goes on by websocket', async () => {
    const [a, b] = [await t.newcomer(), await t.newcomer()];
    const room = await t.room(a, b);
    const witness = await t.witness();
    const client = await polling({ cookie: a.cookie });
    await client.post('40');
    assert.match((await client.get()).text, /^40\{/);
    await witness.next(cameOnline(a));

    const ws = t.keep(await Ws.open(t.server.base, { sid: client.sid, cookie: a.cookie }));
    ws.send('2probe');
    assert.equal(await ws.next(), '3probe');
    // Foreign people's events may come by polling until the noop does.
    for (let n = 0; n < 50; n += 1) if ((await client.get()).text.split(RS).at(-1) === '6') break;
    ws.send('5');
    await t.join(ws, a, room);
    assert.deepEqual(told(await client.get()), refusal(3, 'Bad request'));
    assert.deepEqual(told(await client.post('3')), refusal(3, 'Bad request'));
    await t.join(ws, a, room);
  });
  test('a failed probe leaves the session alone', async () => {
    const client = await polling();
    const ws = await Ws.open(t.server.base, { sid: client.sid });
    ws.send('2nonsense');
    await ws.closing();
    assert.ok(await client.alive());
  });
  test('a second websocket on the session is closed, the first goes on', async () => {
    const person = await t.newcomer();
    const client = await polling({ cookie: person.cookie });
    const first = t.keep(await Ws.open(t.server.base, { sid: client.sid }));
    first.send('2probe');
    assert.equal(await first.next(), '3probe');
    const second = await Ws.open(t.server.base, { sid: client.sid });
    assert.deepEqual(await second.closing(), { closed: 1005 });
    const witness = await t.witness();
    first.send('5');
    await first.connectNs();
    await witness.next(cameOnline(person));
  });
});
