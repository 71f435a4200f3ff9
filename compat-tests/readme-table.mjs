// The table of counts in the README, from the committed results:
//
//   node readme-table.mjs            writes it
//   node readme-table.mjs --check    fails if it is not what the results give
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readResults } from './tools/results.mjs';
import { suite } from './tools/runner.mjs';
import { markdownTable } from './tools/table.mjs';

const BEGIN = '<!-- counts: made by compat-tests/readme-table.mjs -->';
const END = '<!-- end of counts -->';
const path = join(suite, '..', 'README.md');

const names = readdirSync(join(suite, 'results')).filter((name) => name.endsWith('.jsonl')).map((name) => name.replace(/\.jsonl$/, '')).sort();
const table = markdownTable(names.map((name) => ({ name, results: readResults(name) })));

const text = readFileSync(path, 'utf8');
const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
if (from < 0 || to < from) {
  console.error(`README.md lacks the two lines that the table goes between:\n${BEGIN}\n${END}`);
  process.exit(1);
}
const made = `${text.slice(0, from + BEGIN.length)}\n\n${table}\n\n${text.slice(to)}`;
if (process.argv.includes('--check')) {
  if (made === text) process.exit(0);
  console.error('The table of counts in README.md is not that of compat-tests/results: run node compat-tests/readme-table.mjs');
  process.exit(1);
}
writeFileSync(path, made);
