// The server under test. The suite knows nothing of it but how to start it:
//
//   TARGET_CMD    command line; {port}, {redis} and {client} are filled in.
//                 Default: the release build of this repository.
//   TARGET_KIND   "node" for the original server. Cases in which a drop-in is meant
//                 to differ from it (see `deviation`) are then not registered.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { adopt, end, ended, hasEnded } from './children.mjs';
import { freePort } from './ports.mjs';

const START_TIMEOUT = 20_000;

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
/** A small client build of our own, served by default. */
export const clientFixture = join(root, 'compat-tests', 'client-fixture');
export const isUpstream = process.env.TARGET_KIND === 'node';
export const command = process.env.TARGET_CMD || join(root, 'target', 'release', 'redis-chat-server');

/** Whether the target serves `clientDir`: the original has a fixed folder of its own, its double (node-peer/) has not. */
export const servesClientDir = !isUpstream || /\{client\}|node-peer\//.test(command);

/**
 * Registers a case only where the contract asks a drop-in to do better than the
 * original ("robust deviation"), i.e. not when the original is the target.
 * Same arguments as `test` of node:test.
 */
export const deviation = isUpstream ? () => {} : test;

// Settings of the caller's shell that would change what the target does.
const CLEARED = [
  'PORT', 'REDIS_ENDPOINT_URL', 'REDIS_PASSWORD', 'STORE', 'DATA_FILE', 'COMPAT', 'CLIENT_DIR', 'LINKS_FILE',
  'SESSION_SECRET', 'SERVER_ID', 'WORKERS', 'ALLOWED_ORIGINS', 'TRUSTED_PROXIES', 'LIMITS', 'NODE_ENV',
];

/**
 * Starts the target and waits until it says that it listens.
 *
 * `redis`: what `startRedis` gave, or `{ url }`.
 * `env`: further or overriding variables; `undefined` removes one.
 * `args`: further arguments. `clientDir`: the client to serve. `cwd`: working directory.
 * `port`: a fixed port instead of a free one. `commandLine`: another server than the target.
 */
export async function startServer({ redis, env = {}, args = [], clientDir = clientFixture, cwd, port, commandLine } = {}) {
  for (let attempt = 1; ; attempt += 1) {
    const server = await launch({ redis, env, args, clientDir, cwd, port, commandLine });
    const up = await listening(server);
    if (up) return server;
    const output = server.stdout() + server.stderr();
    await server.kill();
    const portTaken = /EADDRINUSE|address already in use|port \d+ is taken/i.test(output);
    if (!portTaken || attempt === 5 || port !== undefined) {
      throw new Error(`the target did not start (exit ${JSON.stringify(server.child.exitCode)}):\n${output}`);
    }
  }
}

/** Starts the target without waiting: for cases about a start that fails. */
export async function launch({ redis, env = {}, args = [], clientDir = clientFixture, cwd, port, commandLine = command } = {}) {
  const chosen = port ?? (await freePort());
  const url = redis?.url ?? '127.0.0.1:1';
  const fill = (text) =>
    text.replaceAll('{port}', String(chosen)).replaceAll('{redis}', url).replaceAll('{client}', clientDir);
  // A relative path in the command is from here, not from the working directory of the target.
  const place = (word) => (word.includes('/') && existsSync(word) ? resolve(word) : word);
  const [file, ...words] = commandLine.split(/\s+/).filter(Boolean).map(fill).map(place);
  if (file.includes('/') && !existsSync(file)) throw new Error(`there is no target at ${file}: build it or set TARGET_CMD`);

  const inherited = { ...process.env };
  for (const name of CLEARED) delete inherited[name];
  const full = {
    ...inherited,
    // The contract describes the original, its weaknesses included: that is `exact`.
    COMPAT: 'exact',
    STORE: 'redis',
    PORT: String(chosen),
    REDIS_ENDPOINT_URL: url,
    CLIENT_DIR: clientDir,
    ...env,
  };
  for (const name of Object.keys(full)) if (full[name] === undefined) delete full[name];

  const child = adopt(spawn(file, [...words, ...args], { env: full, cwd, stdio: ['ignore', 'pipe', 'pipe'] }));
  let out = '';
  let err = '';
  child.on('error', (error) => (err += error.message));
  child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (err += chunk));
  // Its last words may come after its end.
  const silent = new Promise((resolve) => child.once('close', resolve));

  return {
    port: chosen,
    base: `http://127.0.0.1:${chosen}`,
    pid: child.pid,
    child,
    stdout: () => out,
    stderr: () => err,
    alive: () => !hasEnded(child),
    /** Resolves with the exit code, or `{ signal }`. */
    async ended() {
      const code = await ended(child);
      await silent;
      return code;
    },
    /** Sends `signal` and resolves with the exit code, or `{ signal }` if the signal ended it. */
    stop: (signal = 'SIGTERM') => end(child, signal),
    kill: () => end(child, 'SIGKILL'),
  };
}

async function listening(server) {
  const deadline = Date.now() + START_TIMEOUT;
  while (!/^Listening on /m.test(server.stdout())) {
    if (!server.alive() || server.pid === undefined || Date.now() > deadline) return false;
    await sleep(10);
  }
  return true;
}
