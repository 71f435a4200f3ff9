// The recorded conversations 22 to 25, step by step: what each socket on two servers
// gets, what is published, what is stored (realtime.md §8, §9; http-and-redis.md §8-§10).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Bus } from '../../lib/rt-bus.mjs';
import { startRedis } from '../../lib/redis.mjs';
import { World, recordings } from '../../lib/rt-world.mjs';
import { isUpstream, startServer } from '../../lib/target.mjs';

const dataset = recordings('00-dataset');
const { pablo, joe } = dataset.cookies;
let redis;
let bus;
let a;
let b;

before(async () => {
  redis = await startRedis();
  await furnish();
  bus = await Bus.open(redis);
  [a, b] = await Promise.all([startServer({ redis }), startServer({ redis })]);
});

after(async () => {
  await Promise.all([a?.kill(), b?.kill()]);
  await redis?.stop('SIGKILL');
});

async function furnish() {
  await redis.client.flushall();
  for (const [command, ...args] of dataset.commands) await redis.client.call(command, ...args);
}

/** Opens named sockets one after the other: `{ name: { cookie, on, user, rooms } }`. */
async function open(world, wanted) {
  const sockets = {};
  for (const [name, { cookie, on = a, user, rooms = [] }] of Object.entries(wanted)) {
    const since = bus.mark();
    const socket = await world.ws({ cookie, base: on.base });
    if (user) await bus.presence('user.connected', user, since);
    for (const room of rooms) socket.emit('room.join', room);
    sockets[name] = socket;
  }
  return sockets;
}

/** Runs one step and compares what is published and received with the recording. */
async function step(recorded, sockets, world, action) {
  await world.startCounting(...Object.values(sockets));
  const since = bus.mark();
  const newcomer = await action();
  const live = { ...sockets, ...newcomer };
  const published = () => bus.envelopes.slice(since).filter(({ type }) => type !== 'fence').map(({ text }) => text);
  await world.eventually(() => published().length >= recorded.published.length, recorded.action);
  const heard = (name) => live[name].events().filter((frame) => !frame.startsWith('0{') && !frame.startsWith('40'));
  for (const [name, { length }] of Object.entries(recorded.events)) {
    // On time-out the comparison says what is missing.
    await live[name].waitFor(() => heard(name).length >= length, 5000).catch(() => {});
  }
  const open = Object.values(live).filter((socket) => socket.closed === undefined);
  await world.fence(...open);
  const address = new RegExp(`\\b\\d+\\.\\d+\\.\\d+\\.\\d+:${a.port}\\b`);
  assert.deepEqual(published().map((text) => text.replace(address, '<HOST_IP>:<PORT_A>')), recorded.published, recorded.action);
  for (const [name, expected] of Object.entries(recorded.events)) {
    assert.deepEqual(heard(name).map((frame) => JSON.parse(frame.slice(2))), expected, `${name}: ${recorded.action}`);
  }
  return live;
}

/** Registers a recording; `run(world, steps)` gets its steps. */
function recording(name, run) {
  test(name, { timeout: 30_000 }, async () => {
    await furnish();
    const world = new World({ redis, server: a, bus, id: name });
    try {
      await run(world, recordings(name).steps);
      assert.ok(a.alive() && b.alive());
    } finally {
      await world.close();
    }
  });
}

recording('22-socket-connect', async (world, steps) => {
  let sockets = await open(world, { watcher: { cookie: joe.cookie, user: 2 } });
  sockets = await step(steps[0], sockets, world, async () => {
    const client = await world.polling({ cookie: pablo.cookie, ns: false, loop: false });
    const ws = await world.ws({ sid: client.sid, ns: false });
    ws.send('2probe');
    await ws.next();
    ws.send('5');
    ws.mark();
    await ws.connectNs();
    return { pablo: ws };
  });
  sockets = await step(steps[1], sockets, world, async () => ({ anon: await world.ws() }));
  sockets = await step(steps[2], sockets, world, async () => sockets.pablo.emit('room.join', '0'));
  sockets = await step(steps[3], sockets, world, () => sockets.pablo.close());
  await step(steps[4], { watcher: sockets.watcher }, world, async () => {
    const { pablo: left, anon } = sockets;
    left.mark();
    anon.mark();
    await anon.close();
    return { pablo: left, anon };
  });
});

const on23 = () => ({
  pablo: { cookie: pablo.cookie, user: 1, rooms: ['0'] },
  joined: { cookie: joe.cookie, user: 2, rooms: ['0'] },
  outside: {},
  remote: { cookie: joe.cookie, user: 2, on: b },
  remoteAnon: { on: b },
});

recording('23-socket-message', async (world, steps) => {
  const sockets = await open(world, on23());
  await world.settled(sockets.joined, { id: 2 });
  const frames = [
    '{"roomId":"0","message":"hi <b>&amp;\\"</b>","from":1,"date":1600001000}',
    '{"roomId":"0","message":"hi <b>&amp;\\"</b>","from":1,"date":1600001000}',
    '{"roomId":"0","message":"x","from":1,"date":1600001000.601936}',
    '{"z":1,"roomId":"0","10":2,"date":"1600001001","from":"4","2":3,"message":"<<>>","extra":{"a":[1,null]}}',
  ];
  for (const [i, body] of frames.entries()) {
    await step(steps[i], sockets, world, async () => sockets.pablo.send(`42["message",${body}]`));
  }
  assert.deepEqual(await redis.client.zrange('room:0', 0, -1, 'WITHSCORES'), recordings('23-socket-message').stored);
  assert.equal(await redis.client.sismember('online_users', '4'), 1);
});

recording('24-socket-new-private-room', async (world, steps) => {
  const sockets = await open(world, { pablo: { cookie: pablo.cookie, user: 1 }, outside: { cookie: joe.cookie, user: 2 }, anon: {}, remote: { on: b } });
  const messages = [['1:5', 'first', 1600001000], ['1:5', 'second', 1600001001], ['nope', 'x', 1600001002], ['7:8:9', 'x', 1600001003]];
  for (const [i, [roomId, text, date]] of messages.entries()) {
    await step(steps[i], sockets, world, async () => sockets.pablo.emit('message', { roomId, message: text, from: 1, date }));
  }
});

recording('25-pubsub-injected', async (world, steps) => {
  const sockets = await open(world, { a: { cookie: pablo.cookie, user: 1 }, anon: {} });
  // The ends of the original are in faults.test.mjs.
  for (const recorded of steps.filter(({ upstream }) => upstream === undefined)) {
    const publish = () => redis.client.publish('MESSAGES', recorded.action.replace('PUBLISH MESSAGES ', '')).then(() => {});
    const nameless = recorded.events.a[0][0] === null;
    if (isUpstream || !nameless) {
      await step(recorded, sockets, world, publish);
      continue;
    }
    // An event without a name makes stock clients drop the connection: sending nothing is as good (§9.3).
    await step({ ...recorded, events: {} }, sockets, world, publish);
    for (const socket of Object.values(sockets)) assert.ok([0, 1].includes(socket.events().length));
  }
});
