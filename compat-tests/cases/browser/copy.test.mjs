// upstream-client/fetch.mjs: only the pinned build, to the byte, is copied. Tried with a toy build.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { Refused, install } from '../../../upstream-client/fetch.mjs';
import { COMMIT, SUMS } from '../../../upstream-client/sums.mjs';
import { root } from '../../lib/target.mjs';

const FILES = { 'index.html': '<p>a toy</p>', 'static/js/main.js': '// line ends\r\n' };
const sums = Object.entries(FILES).map(([path, text]) => `${createHash('sha256').update(text).digest('hex')}  ${path}\n`).join('');

let place;
let to;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'compat-copy-'));
  to = join(place, 'copy');
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

function write(folder, files) {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}
const isThere = () => assert.equal(readFileSync(join(to, 'static/js/main.js'), 'utf8'), FILES['static/js/main.js']);
const refuses = (from, pattern, options) =>
  assert.throws(() => install(from, { to, sums, ...options }), (error) => error instanceof Refused && pattern.test(error.message));

test('a build folder and a checkout are taken, and replace what was there', () => {
  install(write(join(place, 'build'), FILES), { to, sums });
  isThere();
  write(to, { 'old.html': '' });
  write(join(place, 'checkout/client/build'), FILES);
  install(join(place, 'checkout'), { to, sums });
  isThere();
  assert.deepEqual(readdirSync(to).sort(), ['index.html', 'static']);
});

test('a changed, a missing and a surplus file are named, and nothing is copied', () => {
  install(write(join(place, 'build'), FILES), { to, sums });
  const bad = write(join(place, 'bad'), { 'index.html': '<p>a joy</p>', 'more/extra.js': '' });
  refuses(bad, /^ {2}changed: index\.html\n {2}missing: static\/js\/main\.js\n {2}surplus: more\/extra\.js\nNothing was copied\.$/m);
  isThere();
  // A link to the right text is not the file.
  rmSync(join(place, 'bad'), { recursive: true });
  write(bad, { 'index.html': FILES['index.html'] });
  mkdirSync(join(bad, 'static/js'), { recursive: true });
  symlinkSync(join(place, 'build/static/js/main.js'), join(bad, 'static/js/main.js'));
  refuses(bad, /missing: static\/js\/main\.js\n/);
  assert.deepEqual(readdirSync(place).sort(), ['bad', 'build', 'copy']);
});

test('of a git repository the pinned commit is taken, whatever is newer', () => {
  const repository = join(place, 'repository');
  const git = (...words) =>
    execFileSync('git', ['-C', repository, '-c', 'user.name=t', '-c', 'user.email=t@example.org', '-c', 'core.autocrlf=false', ...words], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  write(join(repository, 'client/build'), FILES);
  git('init', '--quiet');
  git('add', '.');
  git('commit', '--quiet', '-m', 'pinned');
  const commit = git('rev-parse', 'HEAD');
  write(join(repository, 'client/build'), { 'index.html': 'newer' });
  git('commit', '--quiet', '-am', 'newer');
  for (const from of [`file://${repository}`, join(repository, '.git')]) {
    install(from, { to, sums, commit });
    isThere();
    rmSync(to, { recursive: true });
  }
  refuses(repository, /changed: index\.html/, { commit });
  refuses(`file://${repository}`, /^Commit 0{40} can't be had from file:/, { commit: '0'.repeat(40) });
  refuses(`file://${place}/nothing`, /can't be had/, { commit });
  assert.ok(!existsSync(to));
});

test('what is no client at all is said in words', () => {
  mkdirSync(join(place, 'empty'));
  refuses(join(place, 'empty'), /^There is no client\/build in /);
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'upstream-client/fetch.mjs'), ''], { encoding: 'utf8' });
  assert.equal(status, 1);
  assert.match(stderr, /^Say where the client is: make upstream-client FROM=/);
});

test('the pinned commit and its sums are well formed', () => {
  assert.match(COMMIT, /^[0-9a-f]{40}$/);
  assert.match(SUMS, /^([0-9a-f]{64} {2}[^\n/][^\n]*\n)+$/);
});
