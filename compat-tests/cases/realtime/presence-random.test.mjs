// Presence under random comings and goings, held against the plain rule (realtime.md §8.1, §8.6):
// whoever comes is online and announced once to every other socket, whoever leaves is offline and
// announced, however many tabs are left. CHAOS_SEED repeats a run.
import assert from 'node:assert/strict';
import { seeded } from '../../lib/seeded.mjs';
import { suite } from '../../lib/rt-world.mjs';

const { scenario } = suite();

const RUNS = 20;
const STEPS = 60;
const USERS = 5;

/** The ways in which a tab leaves the chat. The last one keeps its connection. */
const leaving = {
  close: (ws) => ws.close(),
  reset: (ws) => ws.reset(),
  malformed: (ws) => ws.send('garbage'),
  disconnect: (ws) => ws.send('41'),
};

/** What the presence rule says of a run: who is online, and what each socket must have heard. */
class Oracle {
  online = new Set();
  heard = new Map();

  comes(user, socket) {
    this.#announce('user.connected', user, socket);
    this.online.add(user.id);
    if (!this.heard.has(socket)) this.heard.set(socket, []);
    socket.joined = true;
  }

  leaves(user, socket) {
    socket.joined = false;
    this.online.delete(user.id);
    this.#announce('user.disconnected', user, socket);
  }

  #announce(event, user, except) {
    for (const [socket, frames] of this.heard) {
      if (socket !== except && socket.joined) frames.push(`${event} ${user.id}`);
    }
  }
}

const presenceOf = (frames) =>
  frames
    .map((frame) => /^42\["(user\.(?:dis)?connected)",(.*)\]$/.exec(frame))
    .filter(Boolean)
    .map(([, event, data]) => {
      const { id, online } = JSON.parse(data);
      assert.equal(online, event === 'user.connected');
      return `${event} ${id}`;
    });

for (let run = 0; run < RUNS; run += 1) {
  scenario(`presence.random.${run}`, async (world, t) => {
    const { what, pick } = seeded(t);
    const oracle = new Oracle();
    const users = await Promise.all(Array.from({ length: USERS }, (_, i) => world.user(`u${i}`)));
    const tabs = [];
    const witness = await world.ws();
    witness.joined = true;
    oracle.heard.set(witness, []);
    const since = world.bus.mark();
    const published = [];

    for (let step = 0; step < STEPS; step += 1) {
      const mark = world.bus.mark();
      const open = tabs.filter(({ ws }) => ws.joined);
      const left = tabs.filter(({ ws, kept }) => !ws.joined && kept);
      const choice = pick(10);
      let user;
      let event;
      if (open.length > 0 && choice < 5) {
        const tab = open[pick(open.length)];
        const way = Object.keys(leaving)[pick(4)];
        [user, event] = [tab.user, 'user.disconnected'];
        tab.kept = way === 'disconnect';
        await leaving[way](tab.ws);
        oracle.leaves(user, tab.ws);
      } else if (left.length > 0 && choice === 5) {
        const tab = left[pick(left.length)];
        [user, event] = [tab.user, 'user.connected'];
        tab.ws.send('40');
        oracle.comes(user, tab.ws);
      } else {
        [user, event] = [users[pick(USERS)], 'user.connected'];
        const ws = await world.ws({ user, ns: false });
        tabs.push({ user, ws });
        ws.send('40');
        oracle.comes(user, ws);
      }
      await world.bus.presence(event, user.id, mark);
      published.push(`${event} ${user.id}`);
      // Before the next step each socket has heard this one; that none hears more shows at the end.
      for (const [socket, expected] of oracle.heard) {
        if (socket.joined) await socket.waitFor(({ frames }) => presenceOf(frames).length >= expected.length);
      }
      const states = await Promise.all(users.map((u) => world.online(u)));
      assert.deepEqual(states.map(Boolean), users.map(({ id }) => oracle.online.has(id)), `${what}, step ${step}`);
    }

    await world.fence(...tabs.map(({ ws }) => ws).filter((ws) => ws.joined), witness);
    assert.deepEqual(world.bus.since(since).map(({ type, data }) => `${type} ${data.id}`), published, what);
    for (const [socket, expected] of oracle.heard) assert.deepEqual(presenceOf(socket.frames), expected, what);
  });
}
