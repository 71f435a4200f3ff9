// Targets: what is tested, read from targets/*.json or made from one command or base URL, and the
// environment in which the cases meet it.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { capabilities } from '../lib/capabilities.mjs';
import { suite } from './runner.mjs';

const folder = join(suite, 'targets');
/** What the suite's harness does whatever the target is: its settings must not come from the caller's shell. */
const OURS = ['TARGET_CMD', 'TARGET_KIND', 'TARGET_CAPABILITIES', 'TARGET_ENV', 'TARGET_READY', 'TARGET_URL', 'TARGET_REDIS', 'PEER_CMD', 'PAGE_STORE', 'ENGINE_CLIENT_DIR'];

/** The cases of a cluster of two, which a pair is for. */
const OF_PAIRS = ['cases/realtime/mixed.test.mjs', ...['cuts', 'kills', 'migration'].map((name) => `cases/cluster/${name}.test.mjs`)];

const fields = ['name', 'about', 'command', 'url', 'redisUrl', 'peer', 'env', 'ready', 'compat', 'capabilities', 'only', 'quick', 'requires'];

/** Fills in what does not change from start to start; the rest is filled in by lib/target.mjs. */
const place = (text) => text.replaceAll('{suite}', suite).replaceAll('{upstream}', resolve(process.env.UPSTREAM_DIR || '.'));

export function readTarget(name) {
  const file = name.endsWith('.json') ? resolve(name) : join(folder, `${name}.json`);
  if (!existsSync(file)) throw new Error(`there is no target ${name}; there are ${targetNames().join(', ')}`);
  const target = JSON.parse(readFileSync(file, 'utf8'));
  const unknown = Object.keys(target).filter((key) => !fields.includes(key));
  if (unknown.length > 0) throw new Error(`${basename(file)}: unknown fields: ${unknown.join(', ')}`);
  return checked(target);
}

function checked(target) {
  capabilities([...target.capabilities, target.compat ?? 'exact'].join(' '));
  return target;
}

export const targetNames = () =>
  readdirSync(folder).filter((name) => name.endsWith('.json')).map((name) => name.replace(/\.json$/, '')).sort();

export const abilities = ({ capabilities: list, compat = 'exact' }) => new Set([...list, compat]);

/** Why this machine can't run the target, or undefined if it can. */
export function missing({ capabilities: list, requires = {} }) {
  const browser = process.env.CHROMIUM ?? '/usr/bin/chromium';
  if (list.includes('page') && !existsSync(browser)) return `${browser} is missing, which the page is tried in: CHROMIUM names another`;
  for (const [name, why] of Object.entries(requires.env ?? {})) if (!process.env[name]) return `${name} is not set: ${why}`;
  for (const [path, why] of Object.entries(requires.files ?? {})) if (!existsSync(join(suite, place(path)))) return `${path} is missing: ${why}`;
  return undefined;
}

/** A word of a command that is a file here is from the caller's folder, not from the suite's. */
const fromHere = (command) =>
  command.split(/\s+/).filter(Boolean).map((word) => (word.includes('/') && existsSync(word) ? resolve(word) : word)).join(' ');

/** The target of a command or base URL that was given, with the peer beside it if one is. */
export function givenTarget({ TARGET, PEER, CAPABILITIES, READY, REDIS_URL }) {
  const named = CAPABILITIES === undefined ? undefined : capabilities(CAPABILITIES);
  const plain = named?.filter((word) => word !== 'exact' && word !== 'safe');
  const common = { name: 'given', about: `${TARGET}.`, compat: named?.includes('safe') ? 'safe' : 'exact' };
  if (/^https?:/.test(TARGET)) {
    if (!TARGET.startsWith('http://')) throw new Error('The suite speaks plain HTTP: give a base URL with http://');
    if (PEER) throw new Error('PEER needs TARGET to be a command: the pair is started on a Redis of its own.');
    return checked({ ...common, url: new URL(TARGET).origin, redisUrl: REDIS_URL && (REDIS_URL.includes('://') ? REDIS_URL : `redis://${REDIS_URL}`), capabilities: plain ?? (REDIS_URL ? ['redis'] : []) });
  }
  return checked({
    ...common,
    command: fromHere(TARGET),
    capabilities: plain ?? ['redis', 'start', 'faults', ...(TARGET.includes('{client}') ? ['client-dir'] : []), ...(/\{(?:port|redis)\}/.test(TARGET) ? [] : ['settings'])],
    // A server of another team need not print the original's line.
    ready: READY ? (READY.startsWith('/') ? { path: READY } : { line: READY }) : { line: '^Listening on ', path: '/me' },
    ...(PEER && { peer: fromHere(PEER), only: OF_PAIRS }),
  });
}

/** The environment for the cases. */
export function environmentFor(target) {
  const environment = { ...process.env };
  for (const name of OURS) delete environment[name];
  const can = abilities(target);
  const env = Object.fromEntries(Object.entries(target.env ?? {}).map(([name, value]) => [name, value === null ? null : place(value)]));
  return {
    ...environment,
    TARGET_CAPABILITIES: [...can].join(' '),
    TARGET_ENV: JSON.stringify(env),
    ...(!can.has('deviations') && { TARGET_KIND: 'node' }),
    ...(target.command && { TARGET_CMD: place(target.command) }),
    ...(target.ready && { TARGET_READY: JSON.stringify(target.ready) }),
    ...(target.peer && { PEER_CMD: place(target.peer) }),
    ...(target.url && { TARGET_URL: target.url }),
    ...(target.url && target.redisUrl && { TARGET_REDIS: target.redisUrl }),
  };
}
