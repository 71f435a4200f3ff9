// Fuzzes each target for a bounded time and prints how many executions it had:
//
//   node run.mjs [--seconds 60] [target ...]
//   node run.mjs --accept    merges what was found into the corpus, and the logs of the last run of each
//                            target into the table of README.md
//
// What a run finds stays in target/fuzz until it is accepted, so that fuzzing changes no file of the repository.
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const BEGIN = '<!-- executions: made by make fuzz-accept -->';
const END = '<!-- end of executions -->';
// Nothing needs more: what is refused for its length alone is tested elsewhere.
const MAX_LENGTH = 2048;
// The corpus is for the reader too: short inputs, and one for each edge of the code, however often it is passed.
const KEPT = ['-set_cover_merge=1', '-use_counters=0', '-max_len=512'];

const here = import.meta.dirname;
const built = join(here, '../target/fuzz');
const options = { seconds: { type: 'string', default: '60' }, accept: { type: 'boolean', default: false } };
const { values, positionals } = parseArgs({ options, allowPositionals: true });
const all = readdirSync(join(here, 'fuzz_targets')).map((name) => name.replace(/\.rs$/, '')).sort();
const unknown = positionals.filter((name) => !all.includes(name));
if (unknown.length) fail(`No such target: ${unknown.join(', ')}. There are ${all.join(', ')}.`);
if (!(Number(values.seconds) >= 1)) fail('--seconds wants a number of seconds.');

const corpus = (target) => join(here, 'corpus', target);
const found = (target) => join(built, 'corpus', target);
const log = (target) => join(built, 'logs', `${target}.log`);

function fail(why) {
  console.error(why);
  process.exit(1);
}

function cargo(args, stdio = 'inherit') {
  return spawnSync('cargo', args, { cwd: here, stdio, encoding: 'utf8' });
}

function needs() {
  if (cargo(['+nightly', '--version'], 'ignore').status !== 0) {
    fail('Fuzzing needs the nightly compiler: rustup toolchain install nightly. `make test` replays the corpus without it.');
  }
  if (cargo(['fuzz', '--version'], 'ignore').status !== 0) {
    console.log('Installing cargo-fuzz');
    if (cargo(['install', 'cargo-fuzz', '--locked', '--quiet']).status !== 0) fail('cargo-fuzz can\'t be installed.');
  }
}

/** Without the address sanitizer: the code is safe Rust, and faster without. */
function build() {
  const flags = ['--fuzz-dir', here, '--target-dir', built, '--sanitizer', 'none'];
  if (cargo(['+nightly', 'fuzz', 'build', ...flags]).status !== 0) process.exit(1);
  const { stdout } = spawnSync('rustc', ['+nightly', '-vV'], { encoding: 'utf8' });
  return join(built, /^host: (.*)$/m.exec(stdout)[1], 'release');
}

/** Runs a target as it was built, whatever has changed since. */
function fuzz(target, args, stdio) {
  const artifacts = join(here, 'artifacts', target, '/');
  mkdirSync(artifacts, { recursive: true });
  return spawnSync(join(binaries, target), [`-artifact_prefix=${artifacts}`, ...args], { stdio, encoding: 'utf8' });
}

function run(target) {
  for (const dir of [corpus(target), found(target), join(built, 'logs')]) mkdirSync(dir, { recursive: true });
  console.log(`${target}, ${values.seconds} s`);
  const output = openSync(log(target), 'w');
  const bounds = [`-max_total_time=${values.seconds}`, '-timeout=10', '-rss_limit_mb=1024', `-max_len=${MAX_LENGTH}`];
  // What is new goes into the first folder.
  const { status } = fuzz(target, [found(target), corpus(target), ...bounds, '-print_final_stats=1'], ['ignore', output, output]);
  closeSync(output);
  return status === 0;
}

function merge(target) {
  if (!existsSync(found(target))) return;
  const made = join(built, 'merged', target);
  rmSync(made, { recursive: true, force: true });
  for (const dir of [corpus(target), made]) mkdirSync(dir, { recursive: true });
  const folders = [made, corpus(target), found(target)];
  const { status } = fuzz(target, [...KEPT, ...folders], 'ignore');
  if (status !== 0) fail(`${target} can't be merged: does it keep its promises? make fuzz TARGETS=${target}`);
  rmSync(corpus(target), { recursive: true });
  renameSync(made, corpus(target));
  rmSync(found(target), { recursive: true });
}

function figures(target) {
  if (!existsSync(log(target))) return [target, '–', '–', '–', '–', '–'];
  const text = readFileSync(log(target), 'utf8');
  const last = (pattern) => [...text.matchAll(pattern)].at(-1)?.[1];
  const executions = Number(last(/^stat::number_of_executed_units: (\d+)/gm) ?? last(/^#(\d+)\s/gm) ?? 0);
  const seconds = last(/^Done \d+ runs in (\d+) second/gm) ?? '–';
  const edges = last(/ cov: (\d+) /g) ?? '–';
  const fault = /SUMMARY: libFuzzer: (.*)/.exec(text)?.[1] ?? 'none';
  const inputs = existsSync(corpus(target)) ? readdirSync(corpus(target)).length : 0;
  return [target, executions.toLocaleString('en'), seconds, edges, inputs, fault];
}

function table() {
  const head = ['target', 'executions', 'seconds', 'edges reached', 'inputs in the corpus', 'faults'];
  const rows = [head, ['---', '--:', '--:', '--:', '--:', '---'], ...all.map(figures)];
  return rows.map((row) => `| ${row.join(' | ')} |`).join('\n');
}

needs();
const binaries = build();
if (values.accept) {
  all.forEach(merge);
  const path = join(here, 'README.md');
  const text = readFileSync(path, 'utf8');
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) fail(`README.md lacks the two lines that the table goes between:\n${BEGIN}\n${END}`);
  writeFileSync(path, `${text.slice(0, from + BEGIN.length)}\n\n${table()}\n\n${text.slice(to)}`);
} else {
  const broken = (positionals.length ? positionals : all).filter((target) => !run(target));
  console.log(`\n${table()}`);
  if (broken.length) fail(`\nA promise was broken: ${broken.map(log).join(', ')} end with the input, which is in fuzz/artifacts.`);
}
