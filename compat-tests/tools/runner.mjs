// Runs files of cases one by one or two at a time, each in a run of its own, and collects what became
// of every case.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const suite = join(dirname(fileURLToPath(import.meta.url)), '..');

const filesIn = (folder) =>
  readdirSync(join(suite, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.mjs'))
    .map((entry) => relative(suite, join(entry.path, entry.name)))
    .sort();

/** All files of cases, by path from the suite's folder. */
export const allFiles = () => filesIn('cases');

/** Those that are named; a folder stands for the files in it. chaos/ takes long, so it must be asked for. */
export const filesNamed = (words) =>
  words.length === 0 ? allFiles() : [...allFiles(), ...filesIn('chaos')].filter((file) => words.some((word) => file === word || file.startsWith(`${word.replace(/\/$/, '')}/`)));

/** `cases/http/login.test.mjs` as results name it: `http/login`. */
export const nameOf = (file) => file.replace(/^cases\//, '').replace(/\.test\.mjs$/, '');

/** A file that hangs is ended by the runner, so that the whole is bounded in time. */
export const STANDARD = ['--test', '--test-concurrency=2', '--test-timeout=120000'];

/** The same for one file beside the work of others on a slow machine: a part of its cases would be no result. */
const ALONE = ['--test', '--test-timeout=400000'];

const running = new Set();
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    for (const child of running) child.kill(signal);
    process.exitCode = 1;
  });
}

function runFile(file, environment) {
  const args = [...ALONE, `--test-reporter=${join(suite, 'tools', 'reporter.mjs')}`, '--test-reporter-destination=stdout', file];
  const child = spawn(process.execPath, args, { cwd: suite, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (err += chunk));
  return new Promise((resolve) => {
    child.once('close', (code) => {
      running.delete(child);
      const records = out.split('\n').filter(Boolean).map((line) => ({ file: nameOf(file), ...JSON.parse(line) }));
      const told = records.some(({ outcome }) => outcome === 'fail');
      if (code !== 0 && !told) {
        records.push({ file: nameOf(file), names: ['(the file itself)'], outcome: 'fail', ms: 0, error: { message: `the run ended with ${code}: ${err.slice(-2000)}` } });
      }
      resolve(records);
    });
  });
}

/**
 * Runs `files` and gives the records of all cases. `onFile(file, records, ms)` hears of each file's end;
 * no further file is begun once it gives false.
 */
export async function runFiles(files, { environment, concurrency = 2, onFile = () => {} }) {
  const waiting = [...files];
  const found = new Map();
  const work = async () => {
    while (waiting.length > 0 && process.exitCode === undefined) {
      const file = waiting.shift();
      const started = Date.now();
      const records = await runFile(file, environment);
      found.set(file, records);
      if (onFile(file, records, Date.now() - started) === false) waiting.length = 0;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return files.flatMap((file) => found.get(file) ?? []);
}
