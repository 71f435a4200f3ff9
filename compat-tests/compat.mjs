// `make compat`: runs the targets that this machine can run, or the one that is given, tells the counts
// and the failures, and writes report/index.html.
//
//   TARGET        a command, or a base URL of a server that runs; PEER the other server of a cluster
//   CAPABILITIES  of TARGET (lib/capabilities.mjs); READY a path or a line that tells that it listens
//   REDIS_URL     the Redis of a server that runs; it must be empty unless ALLOW_FLUSH=1
//   UPSTREAM_DIR  a checkout of the original, ready to run: the targets that need one
//   TARGETS       names of targets; default: all
//   --accept      writes the committed results
import { join, relative } from 'node:path';
import { catalogueFaults } from './tools/results.mjs';
import { runTarget } from './tools/run-target.mjs';
import { writeReport } from './tools/report.mjs';
import { allFiles, filesNamed, suite } from './tools/runner.mjs';
import { terminalTable } from './tools/table.mjs';
import { givenTarget, missing, readTarget, targetNames } from './tools/targets.mjs';

const { env } = process;
const words = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const accept = process.argv.includes('--accept');
const files = filesNamed(words);

// What make exports for a variable that is set to nothing counts as not set.
const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));

function chosenTargets() {
  if (given.TARGET) return [givenTarget(given)];
  if (given.PEER) throw new Error('PEER is the second server of a pair: name the first with TARGET.');
  if (given.TARGETS) return given.TARGETS.split(/[\s,]+/).filter(Boolean).map(readTarget);
  const all = targetNames().map(readTarget);
  return given.UPSTREAM_DIR ? all.filter(({ requires }) => requires?.env?.UPSTREAM_DIR) : all;
}

function refuse(why) {
  console.error(why);
  process.exit(2);
}

let targets;
try {
  targets = chosenTargets();
} catch (error) {
  refuse(error.message);
}

const runs = [];
const leftOut = [];
let good = true;
for (const target of targets) {
  const why = missing(target);
  if (why) {
    leftOut.push(`${target.name}: left out. ${why}`);
    continue;
  }
  const run = await runTarget(target, { files, accept: accept && !given.TARGET, compare: !given.TARGET, words });
  good &&= run.ok;
  if (run.results) runs.push({ name: target.name, about: target.about, results: run.results, took: run.took });
}
for (const line of leftOut) console.log(line);
if (runs.length === 0) refuse('No target was run.');

// Rows of the catalogue that nothing fits show only when every kind of case has been run.
const whole = words.length === 0 && ['rust', 'rust-embedded', 'node-peer'].every((name) => runs.some((run) => run.name === name));
const stale = whole && files.length === allFiles().length ? catalogueFaults(runs.flatMap(({ results }) => results)) : [];
for (const fault of stale) console.log(fault);

console.log(`\n${terminalTable(runs)}\n`);
const failures = runs.flatMap(({ name, results }) => results.filter(({ outcome }) => outcome !== 'pass').map(({ id, section, level }) => `${name}: ${id}   [${section} ${level}]`));
console.log(failures.length === 0 ? 'No failures.' : `${failures.length} failures:\n${failures.map((line) => `  ${line}`).join('\n')}`);
console.log(`The report: ${relative(process.cwd(), writeReport(runs)) || join(suite, 'report', 'index.html')}`);
process.exit(good && stale.length === 0 ? 0 : 1);
