// A Redis that was given from outside: the cases empty it again and again, so it must hold nothing, or
// its owner must have said that it may go.
import Redis from 'ioredis';

/** Why the Redis at `text` must not be used, or undefined if it may. */
export async function mayBeEmptied(text) {
  let url;
  try {
    url = new URL(text.includes('://') ? text : `redis://${text}`);
  } catch {
    return `REDIS_URL is no address of a Redis: ${text}`;
  }
  const client = new Redis({
    host: url.hostname, port: Number(url.port || 6379), username: url.username || undefined, password: decodeURIComponent(url.password) || undefined,
    lazyConnect: true, retryStrategy: null, connectTimeout: 5000,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    // FLUSHALL empties every database, not only the one that is chosen.
    const keys = [...(await client.info('keyspace')).matchAll(/^db\d+:keys=(\d+)/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
    if (keys === 0 || process.env.ALLOW_FLUSH === '1') return undefined;
    return `The Redis at ${url.host} holds ${keys} keys, and this suite deletes everything in it. Give an empty one, or set ALLOW_FLUSH=1 if all of it may go.`;
  } catch (error) {
    return `The Redis at ${url.host} can't be reached: ${error.message}`;
  } finally {
    client.disconnect();
  }
}
