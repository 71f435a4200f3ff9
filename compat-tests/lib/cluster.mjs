// Two servers on one Redis behind a load balancer, to be swapped, killed and cut off.
//
// A slot is one of the two places; in it runs an instance, which reaches Redis through a
// proxy of its own. Instances are replaced, so what was said of one stays true of it.
import { setTimeout as sleep } from 'node:timers/promises';
import { startBalancer } from './balancer.mjs';
import { startRedis } from './redis.mjs';
import { Bus } from './rt-bus.mjs';
import { startOne } from './rt-peer.mjs';
import { startProxy } from './rt-proxy.mjs';
import { World, furnish } from './rt-world.mjs';

// Links are cut here, not slowed down: that a busy machine is slow must not count as a loss.
const ENV = { REDIS_TIMEOUT: '20000' };

export class Cluster {
  /** Each slot's instance: `{ name, slot, kind, node, died, port, base, server, proxy }`. */
  slots = [undefined, undefined];
  restarts = 0;
  /** cookie → the instance that its connections go to */
  #routes = new Map();
  /** cookie → the slot it goes to at any time; others go where there are fewest */
  #pinned = new Map();
  #stopping = false;

  /** Starts `kinds` (two of `clusters()`) for the case `t`, and ends everything with it. */
  static async start(t, kinds, { filter } = {}) {
    const cluster = new Cluster();
    t.after(() => cluster.#stop());
    cluster.redis = await startRedis();
    await furnish(cluster.redis.client);
    cluster.bus = await Bus.open(cluster.redis);
    cluster.balancer = await startBalancer({ route: (asked) => cluster.#route(asked), filter });
    cluster.world = new World({ redis: cluster.redis, server: cluster.balancer, bus: cluster.bus, id: 'cluster' });
    await Promise.all(kinds.map((kind, slot) => cluster.#launch(kind, slot).then((instance) => (cluster.slots[slot] = instance))));
    return cluster;
  }

  get base() {
    return this.balancer.base;
  }

  /** Binds `cookie` to `slot`: it waits for what comes there instead of going elsewhere. */
  pin(cookie, slot) {
    this.#pinned.set(cookie, slot);
  }

  /** The instance that serves the socket with `cookie`. */
  instanceOf(cookie) {
    return this.#routes.get(cookie);
  }

  async #launch(kind, slot, { port, proxy } = {}) {
    const own = proxy ?? (await startProxy(this.redis.port));
    const server = await startOne(kind, own, { port, env: ENV });
    const instance = { name: `${kind.name} ${server.port}`, slot, kind, node: kind.node, port: server.port, base: server.base, server, proxy: own, died: false };
    this.#supervise(instance);
    return instance;
  }

  /** A Node server dies with its connection to Redis: as under a supervisor, it is started again. */
  async #supervise(instance) {
    await instance.server.ended();
    instance.died = instance.node || instance.leaving !== 'stopped';
    if (instance.leaving || this.#stopping) return;
    if (!instance.node) this.unexpected = `${instance.name} ended: ${instance.server.stderr()}`;
    this.restarts += 1;
    // It does not start as long as Redis is away.
    for (let tries = 0; !this.#stopping && tries < 600; tries += 1) {
      if (await this.#again(instance).then(() => true, (error) => (this.startError = error) && sleep(100))) return;
    }
    this.unexpected ??= `${instance.name} does not start again: ${this.startError?.message}`;
  }

  async #again({ kind, slot, port, proxy }) {
    const next = await this.#launch(kind, slot, { port, proxy });
    if (this.#stopping) await next.server.kill();
    else this.slots[slot] = next;
  }

  /** Puts a server of `kind` beside the one in `slot`, lets it in, and stops the old one. Gives its exit code. */
  async replace(slot, kind) {
    const old = this.slots[slot];
    this.slots[slot] = await this.#launch(kind, slot);
    old.leaving = 'stopped';
    old.server.child.kill('SIGTERM');
    const code = await old.server.ended();
    await old.proxy.stop();
    return code;
  }

  /** Kills what is in `slot` and brings it back on its port after `pause` ms. */
  async kill(slot, pause = 0) {
    const old = this.slots[slot];
    old.leaving = 'killed';
    await old.server.kill();
    await sleep(pause);
    this.restarts += 1;
    await this.#again(old);
  }

  #route({ cookie, sid }) {
    const current = this.#routes.get(cookie);
    // Sticky: an Engine.IO session lives on one server, also on one that no longer gets new ones.
    if (current?.server.alive() && (sid || this.slots[current.slot] === current)) return current.port;
    const free = this.slots.filter((instance) => instance.server.alive());
    const slot = this.#pinned.get(cookie);
    const chosen = slot === undefined ? this.#emptiest(free) : free.find((instance) => instance.slot === slot);
    if (cookie && chosen) this.#routes.set(cookie, chosen);
    return chosen?.port;
  }

  #emptiest(instances) {
    const users = (instance) => [...this.#routes.values()].filter((other) => other === instance).length;
    return instances.sort((a, b) => users(a) - users(b))[0];
  }

  async #stop() {
    this.#stopping = true;
    this.balancer?.stop();
    const running = this.slots.filter(Boolean);
    await Promise.all(running.map(({ server }) => server.kill()));
    await Promise.all(running.map(({ proxy }) => proxy.stop()));
    await this.redis?.stop('SIGKILL');
  }
}
