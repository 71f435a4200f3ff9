// A crowd chatting on a cluster, what may happen to it, and what must be right afterwards.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster } from './cluster.mjs';
import { Crowd, ROOM } from './crowd.mjs';
import { Logins } from './logins.mjs';
import { patiently } from './patient.mjs';
import { seeded } from './seeded.mjs';

export class Run {
  static async start(t, kinds, options) {
    const run = new Run();
    Object.assign(run, seeded(t), { t, logins: new Logins() });
    t.after(() => {
      run.logins.stop();
      run.crowd?.close();
    });
    run.cluster = await Cluster.start(t, kinds, options);
    run.crowd = new Crowd(run.cluster);
    return run;
  }

  get bases() {
    return this.cluster.slots.map(({ base }) => base);
  }

  /** Gives the check that those who are not in `slot` now have stayed connected. */
  #witnesses(slot) {
    const { cluster, crowd, what } = this;
    const stays = crowd.members.map(({ stay }) => stay).filter((stay) => stay && stay.server !== cluster.slots[slot]);
    return () => assert.ok(stays.length >= 2 && stays.every(({ ended }) => !ended), `${what}: those on the other server stay connected`);
  }

  /** Swaps `slot` for a server of `kind` while everybody talks, and somebody signs in now and then. */
  async swap(slot, kind) {
    const { cluster, crowd, logins } = this;
    assert.ok(await logins.register(cluster.slots[slot].base), `${this.what}: a log-in before the swap: ${logins.failure}`);
    const quitter = await crowd.add({ slot, quits: true });
    await crowd.allJoined();
    const undisturbed = this.#witnesses(slot);
    crowd.chat();
    await crowd.heard();
    logins.keepRegistering(cluster.base);
    const graceful = !cluster.slots[slot].node;
    const code = await cluster.replace(slot, kind);
    if (graceful) assert.equal(code, 0, `${this.what}: SIGTERM ends it cleanly`);
    await crowd.allJoined();
    assert.ok(quitter.left, `${this.what}: the quitter was on the server that was stopped`);
    await crowd.heard();
    await logins.stop();
    undisturbed();
    assert.ok(await logins.register(cluster.slots[slot].base), `${this.what}: a log-in after the swap: ${logins.failure}`);
    await logins.hold(this.bases);
  }

  /** Kills `slot` in the middle of the talk; the server is back after a moment. */
  async kill(slot) {
    const { cluster, crowd, pick } = this;
    crowd.chat();
    await crowd.heard();
    await sleep(pick(400));
    const undisturbed = this.#witnesses(slot);
    await cluster.kill(slot, pick(300));
    await crowd.allJoined();
    undisturbed();
  }

  /**
   * Takes Redis from `slot` for `ms`, or (0) only cuts the link at a random byte. A Node
   * server ends by that and is started again, unless nothing was under way and it finds
   * Redis there at its first try; the drop-in keeps its sockets. `meanwhile()` runs while
   * Redis is away.
   */
  async cut(slot, ms, meanwhile = () => {}) {
    const { cluster, crowd, pick, what } = this;
    const instance = cluster.slots[slot];
    await crowd.heard();
    await sleep(pick(400));
    const there = crowd.members.filter(({ stay }) => stay?.server === instance).map((member) => ({ member, stay: member.stay }));
    const back = crowd.ledger.cutOff(instance);
    if (ms > 0) {
      instance.proxy.refuse();
      await sleep(ms / 2);
      await meanwhile();
      await sleep(ms / 2);
      instance.proxy.accept();
    } else {
      await instance.proxy.cutAfterBytes(1 + pick(4000), pick(2) === 0 ? 'up' : 'down', { all: instance.node || pick(2) === 0 });
    }
    // Those who are bound to the slot hear again when its server does, or the next one in its place.
    await crowd.allJoined();
    await crowd.fence(crowd.present);
    back();
    await cluster.world.eventually(() => cluster.slots[slot].server.alive(), `${what}: back after its end`, 20_000);
    if (instance.node) return;
    assert.equal(cluster.slots[slot], instance, `${what}: it survives`);
    const kept = there.filter(({ member, stay }) => member.left || !stay.ended);
    assert.ok(kept.length >= 2 && kept.length === there.length, `${what}: its sockets stay`);
  }

  /** Silence, then the judgement over everything. Gives the figures. `patience`: for those who leave, in ms. */
  async judge({ patience = 10_000 } = {}) {
    const { cluster, crowd, what, t } = this;
    await crowd.settle();
    assert.equal(cluster.unexpected, undefined, what);
    const messages = await this.#history();
    const { faults, figures } = crowd.ledger.judge(messages.map(({ from, message }) => ({ sender: String(from), n: Number(message) })));
    Object.assign(figures, await this.#presence(patience), { restarts: cluster.restarts, logins: this.logins.all.length });
    t.diagnostic(JSON.stringify(figures));
    assert.deepEqual(faults.slice(0, 20), [], `${what}: ${faults.length} faults`);
    return figures;
  }

  /** What is stored, which both servers give as it is. */
  async #history() {
    const { cluster: { world }, crowd, what } = this;
    const stored = (await world.stored(ROOM)).map((text) => JSON.parse(text));
    const expected = JSON.stringify([...stored].reverse());
    const [{ user }] = crowd.present;
    const path = `/room/${ROOM}/messages?offset=0&size=${stored.length + 10}`;
    for (const base of this.bases) {
      const answer = await patiently(base, { path, headers: { cookie: user.cookie } });
      assert.equal(answer.status, 200, what);
      assert.ok(answer.text === expected, `${what}: history at ${base}`);
    }
    return stored;
  }

  /**
   * Online are those who have a socket, and the ghosts: those who left together with a
   * server that took leave of nobody.
   */
  async #presence(patience) {
    const { cluster: { world }, crowd, what } = this;
    const ids = (members) => members.map(({ user }) => String(user.id)).sort();
    const ghosts = ids(crowd.members.filter(({ lastServer }) => lastServer?.died));
    const expected = [...ids(crowd.present), ...ghosts].sort();
    const online = async () => (await world.client.smembers('online_users')).sort();
    await world.eventually(async () => (await online()).join() === expected.join(), what, patience).catch(() => {});
    assert.deepEqual(await online(), expected, `${what}: online_users, ${ghosts.length} of them ghosts`);
    for (const base of this.bases) {
      const answer = await patiently(base, { path: '/users/online', headers: { cookie: crowd.present[0].user.cookie } });
      assert.deepEqual(Object.keys(JSON.parse(answer.text)).sort(), expected, `${what}: /users/online at ${base}`);
    }
    return { present: crowd.present.length, ghosts: ghosts.length };
  }
}
