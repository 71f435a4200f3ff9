// Puts a copy of the client's build into upstream-client/build: `node fetch.mjs FROM`, where FROM is a
// checkout, a build folder or a git repository. Nothing but the pinned build, to the byte, is taken.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BUILD, COMMIT, SUMS, differences } from './sums.mjs';

/** Something that whoever called can put right; told without a stack trace. */
export class Refused extends Error {}

const remove = (path) => rmSync(path, { recursive: true, force: true });

/** The build folder in a local folder: itself, or that of the checkout or of the client's part of it. */
const buildIn = (folder) => ['client/build', 'build', '.'].map((path) => join(folder, path)).find((path) => existsSync(join(path, 'index.html')));

/** Checks out the build of `commit` from the repository at `url` into `folder`, and gives its path. */
function clone(url, commit, folder) {
  // Line ends as they are stored: the sums are of those.
  const git = (...words) => execFileSync('git', ['-c', 'core.autocrlf=false', '-C', folder, ...words], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    // Refused rather than waiting for a password.
    env: { ...process.env, GIT_TERMINAL_PROMPT: '0' },
  });
  try {
    git('init', '--quiet');
    try {
      git('fetch', '--quiet', '--depth=1', '--', url, commit);
    } catch {
      // Not every server gives out a commit by its name.
      git('fetch', '--quiet', '--', url, '+refs/*:refs/fetched/*');
    }
    git('checkout', '--quiet', commit, '--', 'client/build');
  } catch (error) {
    throw new Refused(`Commit ${commit} can't be had from ${url}: ${(error.stderr || error.message).trim()}`);
  }
  return join(folder, 'client', 'build');
}

/** Copies the build from `from` to `to`, or throws `Refused` and leaves what is there as it is. */
export function install(from, { to = BUILD, commit = COMMIT, sums = SUMS } = {}) {
  const place = mkdtempSync(join(tmpdir(), 'upstream-client-'));
  const copy = `${to}.new`;
  try {
    const source = existsSync(from) && buildIn(resolve(from));
    const isRepository = !source && (!existsSync(from) || existsSync(join(from, 'HEAD')) || existsSync(join(from, '.git')));
    if (!source && !isRepository) throw new Refused(`There is no client/build in ${from}, nor is it a build or a git repository.`);
    const build = source || clone(existsSync(from) ? resolve(from) : from, commit, place);
    remove(copy);
    cpSync(build, copy, { recursive: true, verbatimSymlinks: true });
    // The copy is what will be served, so the copy is what is checked.
    const wrong = differences(copy, sums);
    if (wrong.length > 0) {
      throw new Refused(`${build} is not the client's build of commit ${commit}:\n${wrong.map((line) => `  ${line}`).join('\n')}\nNothing was copied.`);
    }
    remove(to);
    renameSync(copy, to);
  } finally {
    remove(copy);
    remove(place);
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [from] = process.argv.slice(2);
  try {
    if (!from) throw new Refused('Say where the client is: make upstream-client FROM=<a checkout, a build folder or a git URL>; see upstream-client/README.md.');
    install(from);
    console.log('The client is in upstream-client/build. Serve it with: CLIENT_DIR=upstream-client/build make run');
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
