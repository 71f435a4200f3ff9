// The database that the recorded steps start from: fixtures/http/00-dataset.json.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cookieOf } from './session.mjs';
import { root } from './target.mjs';

const fixtures = join(root, 'fixtures', 'http');

export const fixture = (name) => JSON.parse(readFileSync(join(fixtures, `${name}.json`), 'utf8'));

const dataset = fixture('00-dataset');

export const PASSWORD = 'password123';
/** A hash of PASSWORD. */
export const PASSWORD_HASH = dataset.commands.find(([command]) => command === 'HMSET').at(-1);

export const sids = Object.fromEntries(Object.entries(dataset.cookies).map(([name, { sid }]) => [name, sid]));
/** Cookie headers of the three sessions in the database: `pablo`, `joe`, `guest`. */
export const cookies = Object.fromEntries(Object.entries(sids).map(([name, sid]) => [name, cookieOf(sid)]));

/**
 * How long the sessions of a fresh database live, in seconds: so much shorter than a
 * renewed one that a renewal shows.
 */
export const UNTOUCHED_TTL = 1000;

/** Empties Redis and fills it with the database. */
export async function loadDataset(client) {
  await client.flushall();
  await run(client, dataset.commands);
  for (const sid of Object.values(sids)) await client.expire(`sess:${sid}`, UNTOUCHED_TTL);
}

export async function run(client, commands) {
  for (const [command, ...args] of commands) await client.call(command, ...args);
}
