// Runs the suite: `npm test`, or `node run.mjs cases/http/etag.test.mjs …` for some files.
// (Node 20's test runner takes no glob patterns, so the files are listed here.)
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

const isCase = (entry) => entry.isFile() && entry.name.endsWith('.test.mjs');
const all = () =>
  readdirSync(join(here, 'cases'), { withFileTypes: true, recursive: true })
    .filter(isCase)
    .map((entry) => relative(here, join(entry.path, entry.name)))
    .sort();

const options = process.argv.slice(2).filter((word) => word.startsWith('--'));
const named = process.argv.slice(2).filter((word) => !word.startsWith('--'));
// A folder stands for the files in it.
const files = named.length === 0 ? all() : all().filter((file) => named.some((word) => file === word || file.startsWith(`${word.replace(/\/$/, '')}/`)));
if (files.length === 0) {
  console.error(`no such cases: ${named.join(' ')}`);
  process.exit(2);
}

// A file that hangs is ended by the runner, so that the whole is bounded in time.
const standard = ['--test', '--test-concurrency=2', '--test-timeout=120000'];
const child = spawn(process.execPath, [...standard, ...options, ...files], { cwd: here, stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => process.exit(code ?? 1));
