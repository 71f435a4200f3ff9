// Long polling (realtime.md §2).
import assert from 'node:assert/strict';
import { gunzipSync, inflateSync } from 'node:zlib';
import { RS, brief, held, request } from '../../lib/engine.mjs';
import { message, suite } from '../../lib/rt-world.mjs';

const { scenario } = suite('polling');

const OK = { status: 200, headers: { 'content-type': 'text/html' }, body: 'ok' };
const UNKNOWN_SID = { status: 400, headers: { 'content-type': 'application/json' }, body: '{"code":1,"message":"Session ID unknown"}' };
const isMessage = (frame) => typeof frame === 'string' && frame.startsWith('42["message"');

/** A polling client that polls only when told to. */
const manual = (world, options) => world.polling({ loop: false, ...options });

/** Until the envelopes published so far have reached the server: a websocket got the last one. */
async function reached(world) {
  world.probe ??= await world.ws();
  await world.fence(world.probe);
}

/** Packets of all answers until one of them satisfies `last`. Fences are left out. */
async function drain(client, last) {
  const packets = [];
  let answers = 0;
  while (!packets.some(last)) {
    packets.push(...(await client.get()).text.split(RS));
    answers += 1;
  }
  return { packets: packets.filter((packet) => !packet.startsWith('42["fence"')), answers };
}

scenario('poll.connect', async (world) => {
  const client = await manual(world, { ns: false });
  const post = await client.post('40');
  const get = await client.get();
  return {
    post: brief(post),
    postLength: post.headers['content-length'],
    get: { status: get.status, headers: { type: get.headers['content-type'] }, body: get.text },
  };
});

scenario('poll.held', async (world) => held((await manual(world)).get()));

scenario('poll.held-fresh', async (world) => {
  const client = await manual(world, { ns: false });
  assert.deepEqual(await held(client.get(), 1000), { err: 'HELD' });
});

scenario('poll.release', async (world) => {
  const client = await manual(world, { ns: false });
  const get = client.get();
  await held(get, 100);
  await client.post('40');
  const { text, status } = await get;
  return { body: text, status };
});

scenario('poll.multi-out', async (world) => {
  const client = await manual(world);
  for (let i = 0; i < 5; i += 1) await world.publish('probe', { i });
  await reached(world);
  const get = await client.get();
  return { body: get.text.split(RS).filter((packet) => !packet.includes('"fence"')).join(RS), type: get.headers['content-type'] };
});

scenario('poll.multi-in', async (world) => {
  const a = await world.user('a');
  const client = await manual(world, { user: a });
  const packets = [['room.join', 'mi'], ['message', message(a, 'mi', 'x', 1)]];
  const post = await client.post(packets.map((packet) => `42${JSON.stringify(packet)}`).join(RS));
  const { packets: got } = await drain(client, isMessage);
  return { post: brief(post), got };
});

scenario('poll.connect-and-event-in-one-post', async (world) => {
  const a = await world.user('a');
  const client = await world.polling({ user: a, ns: false });
  await client.post(`40${RS}42${JSON.stringify(['message', message(a, '0', 'early')])}`);
  await client.next((frame) => frame.startsWith('40'));
  await world.fence(client);
  return { got: client.frames.slice(1).filter((frame) => !client.isNoise(frame)), alive: await client.alive() };
});

// What a POST body does while a GET waits (§2.4): null = the GET stays held.
const bodies = {
  'garbage': ['hello', '1'],
  'empty': ['', '1'],
  'separator': [RS, '1'],
  'ping': ['2', null],
  'ping-probe': ['2probe', null],
  'pong': ['3', null],
  'noop': ['6', null],
  'open': ['0', null],
  'upgrade': ['5', null],
  'protocol-3': ['2:40', null],
  'close': ['1', '6'],
  'unknown-type': ['7', '1'],
  'msg-empty': ['4', '1'],
  'bad-socketio': ['49["x"]', '1'],
  'b64-unexpected': ['bAQID', '1'],
  'bad-after-good': [`42["nothing"]${RS}x`, '1'],
  'high-byte': ['é', '1'],
};
for (const [name, [body, answer]] of Object.entries(bodies)) {
  scenario(`poll.body.${name}`, async (world) => {
    const client = await manual(world);
    const waiting = client.get();
    await held(waiting, 50);
    const post = brief(await client.post(body));
    const get = await held(waiting);
    const alive = await client.alive();
    assert.deepEqual({ post, get, alive }, {
      post: OK, get: answer === null ? { err: 'HELD' } : { status: 200, body: answer }, alive: body === '1' ? false : answer === null,
    });
    return { post, get, alive };
  });
}

scenario('poll.body.good-before-bad', async (world) => {
  const a = await world.user('a');
  const client = await manual(world, { user: a });
  const since = world.bus.mark();
  await client.post(`42${JSON.stringify(['message', message(a, '0', 'good before bad')])}${RS}x`);
  await world.bus.next(({ data }) => data?.message === 'good before bad', since);
  await world.bus.presence('user.disconnected', a.id, since);
  // The original leaves before it marks the sender online again.
  await world.client.srem('online_users', a.id);
});

scenario('poll.close', async (world) => {
  const a = await world.user('a');
  const client = await manual(world, { user: a });
  const since = world.bus.mark();
  assert.deepEqual(brief(await client.post('1')), OK);
  await world.bus.presence('user.disconnected', a.id, since);
});

scenario('poll.close-idle', async (world) => {
  const client = await manual(world);
  const post = brief(await client.post('1'));
  return { post, after: brief(await client.get()) };
});

scenario('poll.two-gets', async (world) => {
  const client = await manual(world);
  const first = client.get();
  await held(first, 100);
  const second = brief(await client.get());
  assert.deepEqual(second, { status: 500, headers: {}, body: '' });
  assert.deepEqual(await held(first, 3000), { status: 200, body: '1' });
  assert.deepEqual(brief(await client.get()), UNKNOWN_SID);
});

scenario('poll.two-posts', async (world) => {
  const client = await manual(world);
  const first = client.request({ method: 'POST', headers: { 'content-length': '20' }, chunks: ['42["no'] });
  await held(first, 200);
  assert.deepEqual(brief(await client.post('3')), { status: 500, headers: {}, body: '' });
  first.abort();
  assert.deepEqual(brief(await client.get()), UNKNOWN_SID);
});

const sized = (bytes) => `42["nothing","${'w'.repeat(bytes - 15)}"]`.slice(0, bytes - 2) + '"]';

scenario('poll.limit-1e6', async (world) => {
  const client = await manual(world);
  return { r: brief(await client.post(sized(1_000_000))), alive: await client.alive() };
});

/** The answer or the error of a POST that is too big. */
const attempt = (post) => post.then(brief, (error) => ({ err: error.code }));
const cutOrRefused = ({ err, status }) => err !== undefined || status >= 400;

scenario('poll.limit-1e6+1', async (world) => {
  const client = await manual(world);
  return { r: await attempt(client.post(sized(1_000_001))), alive: await client.alive() };
}, { or: (got) => cutOrRefused(got.r) && !got.alive });

scenario('poll.limit-chunked', async (world) => {
  const client = await manual(world);
  const chunks = Array.from({ length: 30 }, () => 'w'.repeat(100_000));
  const r = await attempt(client.request({ method: 'POST', headers: {}, chunks }));
  return { cut: cutOrRefused(r), alive: await client.alive() };
});

scenario('poll.content-type', async (world) => {
  const client = await manual(world);
  const observed = {};
  for (const type of ['application/octet-stream', 'text/html', 'application/json', 'none']) {
    const headers = type === 'none' ? {} : { 'content-type': type };
    observed[type] = (await client.post('3', { headers })).status;
  }
  return observed;
});

/** Polls one event of `size` bytes with `accept` as Accept-Encoding. */
async function encoded(world, size, accept) {
  const client = await manual(world);
  await world.publish('gzp', 'w'.repeat(size - 12));
  const answer = await client.get({ headers: accept ? { 'accept-encoding': accept } : {} });
  await client.close();
  const enc = answer.headers['content-encoding'] ?? null;
  const bytes = { gzip: gunzipSync, deflate: inflateSync }[enc]?.(answer.bytes) ?? answer.bytes;
  assert.equal(Number(answer.headers['content-length']), answer.bytes.length);
  return { enc, vary: answer.headers.vary ?? null, type: answer.headers['content-type'], len: bytes.length };
}

scenario('poll.gzip', async (world) => {
  const accepts = ['gzip 2000', 'gzip 100', 'deflate 2000', 'br 2000', 'gzip, deflate, br 2000', 'deflate, gzip 2000',
    'gzip;q=0.1, deflate;q=0.9 2000', '- 2000', '* 2000', 'identity 2000'];
  const observed = {};
  for (const key of accepts) {
    const [, accept, text] = /^(.*) (\d+)$/.exec(key);
    observed[key] = await encoded(world, Number(text) + 12, accept === '-' ? undefined : accept);
  }
  return observed;
});

scenario('poll.gzip-threshold', async (world) => ({
  1023: (await encoded(world, 1023, 'gzip')).enc,
  1024: (await encoded(world, 1024, 'gzip')).enc,
}));

scenario('poll.gzip-open', async (world) => {
  const answer = await request(world.base, { query: 'EIO=4&transport=polling', headers: { 'accept-encoding': 'gzip' } });
  return { enc: answer.headers['content-encoding'] ?? null };
});

scenario('poll.abort-get', async (world) => {
  const [a, b] = [await world.user('a'), await world.user('b')];
  const watcher = await world.ws({ user: b });
  const client = await manual(world, { user: a });
  const get = client.get();
  await held(get, 100);
  get.abort();
  // Well before the heartbeat would notice (§5).
  const seen = await watcher.next((frame) => frame.includes('user.disconnected'), 5000);
  return { seen, alive: await client.alive() };
});

scenario('poll.abort-post', async (world) => {
  const a = await world.user('a');
  const client = await manual(world, { user: a });
  const since = world.bus.mark();
  const post = client.request({ method: 'POST', headers: { 'content-length': '20' }, chunks: ['42["no'] });
  await held(post, 200);
  post.abort();
  await world.bus.presence('user.disconnected', a.id, since, 5000);
  return { alive: await client.alive() };
});

scenario('poll.invalid-utf8', async (world) => {
  const a = await world.user('a');
  const client = await manual(world, { user: a });
  await client.post('42["room.join","iu"]');
  const [before, after] = `42${JSON.stringify(['message', { from: String(a.id), date: 1, roomId: 'iu', message: 'a|b' }])}`.split('|');
  const post = await client.post(Buffer.concat([Buffer.from(before), Buffer.from([0xff, 0xfe]), Buffer.from(after)]));
  return { post: brief(post), got: (await drain(client, isMessage)).packets };
});

const withFile = (user, room) => `451-${JSON.stringify(['message', { ...message(user, room, 'x', 1), f: { _placeholder: true, num: 0 } }])}`;

scenario('poll.binary-out', async (world) => {
  const [a, b] = [await world.user('a'), await world.user('b')];
  const ws = await world.ws({ user: a, rooms: ['bo'] });
  const client = await world.polling({ user: b });
  await client.emit('room.join', 'bo');
  ws.mark();
  client.mark();
  ws.send(withFile(a, 'bo'), Buffer.from([1, 2, 3]));
  await ws.waitFor((socket) => socket.events().length >= 2);
  await client.waitFor((socket) => socket.events().length >= 3);
  return { poll: client.events(), ws: ws.events() };
});

scenario('poll.binary-in', async (world) => {
  const a = await world.user('a');
  const client = await manual(world, { user: a });
  await client.post('42["room.join","bi"]');
  const post = await client.post(`${withFile(a, 'bi')}${RS}bAQID`);
  return { post: brief(post), got: (await drain(client, (packet) => packet.startsWith('b'))).packets };
});

scenario('poll.big-backlog', async (world) => {
  const client = await manual(world);
  for (let i = 0; i < 40; i += 1) await world.publish('big', `${i}:${'w'.repeat(60_000)}`);
  await reached(world);
  const { packets } = await drain(client, (packet) => packet.startsWith('42["big","39:'));
  const order = packets.map((packet) => Number(packet.slice(10, packet.indexOf(':'))));
  return { got: packets.length, inOrder: order.every((n, i) => n === i) };
});
