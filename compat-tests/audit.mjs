// `npm audit` of both package lists, held against audit.json: what is found there, and not listed with a
// reason, fails.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const listed = JSON.parse(readFileSync(join(import.meta.dirname, 'audit.json'), 'utf8'));

/** The findings of a folder: `name@version` and how bad it is. */
function findings(folder) {
  const { stdout } = spawnSync('npm', ['audit', '--json'], { cwd: join(root, folder), encoding: 'utf8' });
  let report = {};
  try {
    report = JSON.parse(stdout);
  } catch { /* No report, which is said below. */ }
  if (!report.vulnerabilities) {
    console.error(`npm audit gave no report for ${folder}: ${report.message ?? 'is the registry reached?'}`);
    process.exit(2);
  }
  const { packages } = JSON.parse(readFileSync(join(root, folder, 'package-lock.json'), 'utf8'));
  return Object.values(report.vulnerabilities).flatMap(({ name, severity, nodes }) =>
    nodes.map((node) => ({ name: `${node.split('node_modules/').at(-1) ?? name}@${packages[node].version}`, severity })));
}

let unlisted = 0;
for (const [folder, reasons] of Object.entries(listed)) {
  const found = findings(folder);
  for (const { name, severity } of found) {
    if (!reasons[name]) unlisted += 1;
    console.log(`${folder}: ${name}, ${severity}: ${reasons[name] ?? 'NOT LISTED in compat-tests/audit.json'}`);
  }
  for (const name of Object.keys(reasons).filter((name) => !found.some((finding) => finding.name === name))) {
    console.log(`${folder}: ${name} is listed, and nothing is found in it any more`);
  }
}
process.exit(unlisted ? 1 : 0);
