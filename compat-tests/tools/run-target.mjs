// One target from start to verdict: may it be run, what became of its cases, and does that agree with
// the committed results.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { mayBeEmptied } from './given-redis.mjs';
import { catalogueFaults, classify, differences, filesFor, orphans, partOf, readResults, resultsOf, runnable, writeResults } from './results.mjs';
import { allFiles, runFiles, suite } from './runner.mjs';
import { environmentFor, missing } from './targets.mjs';

/** As many of one kind are listed. */
const LISTED = 60;

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

const HEADINGS = {
  broken: 'broken: committed otherwise',
  fixed: 'pass now, but are committed as failing',
  new: 'new: not in the committed results',
  missing: 'missing: committed, but did not run',
  moved: 'with another section or level than committed',
};

const cannotStart = ({ outcome, error }) => outcome === 'fail' && /^the target did not start|ECONNREFUSED/.test(error.message);

function tellFailure({ id, section, error = {} }) {
  console.log(`  FAIL ${id}   [${section}]`);
  const indent = (text) => String(text).split('\n').slice(0, 30).map((line) => `       ${line}`).join('\n');
  console.log(indent(error.message ?? 'no message'));
}

/** Why nothing at `url` can be asked, or undefined if something answers. */
const silent = (url) => fetch(url).then(() => undefined, ({ cause, message }) => `Nothing answers at ${url}: ${cause?.message || cause?.code || message}`);

/**
 * Runs `target`. `accept` writes the committed results; `compare: false` is for targets that have none.
 * `words`: the files that were named, for the hint.
 */
export async function runTarget(target, { files = allFiles(), accept = false, compare = true, words = [] } = {}) {
  const why = missing(target) ?? (target.url && (await silent(target.url))) ?? (target.redisUrl && (await mayBeEmptied(target.redisUrl)));
  if (why) {
    console.error(`${target.name}: not run. ${why}`);
    return { ok: false, why };
  }
  const { files: chosen, notes } = runnable(filesFor(target, files));
  console.log([`${target.name}: ${target.about} ${chosen.length} files of cases.`, ...notes].join(' '));
  const started = Date.now();
  let deadFiles = 0;
  const records = await runFiles(chosen, {
    environment: environmentFor(target),
    // One server and one Redis for all: files would get in each other's way.
    concurrency: target.url ? 1 : 2,
    onFile(file, ran, ms) {
      const failed = ran.filter(({ outcome }) => outcome !== 'pass');
      console.log(`  ${file}: ${ran.length} cases, ${seconds(ms)}${failed.length > 0 ? `, ${failed.length} FAILED` : ''}`);
      classify(failed).results.forEach(tellFailure);
      // One that can't be started at all need not be told by every file.
      deadFiles = ran.length > 0 && ran.every(cannotStart) ? deadFiles + 1 : -Infinity;
      if (deadFiles >= 3) console.log(`${target.name}: it does not start, so no further files are run.`);
      return deadFiles < 3;
    },
  });
  const took = Date.now() - started;
  const { results, complaints } = classify(records);
  const faults = [...complaints, ...catalogueFaults()];
  const failed = results.filter(({ outcome }) => outcome !== 'pass');
  console.log(`${target.name}: ${results.length} cases in ${seconds(took)}, ${failed.length} failed.`);
  keepRun(target, { results, took, files: chosen });

  const run = { target, results, took, faults };
  for (const fault of faults) console.log(`  ${fault}`);
  const broken = results.filter(({ names }) => names[0] === '(the file itself)');
  if (accept && broken.length > 0) console.log('Not accepted: a file that can not be run has no results.');
  else if (accept && faults.length === 0) {
    writeResults(target.name, results, chosen, filesFor(target, allFiles()));
    const warning = failed.length > 0 ? ` It now says that ${failed.length} cases fail: a later run in which they pass will be a difference.` : '';
    console.log(`Wrote ${relative(suite, resultsOf(target.name))}.${warning}`);
    return { ...run, ok: true };
  }
  if (!compare) return { ...run, ok: failed.length + faults.length === 0 };
  const changed = differences(partOf(readResults(target.name), chosen), results);
  const gone = orphans(target.name, allFiles());
  if (gone.length > 0) changed.missing = [...(changed.missing ?? []), ...gone];
  if (Object.keys(changed).length > 0) {
    console.log(`${target.name}: the results differ from the committed ones, ${relative(suite, resultsOf(target.name))}:`);
    for (const [kind, ids] of Object.entries(changed)) {
      console.log(` ${ids.length} ${HEADINGS[kind]}`);
      for (const id of ids.slice(0, LISTED)) console.log(`  - ${id}`);
      if (ids.length > LISTED) console.log(`  … and ${ids.length - LISTED} more`);
    }
    console.log(`To accept this:  node compat-tests/run.mjs --target=${target.name} --accept ${words.join(' ')}`.trimEnd());
  }
  return { ...run, changed, ok: faults.length === 0 && Object.keys(changed).length === 0 };
}

/** What the page of the report is made of; not committed: it has times, and texts of this machine. */
function keepRun({ name, about }, run) {
  const folder = join(suite, 'report');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.json`), JSON.stringify({ name, about, ...run }));
}
