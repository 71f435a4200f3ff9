// The server under test. The suite knows nothing of it but how to start it, or where it runs:
//
//   TARGET_CMD    command line; {port}, {redis}, {client} and {data} are filled in.
//                 Default: the release build of this repository.
//   TARGET_KIND   "node" for the original server. Cases in which a drop-in is meant
//                 to differ from it (see `deviation`) are then not registered.
//
// tools/targets.mjs makes these from a file in targets/, and with them TARGET_CAPABILITIES
// (capabilities.mjs), TARGET_ENV (JSON), TARGET_READY (JSON) and TARGET_URL (it runs already).
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { has } from './capabilities.mjs';
import { adopt, end, ended, hasEnded } from './children.mjs';
import { freePort } from './ports.mjs';

const START_TIMEOUT = 20_000;

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
/** A small client build of our own, served by default. */
export const clientFixture = join(root, 'compat-tests', 'client-fixture');
export const isUpstream = process.env.TARGET_KIND === 'node';
/** Base URL of a target that runs already. */
const running = process.env.TARGET_URL ? new URL(process.env.TARGET_URL) : undefined;
/** The host that the target is reached at. */
export const targetHost = running?.hostname ?? '127.0.0.1';
/** The client on rust_socketio, if `make rust-client` has built it. */
export const RUST_CLIENT = join(root, 'target', 'rust-client', 'debug', 'rust-client');

export const command = process.env.TARGET_CMD || join(root, 'target', 'release', 'redis-chat-server');

/** Whether the target serves `clientDir`. */
export const servesClientDir = has('client-dir');

/**
 * Registers a case only where the contract asks a drop-in to do better than the
 * original ("robust deviation"), i.e. not when the original is the target.
 * Same arguments as `test` of node:test.
 */
export const deviation = isUpstream ? () => {} : test;

const targetEnv = JSON.parse(process.env.TARGET_ENV || '{}');
/** What tells that the target listens: a line on its standard output, or an answer to a GET of a path. */
const ready = JSON.parse(process.env.TARGET_READY || '{"line":"^Listening on "}');

// Settings of the caller's shell that would change what the target does.
const CLEARED = [
  'PORT', 'REDIS_ENDPOINT_URL', 'REDIS_PASSWORD', 'STORE', 'DATA_FILE', 'COMPAT', 'CLIENT_DIR', 'LINKS_FILE',
  'SESSION_SECRET', 'SERVER_ID', 'WORKERS', 'ALLOWED_ORIGINS', 'TRUSTED_PROXIES', 'LIMITS', 'NODE_ENV',
  'REDIS_URL', 'TARGET_URL', 'TARGET_ENV', 'TARGET_READY', 'TARGET_CAPABILITIES', 'TARGET_REDIS',
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
  if (running) return alreadyRunning({ env, args, clientDir, port, commandLine });
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

/** The handle of a server that nobody here starts or ends. */
function alreadyRunning({ env, args, clientDir, port, commandLine }) {
  if (Object.keys(env).length + args.length > 0 || clientDir !== clientFixture || (port ?? commandLine) !== undefined) {
    throw new Error('this case starts a server of its own kind: its row in the catalogue must ask for "start"');
  }
  const nothing = async () => {};
  const silence = () => '';
  return {
    port: Number(running.port || 80), base: running.origin, stdout: silence, stderr: silence, alive: () => true, stop: nothing, kill: nothing,
  };
}

/** Starts the target without waiting: for cases about a start that fails. */
export async function launch({ redis, env = {}, args = [], clientDir = clientFixture, cwd, port, commandLine = command } = {}) {
  const chosen = port ?? (await freePort());
  const url = redis?.url ?? '127.0.0.1:1';
  const own = commandLine === command;
  let data;
  const fill = (text) => {
    if (text.includes('{data}')) data ??= mkdtempSync(join(tmpdir(), 'compat-data-'));
    return text.replaceAll('{port}', String(chosen)).replaceAll('{redis}', url).replaceAll('{client}', clientDir).replaceAll('{data}', data);
  };
  // A relative path in the command is from here, not from the working directory of the target.
  const place = (word) => (word.includes('/') && existsSync(word) ? resolve(word) : word);
  const [file, ...words] = commandLine.split(/\s+/).filter(Boolean).map(fill).map(place);
  if (file.includes('/') && !existsSync(file)) throw new Error(`there is no target at ${file}: build it or set TARGET_CMD`);

  const inherited = { ...process.env };
  for (const name of CLEARED) delete inherited[name];
  const filled = Object.entries(own ? targetEnv : {}).map(([name, value]) => [name, value === null ? undefined : fill(value)]);
  const full = {
    ...inherited,
    // The contract describes the original, its weaknesses included: that is `exact`.
    COMPAT: has('safe') && own ? 'safe' : 'exact',
    STORE: 'redis',
    PORT: String(chosen),
    // A target without Redis is not told of one, unless the case has one.
    REDIS_ENDPOINT_URL: redis || has('redis') ? url : undefined,
    CLIENT_DIR: clientDir,
    ...Object.fromEntries(filled),
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
  if (data) {
    const remove = () => rmSync(data, { recursive: true, force: true });
    child.once('close', remove);
    process.once('exit', remove);
  }

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
  while (!(await isReady(server))) {
    if (!server.alive() || server.pid === undefined || Date.now() > deadline) return false;
    await sleep(10);
  }
  return true;
}

async function isReady(server) {
  if (ready.line && new RegExp(ready.line, 'm').test(server.stdout())) return true;
  if (!ready.path) return false;
  return fetch(server.base + ready.path, { redirect: 'manual' }).then(() => true, () => false);
}
