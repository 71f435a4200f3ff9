// A connection to Redis whose commands are promises.
import redis from 'redis';
import { promisify } from 'node:util';

const COMMANDS = [
  'exists', 'get', 'set', 'incr', 'hgetall', 'hmget', 'hmset', 'sadd', 'srem', 'smembers', 'sismember', 'zadd', 'zrevrange', 'subscribe',
];

/** http-and-redis.md §13: `host:port` without a scheme; further parts are ignored. */
export function connect({ REDIS_ENDPOINT_URL, REDIS_PASSWORD }) {
  const [host, port] = (REDIS_ENDPOINT_URL || '127.0.0.1:6379').split(':');
  const raw = redis.createClient({ host, port: port || 6379, ...(REDIS_PASSWORD && { password: REDIS_PASSWORD }) });
  // The client's own methods, since they take arrays apart: `from` as an array adds several users (§9).
  return { raw, ...Object.fromEntries(COMMANDS.map((command) => [command, promisify(raw[command]).bind(raw)])) };
}
