// Presence over three servers that are stopped, killed, started again and cut off from Redis, wholly or from what is
// announced there, at random (realtime.md §8.2, §8.6), held against the plain rule: online is who has an open tab; each coming and going is announced once.
// CHAOS_SEED repeats a run.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Person } from '../lib/embedded.mjs';
import { startRedis } from '../lib/redis.mjs';
import { startProxy } from '../lib/rt-proxy.mjs';
import { SAFE, connect, dataOf, fence, isEvent, message, random } from '../lib/safe.mjs';
import { rounds, seeded } from '../lib/seeded.mjs';
import { startServer } from '../lib/target.mjs';

const RUNS = 20;
const STEPS = 60;
const SLOTS = 3;
const USERS = 5;
const LEASE = 1.5;
/** After this a cut is noticed, healed and made good, and a killed server is cleared away. */
const SETTLED = 8_000;

class World {
  tabs = [];
  slots = [];
  published = [];

  static async start(t, lease) {
    const world = new World();
    world.redis = await startRedis();
    world.ears = world.redis.client.duplicate();
    t.after(() => world.#end());
    await world.ears.subscribe('MESSAGES');
    world.ears.on('message', (_, text) => world.published.push(JSON.parse(text)));
    world.lease = lease;
    for (let at = 0; at < SLOTS; at += 1) world.slots[at] = await world.slot(at);
    await world.launch(world.slots[0]);
    world.users = await Promise.all(Array.from({ length: USERS }, () => Person.signIn(world.slots[0].server.base, random())));
    for (const slot of world.slots.slice(1)) await world.launch(slot);
    return world;
  }

  /** A place for servers, one after the other, and their way to Redis. */
  async slot(at) {
    const slot = { at };
    const filter = ({ direction, chunk, link }) => {
      if (direction === 'up' && chunk.includes('SUBSCRIBE')) slot.ears = link;
      return chunk;
    };
    slot.proxy = await startProxy(this.redis.port, { filter });
    return slot;
  }

  async launch(slot) {
    const env = { ...SAFE, PRESENCE_LEASE: String(this.lease), SERVER_ID: `slot:${slot.at}` };
    slot.server = await startServer({ redis: slot.proxy, env });
    // Who watches there, and whom a page that loads then finds online: what is announced in between must not be missed.
    const watcher = await Person.signIn(slot.server.base, random());
    slot.watcher = await connect(slot.server.base, { cookie: watcher.cookie });
    slot.found = new Set(await this.online());
  }

  online = () => this.redis.client.smembers('online_users');

  async open(user, slot) {
    this.tabs.push({ user, slot, socket: await connect(slot.server.base, { cookie: user.cookie }) });
  }

  async close(tab) {
    this.tabs.splice(this.tabs.indexOf(tab), 1);
    await tab.socket.close();
  }

  async end(slot, how) {
    await slot.server[how]();
    this.tabs = this.tabs.filter((tab) => tab.slot !== slot);
    slot.server = undefined;
  }

  /** Ids of those who have a tab. */
  openIds = () => [...new Set(this.tabs.map(({ user }) => String(user.id)))].sort();

  async #end() {
    for (const { socket } of this.tabs) socket.close();
    for (const { server, proxy } of this.slots) {
      await server?.kill();
      await proxy.stop();
    }
    await this.redis.stop('SIGKILL');
  }
}

for (const round of rounds(RUNS)) test(`presence: ${STEPS} steps of tabs, kills and cuts on ${SLOTS} servers, ${round}`, { timeout: 180_000 }, async (t) => {
  const { what, pick } = seeded(t);
  const world = await World.start(t, LEASE);
  const count = { kills: 0, stops: 0, cuts: 0, deaf: 0, messages: 0 };
  for (let step = 0; step < STEPS; step += 1) {
    const up = world.slots.filter(({ server, cut }) => server && !cut);
    const choice = pick(24);
    const slot = world.slots[pick(SLOTS)];
    const tabs = world.tabs;
    if (choice < 8) {
      if (up.length > 0) await world.open(world.users[pick(USERS)], up[pick(up.length)]);
    } else if (choice < 14) {
      if (tabs.length > 0) await world.close(tabs[pick(tabs.length)]);
    } else if (choice < 16) {
      await sleep(pick(LEASE * 1000));
    } else if (choice < 19) {
      if (tabs.length > 0) {
        const { user, socket } = tabs[pick(tabs.length)];
        await socket.emit('message', message(user, '0', random()));
        count.messages += 1;
      }
    } else if (choice === 19) {
      count.deaf += slot.ears ? 1 : 0;
      for (const side of ['up', 'down']) slot.ears?.[side].destroy();
    } else if (slot.cut) {
      slot.proxy.accept();
      slot.cut = false;
    } else if (!slot.server) {
      await world.launch(slot);
    } else if (choice === 20) {
      count.kills += 1;
      await world.end(slot, 'kill');
    } else if (choice === 21) {
      count.stops += 1;
      await world.end(slot, 'stop');
    } else {
      count.cuts += 1;
      slot.proxy.refuse();
      slot.cut = true;
    }
  }
  for (const slot of world.slots) {
    if (slot.cut) slot.proxy.accept();
    if (!slot.server) await world.launch(slot);
  }
  await sleep(SETTLED);

  const users = world.users.map(({ id }) => String(id));
  const expected = world.openIds();
  const online = (await world.online()).filter((id) => users.includes(id)).sort();
  assert.deepEqual(online, expected, `${what}: who is online`);
  assert.equal((await world.redis.client.zrange('rs:leases', 0, -1)).length, SLOTS, `${what}: leases`);
  const state = new Set();
  for (const { type, data } of world.published) {
    if (!users.includes(String(data?.id)) || !type.startsWith('user.')) continue;
    assert.equal(state.has(String(data.id)), type === 'user.disconnected', `${what}: ${type} ${data.id} is announced once`);
    state[data.online ? 'add' : 'delete'](String(data.id));
  }
  assert.deepEqual([...state].sort(), expected, `${what}: what was announced`);
  for (const { watcher, found, at } of world.slots) {
    await fence(watcher);
    for (const frame of watcher.frames) {
      if (isEvent('user.connected')(frame) || isEvent('user.disconnected')(frame)) {
        const { id, online } = dataOf(frame);
        found[online ? 'add' : 'delete'](String(id));
      }
    }
    assert.deepEqual([...found].filter((id) => users.includes(id)).sort(), expected, `${what}: what was told on server ${at}`);
  }
  t.diagnostic(`${JSON.stringify(count)}, ${world.published.length} announcements`);
});

test('the default lease: the users of a killed server are offline within 15 seconds', { timeout: 60_000 }, async (t) => {
  const world = await World.start(t, 9);
  const [slot, [user]] = [world.slots[1], world.users];
  await world.open(user, slot);
  // Right after a beat its lease is longest.
  await sleep(3_000);
  const killed = Date.now();
  await world.end(slot, 'kill');
  while ((await world.online()).includes(String(user.id))) {
    assert.ok(Date.now() - killed < 15_000, 'still online');
    await sleep(50);
  }
  t.diagnostic(`offline after ${((Date.now() - killed) / 1000).toFixed(1)} s`);
});
