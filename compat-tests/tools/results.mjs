// From what became of the cases to the committed results, and what differs between the two.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AREAS, needs, rows } from '../catalogue.mjs';
import { hasSection } from './contract.mjs';
import { abilities } from './targets.mjs';
import { nameOf, suite } from './runner.mjs';

export const resultsOf = (target) => join(suite, 'results', `${target}.jsonl`);

const fits = ([file, , , , pattern], record) => file === record.file && (pattern === undefined || pattern.test(record.names.join(' > ')));

/** Files of cases that make sense for the target. */
export const filesFor = (target, files) => {
  const can = abilities(target);
  return files.filter((file) => (!target.only || target.only.includes(file)) && needs(nameOf(file)).every((word) => can.has(word)));
};

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
    if (results && !results.some((result) => fits(row, { file: fileOf(result), names: [namesOf(result)] }))) faults.push(`${what}: no case fits this row`);
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

/** Writes `results`, which are of `files`; those of other files stay, unless there is no such file any more. */
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
