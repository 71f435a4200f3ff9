// Runs the suite: `npm test`, or `node run.mjs cases/http/etag.test.mjs …` for some files.
// (Node 20's test runner takes no glob patterns, so the files are listed here.)
//
//   node run.mjs --target=rust [files]             runs a target and compares with results/rust.jsonl
//   node run.mjs --target=rust --accept [files]    … and writes that file instead
//   node run.mjs --quick                           runs of each target what it calls quick, and compares
import { spawn } from 'node:child_process';
import { STANDARD, filesNamed, suite } from './tools/runner.mjs';
import { runTarget } from './tools/run-target.mjs';
import { readTarget, targetNames } from './tools/targets.mjs';

const own = ['--accept', '--quick'];
const words = process.argv.slice(2);
const targets = words.filter((word) => word.startsWith('--target=')).map((word) => word.slice('--target='.length));
const accept = words.includes('--accept');
const options = words.filter((word) => word.startsWith('--') && !own.includes(word) && !word.startsWith('--target='));
const named = words.filter((word) => !word.startsWith('--'));

const files = filesNamed(named);
if (files.length === 0) {
  console.error(`no such cases: ${named.join(' ')}`);
  process.exit(2);
}

if (words.includes('--quick')) {
  let good = true;
  for (const target of targetNames().map(readTarget).filter(({ quick }) => quick)) {
    // Each is run, whatever became of those before: one failure must not hide another.
    const { ok } = await runTarget(target, { files: filesNamed(target.quick), words: target.quick });
    good &&= ok;
  }
  process.exit(good ? 0 : 1);
}

if (targets.length > 0 || accept) {
  let good = true;
  for (const name of targets.length > 0 ? targets : ['rust']) {
    const { ok } = await runTarget(readTarget(name), { files, accept, words: named });
    good &&= ok;
  }
  process.exit(good ? 0 : 1);
}

const child = spawn(process.execPath, [...STANDARD, ...options, ...files], { cwd: suite, stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => process.exit(code ?? 1));
