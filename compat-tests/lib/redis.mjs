// A private Redis for one test file: free port, nothing on disk, ended with the tests.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Redis from 'ioredis';
import { adopt, end, hasEnded } from './children.mjs';
import { freePort } from './ports.mjs';

const START_TIMEOUT = 10_000;

/**
 * Starts redis-server.
 *
 * `args`: further command-line arguments, e.g. `['--requirepass', 'x']`.
 * `port`: a fixed port (to bring a lost Redis back); otherwise a free one.
 * `password`: what our own client sends, if `args` set one.
 */
export async function startRedis({ args = [], port, password } = {}) {
  if (process.env.TARGET_REDIS) return givenRedis(process.env.TARGET_REDIS, args.length > 0 || port !== undefined);
  const fixed = port !== undefined;
  for (let attempt = 1; ; attempt += 1) {
    const chosen = fixed ? port : await freePort();
    const started = await tryStart(chosen, args, password);
    if (!started.failed) return started;
    if (fixed || attempt === 5) throw new Error(`redis-server did not start: ${started.output}`);
  }
}

async function tryStart(port, args, password) {
  const dir = await mkdtemp(join(tmpdir(), 'compat-redis-'));
  const child = adopt(
    spawn(
      'redis-server',
      ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', dir, ...args],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    ),
  );
  let output = '';
  child.on('error', (error) => (output += error.message));
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));

  const deadline = Date.now() + START_TIMEOUT;
  while (!output.includes('Ready to accept connections')) {
    if (hasEnded(child) || child.pid === undefined || Date.now() > deadline) {
      if (child.pid !== undefined) await end(child, 'SIGKILL');
      await rm(dir, { recursive: true, force: true });
      return { failed: true, output };
    }
    await sleep(10);
  }

  return handle({ port, host: '127.0.0.1', password, child, dir });
}

/**
 * The Redis of a server that runs already. tools/targets.mjs has looked whether it may be emptied, which
 * is done here: every file begins with an empty one.
 */
async function givenRedis(text, special) {
  if (special) throw new Error('this case needs a Redis of its own: its row in the catalogue must ask for "start"');
  const url = new URL(text);
  const { hostname: host, port, username, password } = url;
  const redis = await handle({ host, port: Number(port || 6379), username: username || undefined, password: decodeURIComponent(password) || undefined });
  await redis.client.flushall();
  return redis;
}

async function handle({ child, dir, ...address }) {
  const opened = [];
  const ownAddresses = new Set();
  const connect = async (options = {}) => {
    const client = new Redis({
      ...address,
      lazyConnect: true,
      retryStrategy: null,
      ...options,
    });
    // A lost connection shows in the command that needed it; without a listener
    // ioredis would write each one to stderr as well.
    client.on('error', () => {});
    await client.connect();
    opened.push(client);
    ownAddresses.add(`${client.stream.localAddress}:${client.stream.localPort}`);
    return client;
  };

  const client = await connect();
  return {
    port: address.port,
    pid: child?.pid,
    child,
    url: `${address.host}:${address.port}`,
    client,
    connect,

    /**
     * Records every command that others send (those of this harness are left out, so
     * are MONITOR's own). `commands` grows live; each entry is an array of strings
     * whose first is in lower case. `since(mark)` gives what came after `mark()`;
     * `sync()` waits until everything that Redis has done so far is recorded.
     */
    async monitor() {
      const watcher = await (await connect()).monitor();
      watcher.on('error', () => {});
      opened.push(watcher);
      const commands = [];
      const sources = [];
      const awaited = new Map();
      watcher.on('monitor', (_time, command, source) => {
        if (ownAddresses.has(source)) return awaited.get(command[1])?.();
        commands.push([command[0].toLowerCase(), ...command.slice(1)]);
        sources.push(source);
      });
      return {
        commands,
        sources,
        async sync() {
          const mark = randomUUID();
          await new Promise((resolve, reject) => {
            awaited.set(mark, resolve);
            client.echo(mark).catch(reject);
          });
          awaited.delete(mark);
        },
        mark: () => commands.length,
        since: (mark) => commands.slice(mark),
        clear() {
          commands.length = 0;
          sources.length = 0;
        },
        stop: () => watcher.disconnect(),
      };
    },

    /** Calls `onText(text)` for each publication on `channel`. Resolves once subscribed. */
    async subscribe(channel, onText) {
      const subscriber = await connect();
      subscriber.on('message', (from, text) => {
        if (from === channel) onText(text);
      });
      await subscriber.subscribe(channel);
      return { stop: () => subscriber.disconnect() };
    },

    /** Everything stored, as plain data: what the tests compare before and after. */
    dump: (options) => dump(client, options),

    async stop(signal = 'SIGTERM') {
      for (const connection of opened) connection.disconnect();
      if (!child) return;
      await end(child, signal);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/**
 * `{ key: content }`, without sessions unless `sessions` is true. Sets are sorted, so is
 * the whole. Keys under `rs:` are the drop-in's own book-keeping, which no peer reads.
 */
export async function dump(client, { sessions = false } = {}) {
  const shown = (key) => !key.startsWith('rs:') && (sessions || !key.startsWith('sess:'));
  const keys = (await client.keys('*')).filter(shown);
  const content = {};
  for (const key of keys.sort()) content[key] = await read(client, key);
  return content;
}

async function read(client, key) {
  switch (await client.type(key)) {
    case 'string':
      return client.get(key);
    case 'hash':
      return client.hgetall(key);
    case 'set':
      return (await client.smembers(key)).sort();
    case 'zset':
      return client.zrange(key, 0, -1, 'WITHSCORES');
    case 'list':
      return client.lrange(key, 0, -1);
    default:
      return null;
  }
}
