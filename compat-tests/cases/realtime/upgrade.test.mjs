// Upgrading a polling session to a websocket (realtime.md §4). The cases that wait for
// the 10 s limits are in slow.test.mjs.
import assert from 'node:assert/strict';
import { RS, brief, held } from '../../lib/engine.mjs';
import { message, suite } from '../../lib/rt-world.mjs';

const { scenario } = suite('ws-upgrade');
const isFence = (packet) => packet.startsWith('42["fence"');

/** A joined polling session without a loop, and what opens websockets for it. */
async function session(world, user) {
  const client = await world.polling({ user, loop: false });
  const websocket = () => world.ws({ ns: false, sid: client.sid });
  return { client, websocket };
}

async function probed(websocket) {
  const ws = await websocket();
  ws.send('2probe');
  assert.equal(await ws.next(), '3probe');
  return ws;
}

/** Envelopes published before have reached the server. Another socket tells. */
async function reached(world) {
  world.witness ??= await world.ws();
  await world.fence(world.witness);
}

/** Polls until `count` packets other than noops and fences are there. */
async function polled(client, count) {
  const got = [];
  while (got.length < count) {
    const { status, text } = await client.get();
    assert.equal(status, 200);
    got.push(...text.split(RS).filter((packet) => packet !== '6' && !isFence(packet)));
  }
  return got;
}

/** The polling session goes on and gets an event published now. */
async function goesOn(world, client) {
  const alive = await client.alive();
  await world.publish('x', 1);
  return { alive, got: await polled(client, 1) };
}

const published = (frame) => typeof frame === 'string' && frame.startsWith('42["x"');

scenario('up.full', async (world) => {
  const a = await world.user('a');
  const { client, websocket } = await session(world, a);
  const waiting = client.get();
  const ws = await probed(websocket);
  assert.equal((await waiting).text, '6');
  ws.send('5');
  assert.ok(await world.serves(ws, a));
  const after = { get: brief(await client.get()), post: brief(await client.post('3')) };
  const refused = { status: 400, headers: { 'content-type': 'application/json' }, body: '{"code":3,"message":"Bad request"}' };
  assert.deepEqual(after, { get: refused, post: refused });
  assert.ok(await world.serves(ws, a), 'the session is untouched');
});

scenario('up.no-server-frame-on-connect', async (world) => {
  const ws = await (await session(world)).websocket();
  await ws.next(() => true, 400).catch(() => {});
  return { frames: ws.frames };
});

scenario('up.held-get-before-probe', async (world) => {
  const { client, websocket } = await session(world);
  const waiting = client.get();
  await websocket();
  return held(waiting, 500);
});

scenario('up.get-in-window', async (world) => {
  const { client, websocket } = await session(world);
  const ws = await websocket();
  ws.send('2probe');
  const probe = await ws.next();
  const r = await held(client.get(), 5000);
  return { probe, r, within250: true };
});

scenario('up.noops-go-on', async (world) => {
  const { client, websocket } = await session(world);
  await probed(websocket);
  for (let i = 0; i < 3; i += 1) assert.deepEqual(await held(client.get(), 5000), { status: 200, body: '6' });
});

scenario('up.post-in-window', async (world) => {
  const a = await world.user('a');
  const { client, websocket } = await session(world, a);
  const ws = await probed(websocket);
  const post = brief(await client.post(['room.join', 'message'].map((event, i) =>
    `42${JSON.stringify([event, i === 0 ? 'piw' : message(a, 'piw', 'm', 1)])}`).join(RS)));
  // Stored and put on the way before the upgrade is finished.
  await world.eventually(async () => (await world.stored('piw')).length === 1);
  ws.send('5');
  return { post, f: await ws.next((frame) => frame.startsWith('42["message"')) };
});

scenario('up.message-in-window', async (world) => {
  const { websocket } = await session(world);
  const ws = await probed(websocket);
  for (let i = 0; i < 3; i += 1) await world.publish('win', i);
  await reached(world);
  const before = ws.events().filter((frame) => frame !== '3probe');
  ws.send('5');
  await ws.waitFor((socket) => socket.events().length >= 4);
  return { before, after: ws.events().slice(1) };
});

scenario('up.message-in-window-held', async (world) => {
  const { client, websocket } = await session(world);
  const waiting = client.get();
  const ws = await probed(websocket);
  await world.publish('win', 1);
  await world.publish('win', 2);
  await reached(world);
  ws.send('5');
  const polledOnes = (await waiting).text.split(RS).filter((packet) => packet.startsWith('42["win"'));
  await ws.waitFor((socket) => socket.events().filter((f) => f !== '3probe').length >= 2 - polledOnes.length);
  return { all: [...polledOnes, ...ws.events().filter((frame) => frame !== '3probe')] };
});

scenario('up.second-websocket', async (world) => {
  const { websocket } = await session(world);
  const first = await probed(websocket);
  const second = await (await websocket()).next();
  first.send('5');
  await world.publish('x', 1);
  return { second, first: await first.next(published) };
});

scenario('up.after-upgraded', async (world) => {
  const { websocket } = await session(world);
  const first = await probed(websocket);
  first.send('5');
  assert.deepEqual(await (await websocket()).next(), { closed: 1005 });
  await world.publish('x', 1);
  assert.equal(await first.next(published), '42["x",1]');
});

scenario('up.probe-garbage', async (world) => {
  const { client, websocket } = await session(world);
  const ws = await websocket();
  ws.send('4hello');
  const s = await ws.next();
  return { s, alive: (await goesOn(world, client)).alive };
});

scenario('up.probe-then-garbage', async (world) => {
  const { client, websocket } = await session(world);
  const ws = await probed(websocket);
  ws.send('42["nothing"]');
  const s = await ws.next();
  return { s, alive: (await goesOn(world, client)).alive };
});

scenario('up.probe-binary', async (world) => {
  const { client, websocket } = await session(world);
  const ws = await websocket();
  ws.send(Buffer.from([1, 2, 3]));
  await ws.closing();
  assert.deepEqual(await goesOn(world, client), { alive: true, got: ['42["x",1]'] });
});

scenario('up.upgrade-without-probe', async (world) => {
  const { websocket } = await session(world);
  const ws = await websocket();
  ws.send('5');
  await world.publish('x', 1);
  return { f: await ws.next(published) };
});

for (const [name, open] of Object.entries({ 'before': (websocket) => websocket(), 'after': probed })) {
  scenario(`up.ws-dies-${name}-probe`, async (world) => {
    const { client, websocket } = await session(world);
    const ws = await open(websocket);
    ws.reset();
    return goesOn(world, client);
  });
}

scenario('up.ws-dies-with-get-held', async (world) => {
  const { client, websocket } = await session(world);
  const waiting = client.get();
  const ws = await probed(websocket);
  await world.publish('win', 1);
  ws.reset();
  const first = (await waiting).text.split(RS).filter((packet) => packet !== '6');
  const got = [...first, ...(await polled(client, 1 - first.length))];
  assert.deepEqual(got, ['42["win",1]']);
  assert.ok(await client.alive());
});

scenario('up.retry-after-failed-probe', async (world) => {
  const { client, websocket } = await session(world);
  (await probed(websocket)).reset();
  await goesOn(world, client);
  // The loss of the first one may take the server a moment to see (§4.4).
  let ws;
  let probe;
  await world.eventually(async () => {
    ws = await websocket();
    ws.send('2probe');
    probe = await ws.next();
    return probe === '3probe';
  });
  ws.send('5');
  await world.publish('x', 1);
  return { probe, f: await ws.next(published) };
});

scenario('up.held-at-upgrade', async (world) => {
  const { client, websocket } = await session(world);
  const ws = await websocket();
  const waiting = client.get();
  await held(waiting, 100);
  ws.send('5');
  const answer = await held(waiting, 5000);
  const allowed = [{ status: 200, body: '1' }, { status: 200, body: '6' }, { status: 400, body: '{"code":3,"message":"Bad request"}' }];
  assert.ok(allowed.some(({ status, body }) => status === answer.status && body === answer.body), JSON.stringify(answer));
  await world.publish('x', 1);
  assert.equal(await ws.next(published), '42["x",1]');
});

scenario('up.client-close-after-upgrade', async (world) => {
  const a = await world.user('a');
  const { websocket } = await session(world, a);
  const ws = await probed(websocket);
  ws.send('5');
  const since = world.bus.mark();
  await ws.close();
  await world.bus.presence('user.disconnected', a.id, since);
});

scenario('up.big-backlog', async (world) => {
  const { websocket } = await session(world);
  const ws = await probed(websocket);
  // More than the payload limit of a POST, waiting for the websocket.
  for (let i = 0; i < 30; i += 1) await world.publish('big', `${i}:${'w'.repeat(60_000)}`);
  await reached(world);
  ws.send('5');
  await ws.waitFor(({ frames }) => frames.some((frame) => frame.startsWith('42["big","29:')));
  const order = ws.events().filter((frame) => frame.startsWith('42["big"')).map((frame) => parseInt(frame.slice(10), 10));
  assert.deepEqual(order, [...order].sort((x, y) => x - y));
  return { n: order.length, missing: Array.from({ length: 30 }, (_, i) => i).filter((i) => !order.includes(i)) };
});

scenario('up.backlog-over-both', async (world) => {
  // Some of the backlog is polled, some comes over the websocket: nothing lost, doubled or reordered (§4.2).
  const { client, websocket } = await session(world);
  const publish = async (from, to) => {
    for (let i = from; i < to; i += 1) await world.publish('n', i);
    await reached(world);
  };
  await publish(0, 100);
  const ws = await probed(websocket);
  await publish(100, 200);
  const byPolling = (await client.get()).text.split(RS);
  await publish(200, 300);
  ws.send('5');
  await publish(300, 400);
  await ws.waitFor(({ frames }) => frames.includes('42["n",399]'));
  const all = [...byPolling, ...ws.frames].filter((frame) => frame.startsWith('42["n"'));
  assert.deepEqual(all, Array.from({ length: 400 }, (_, i) => `42["n",${i}]`));
});
