// What the suite says of itself must hold: its catalogue, its committed results, its targets. No server.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { rows } from '../catalogue.mjs';
import { contractRows } from '../contract-rows.mjs';
import { KNOWN } from '../lib/capabilities.mjs';
import { mutants } from '../mutants.mjs';
import { startRedis } from '../lib/redis.mjs';
import { mayBeEmptied } from './given-redis.mjs';
import { catalogueFaults, classify, differences, fileOf, filesFor, readResults } from './results.mjs';
import { allFiles, nameOf, suite } from './runner.mjs';
import { givenTarget, readTarget, targetNames } from './targets.mjs';

const committed = Object.fromEntries(targetNames().map((name) => [name, readResults(name)]));
const ofAll = Object.values(committed).flat();

test('every file of cases is in the catalogue, and every row is of use', () => {
  assert.deepEqual(allFiles().map(nameOf).filter((file) => !rows.some(([name]) => name === file)), []);
  assert.deepEqual(catalogueFaults(ofAll), []);
});

test('every row of the contract has cases that pass, and no case is named that is none', () => {
  const printed = JSON.parse(execFileSync(join(suite, '..', 'target', 'release', 'redis-chat-server'), ['--print-contract'], { encoding: 'utf8' }));
  assert.deepEqual(Object.keys(contractRows).sort(), printed.map(({ id }) => id).sort());
  const passed = committed.rust.filter(({ outcome }) => outcome === 'pass').map(({ id }) => id);
  for (const [row, patterns] of Object.entries(contractRows)) {
    for (const pattern of patterns) assert.ok(passed.some((id) => pattern.test(id)), `${row}: no case fits ${pattern}`);
    assert.ok(patterns.length > 0, row);
  }
});

test('the committed results are what the catalogue makes of their cases', () => {
  for (const [name, results] of Object.entries(committed)) {
    const records = results.map(({ id, outcome }) => ({ file: fileOf({ id }), names: [id.slice(id.indexOf(': ') + 2)], outcome }));
    const again = classify(records);
    assert.deepEqual(again.complaints, [], name);
    assert.deepEqual(again.results.map(({ id, area, section, level, outcome }) => ({ id, area, section, level, outcome })), results, name);
  }
});

test('every target has committed results, of exactly the files that it runs', () => {
  for (const name of targetNames()) {
    const files = [...new Set(committed[name].map(fileOf))].sort();
    const silent = new Set(filesFor(readTarget(name), allFiles()).map(nameOf));
    assert.ok(files.length > 0, `results/${name}.jsonl is missing: make compat-accept`);
    assert.deepEqual(files.filter((file) => !silent.has(file)), [], name);
  }
});

test('the committed results name nothing of a machine', () => {
  for (const { id } of ofAll) assert.doesNotMatch(id, /\/(?:tmp|home|root|work|var)\/|\b127\.0\.0\.1:\d{4,}/, id);
});

test('a MUST is passed by the double of the original wherever it runs that file', () => {
  const peer = new Map(committed['node-peer'].map((result) => [result.id, result]));
  const files = new Set(committed['node-peer'].map(fileOf));
  const lacking = committed.rust.filter((result) => result.level === 'MUST' && files.has(fileOf(result)) && peer.get(result.id)?.outcome !== 'pass');
  assert.deepEqual(lacking.map(({ id }) => id), []);
});

test('the faults that the suite is proved on still fit the source', () => {
  for (const { name, file, from } of mutants) assert.equal(readFileSync(join(suite, '..', file), 'utf8').split(from).length, 2, name);
});

test('no case is skipped, marked as to do, or alone', () => {
  for (const folder of ['cases', 'lib']) {
    for (const entry of readdirSync(join(suite, folder), { recursive: true }).filter((name) => name.endsWith('.mjs'))) {
      assert.doesNotMatch(readFileSync(join(suite, folder, entry), 'utf8'), /\.(?:skip|todo|only)\(|\b(?:skip|todo|only): /, entry);
    }
  }
});

test('differences are told in either direction', () => {
  const result = (id, outcome, level = 'MUST') => ({ id, area: 'rest', section: 'H1', level, outcome });
  const before = [result('a', 'pass'), result('b', 'fail'), result('c', 'pass'), result('d', 'pass'), result('same', 'fail')];
  const now = [result('a', 'fail'), result('b', 'pass'), result('d', 'pass', 'MAY'), result('e', 'pass'), result('same', 'fail')];
  assert.deepEqual(differences(before, now), {
    broken: ['a (was pass, now fail)'], fixed: ['b (was fail, now pass)'], new: ['e (pass)'], missing: ['c'], moved: ['d (was H1 MUST, now H1 MAY)'],
  });
  assert.deepEqual(differences(before, before), {});
});

test('cases that fit no row, are skipped or have one name are complained of', () => {
  const record = (names, outcome = 'pass', file = 'http/body') => ({ file, names, outcome });
  const { complaints } = classify([record(['a']), record(['a']), record(['b'], 'skip'), record(['nowhere'], 'pass', 'http/replay'), record(['x'], 'pass', 'http/unknown'), record(['(the file itself)'])]);
  assert.equal(complaints.length, 5, complaints.join('\n'));
  for (const [at, word] of [/two of this name/, /skipped/, /replay.*fits 0 rows/, /unknown.*fits 0 rows/, /has no case/].entries()) assert.match(complaints[at], word);
});

test('the files of a target follow from its capabilities', () => {
  const folders = (capabilities) => [...new Set(filesFor({ capabilities }, allFiles()).map((file) => file.split('/')[1]))];
  assert.deepEqual(folders([]), ['wire']);
  assert.deepEqual(folders(['start', 'embedded']), ['embedded', 'wire']);
  assert.ok(filesFor({ capabilities: ['redis'] }, allFiles()).includes('cases/http/login.test.mjs'));
  assert.equal(filesFor({ capabilities: ['redis'] }, allFiles()).includes('cases/realtime/stop.test.mjs'), false);
  assert.equal(filesFor({ capabilities: ['redis'], compat: 'safe' }, allFiles()).includes('cases/http/login.test.mjs'), false);
});

test('what is given on the command line becomes a target, or is refused in plain words', () => {
  assert.deepEqual(givenTarget({ TARGET: 'http://localhost:4000/' }).capabilities, []);
  assert.deepEqual(givenTarget({ TARGET: 'http://localhost:4000', REDIS_URL: 'localhost:6379' }).redisUrl, 'redis://localhost:6379');
  assert.deepEqual(givenTarget({ TARGET: 'server {port} {client}' }).capabilities, ['redis', 'start', 'faults', 'client-dir']);
  assert.ok(givenTarget({ TARGET: 'server' }).capabilities.includes('settings'));
  assert.deepEqual(givenTarget({ TARGET: 'server {port}', CAPABILITIES: 'redis start safe' }).compat, 'safe');
  assert.equal(filesFor(givenTarget({ TARGET: 'one', PEER: 'two' }), allFiles()).length, 4);
  assert.throws(() => givenTarget({ TARGET: 'https://chat.example' }), /plain HTTP/);
  assert.throws(() => givenTarget({ TARGET: 'http://localhost:1', PEER: 'two' }), /PEER needs/);
  assert.throws(() => givenTarget({ TARGET: 'x', CAPABILITIES: 'redis flying' }), /unknown capabilities: flying/);
});

test('the capabilities are all explained in the README', () => {
  const text = readFileSync(join(suite, 'README.md'), 'utf8');
  for (const name of Object.keys(KNOWN)) assert.ok(text.includes(`\`${name}\``), name);
});

test('a Redis that holds anything is not touched without leave', async (t) => {
  const redis = await startRedis();
  t.after(() => redis.stop('SIGKILL'));
  assert.equal(await mayBeEmptied(`redis://${redis.url}`), undefined);
  await redis.client.select(3);
  await redis.client.set('somebody', 'else');
  assert.match(await mayBeEmptied(redis.url), /holds 1 keys, and this suite deletes everything/);
  process.env.ALLOW_FLUSH = '1';
  t.after(() => delete process.env.ALLOW_FLUSH);
  assert.equal(await mayBeEmptied(redis.url), undefined);
  assert.match(await mayBeEmptied('127.0.0.1:1'), /can't be reached/);
});
