// Runs the original Node server with a client folder of our choice:
//
//   TARGET_KIND=node TARGET_CMD='node targets/original.mjs <checkout> {client}' npm test
//
// The original serves `client/build` beside its own code. So that its checkout stays as
// it is, a temporary folder is laid out with its code copied and the rest linked. The
// server runs in this very process: signals, exit code and arguments are its own.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [checkout, client] = process.argv.splice(2, 2).map((path) => resolve(path));

const PREFIX = 'compat-original-';
const remove = (path) => rmSync(path, { recursive: true, force: true });

// Those that were killed could not tidy up; their folders carry their process ids.
for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
  try {
    process.kill(Number(name.slice(PREFIX.length).split('-')[0]), 0);
  } catch {
    remove(join(tmpdir(), name));
  }
}

const place = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
const tidy = () => remove(place);
process.on('exit', tidy);
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => {
    tidy();
    // The handler is gone by now, so this ends the process as it would have without it.
    process.kill(process.pid, signal);
  });
}

cpSync(join(checkout, 'server'), join(place, 'server'), { recursive: true });
for (const name of ['node_modules', 'repo.json', 'package.json']) symlinkSync(join(checkout, name), join(place, name));
mkdirSync(join(place, 'client'));
symlinkSync(client, join(place, 'client', 'build'));

await import(pathToFileURL(join(place, 'server', 'index.js')));
