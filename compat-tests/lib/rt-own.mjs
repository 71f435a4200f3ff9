// A world with a Redis and a server of its own, for cases that break one of them.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRedis } from './redis.mjs';
import { Bus } from './rt-bus.mjs';
import { startProxy } from './rt-proxy.mjs';
import { World, furnish } from './rt-world.mjs';
import { startServer } from './target.mjs';

/**
 * Starts everything for case `t` and ends it with the case. `durable`: what Redis has
 * confirmed survives its death. The server reaches Redis through `world.proxy`.
 */
export async function ownWorld(t, { env, durable = false } = {}) {
  const dir = durable ? await mkdtemp(join(tmpdir(), 'compat-durable-')) : undefined;
  const args = durable ? ['--appendonly', 'yes', '--appendfsync', 'always', '--dir', dir] : [];
  let redis = await startRedis({ args });
  const { port } = redis;
  await furnish(redis.client);
  const bus = await Bus.open(redis);
  const proxy = await startProxy(port);
  const server = await startServer({ redis: { url: proxy.url }, env });
  const world = new World({ redis, server, bus, id: t.name });

  t.after(async () => {
    await Promise.all(world.sockets.map((socket) => socket.close()));
    await server.kill();
    await proxy.stop();
    await redis.stop('SIGKILL');
    if (dir) await rm(dir, { recursive: true, force: true });
  });

  return Object.assign(world, {
    proxy,
    /** Until the server hears the channel (again), beside the test itself. */
    subscribed: () =>
      world.eventually(async () => (await world.client.pubsub('NUMSUB', 'MESSAGES'))[1] >= 2, 'subscribed again', 20_000),
    /** Kills Redis. */
    async redisDies() {
      proxy.refuse();
      await redis.stop('SIGKILL');
    },
    /** Brings Redis back on its port; the bus listens before the server gets through. */
    async redisReturns() {
      redis = await startRedis({ args, port });
      Object.assign(world, { redis, client: redis.client });
      if (!durable) await furnish(redis.client);
      await bus.listen(redis);
      proxy.accept();
    },
  });
}
