// From what became of the cases to the committed results, and what differs between the two.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BUILD } from '../../upstream-client/sums.mjs';
import { AREAS, isOfClient, needs, rows } from '../catalogue.mjs';
import { hasSection } from './contract.mjs';
import { RUST_CLIENT } from '../lib/target.mjs';
import { abilities } from './targets.mjs';
import { nameOf, suite } from './runner.mjs';

export const resultsOf = (target) => join(suite, 'results', `${target}.jsonl`);

const fits = ([file, , , , pattern], record) => file === record.file && (pattern === undefined || pattern.test(record.names.join(' > ')));

/** What a machine may lack: cases that need it are left out, and what is committed of them stays. */
const OPTIONAL = [
  { what: "the original's client", how: 'make upstream-client, see upstream-client/README.md', path: BUILD, fits: isOfClient },
  { what: 'the client in Rust', how: 'make rust-client', path: RUST_CLIENT, fits: (name) => name === 'wire/rust-client' },
];

/** What this machine lacks for the cases of `name`, if anything. */
const lackedBy = (name) => OPTIONAL.find(({ path, fits }) => fits(name) && !existsSync(path));

/** Files of cases that make sense for the target. */
export const filesFor = (target, files) => {
  const can = abilities(target);
  return files.filter((file) => (!target.only || target.only.includes(file)) && needs(nameOf(file)).every((word) => can.has(word.replace('!', '')) !== word.startsWith('!')));
};

/** Those of `files` that this machine can run, and in words what it lacks for the others. */
export function runnable(files) {
  const lacked = new Set(files.map((file) => lackedBy(nameOf(file))).filter(Boolean));
  return {
    files: files.filter((file) => lackedBy(nameOf(file)) === undefined),
    notes: [...lacked].map(({ what, how }) => `Without ${what} (${how}) its cases are left out.`),
  };
}

/** Gives records their rows' facts and their ids. Complains where a case fits no row, or two, or is there twice. */
export function classify(records) {
  const complaints = [];
  const seen = new Set();
  const results = [];
  for (const record of records) {
    const found = rows.filter((row) => fits(row, record));
    // That a file could not be run at all is no case, but must be seen.
    const row = found[0] ?? rows.find(([file]) => file === record.file);
    const name = `${record.file}: ${record.names.join(' > ')}`;
    const isCase = record.names[0] !== '(the file itself)';
    if (!isCase && record.outcome === 'pass') {
      complaints.push(`${record.file}: has no case for this target, so catalogue.mjs must not give it the file`);
      continue;
    }
    if (isCase && found.length !== 1) complaints.push(`${name}: fits ${found.length} rows of catalogue.mjs, not one`);
    if (record.outcome === 'skip') complaints.push(`${name}: is skipped; a case that does not apply must not be registered`);
    const [, area, section, level] = row ?? [record.file, 'none', '?', 'MUST'];
    const id = `${area}/${name}`;
    if (seen.has(id)) complaints.push(`${id}: there are two of this name`);
    seen.add(id);
    results.push({ ...record, id, area, section, level });
  }
  return { results: results.sort(byId), complaints };
}

const byId = (one, other) => (one.id < other.id ? -1 : one.id > other.id ? 1 : 0);

/** What is wrong with the catalogue itself: unknown areas and sections, rows that no case of `results` fits. */
export function catalogueFaults(results) {
  const faults = [];
  for (const row of rows) {
    const [file, area, section, level, pattern] = row;
    const what = `${file} ${section} ${pattern ?? ''}`;
    if (!AREAS.includes(area)) faults.push(`${what}: unknown area ${area}`);
    if (!['MUST', 'MAY'].includes(level)) faults.push(`${what}: unknown level ${level}`);
    if (!hasSection(section)) faults.push(`${what}: the contract has no such section`);
    if (results && !lackedBy(file) && !results.some((result) => fits(row, { file: fileOf(result), names: [namesOf(result)] }))) faults.push(`${what}: no case fits this row`);
  }
  return faults;
}

export const fileOf = ({ id }) => /^[^/]+\/([^:]+): /.exec(id)[1];
const namesOf = ({ id }) => id.slice(id.indexOf(': ') + 2);

const line = ({ id, area, section, level, outcome }) => JSON.stringify({ id, area, section, level, outcome });

export function readResults(target) {
  const path = resultsOf(target);
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean).map((text) => JSON.parse(text)) : [];
}

/** Those of `committed` whose files were run. */
export const partOf = (committed, files) => {
  const names = new Set(files.map(nameOf));
  return committed.filter((result) => names.has(fileOf(result)));
};

/** Writes `results`, which are of `files`; those of other files stay, unless they are not of `existing`, all that the target can run. */
export function writeResults(target, results, files, existing) {
  const names = new Set(files.map(nameOf));
  const known = new Set(existing.map(nameOf));
  const kept = readResults(target).filter((result) => !names.has(fileOf(result)) && known.has(fileOf(result)));
  mkdirSync(dirname(resultsOf(target)), { recursive: true });
  writeFileSync(resultsOf(target), [...kept, ...results].sort(byId).map((result) => `${line(result)}\n`).join(''));
}

/** What changed since the committed results, in words; nothing if nothing did. */
export function differences(committed, results) {
  const before = new Map(committed.map((result) => [result.id, result]));
  const found = { broken: [], fixed: [], new: [], missing: [], moved: [] };
  for (const result of results) {
    const old = before.get(result.id);
    before.delete(result.id);
    if (!old) found.new.push(`${result.id} (${result.outcome})`);
    else if (old.outcome !== result.outcome) found[result.outcome === 'pass' ? 'fixed' : 'broken'].push(`${result.id} (was ${old.outcome}, now ${result.outcome})`);
    else if (line(old) !== line(result)) found.moved.push(`${result.id} (was ${old.section} ${old.level}, now ${result.section} ${result.level})`);
  }
  found.missing.push(...before.keys());
  return Object.fromEntries(Object.entries(found).filter(([, ids]) => ids.length > 0));
}

/** Cases that were committed although their file is gone: no run would miss them. */
export const orphans = (target, existing) => {
  const known = new Set(existing.map(nameOf));
  return readResults(target).filter((result) => !known.has(fileOf(result))).map(({ id }) => id);
};
