// The report as one HTML file that needs nothing else: every case with its line of the contract, and
// for a failure what was expected beside what came.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { counts } from './table.mjs';
import { sectionOf } from './contract.mjs';
import { suite } from './runner.mjs';

const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (text) => String(text).replace(/[&<>"]/g, (char) => ESCAPES[char]);

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --bad: #c22; --good: #282; }
@media (prefers-color-scheme: dark) { :root { --bad: #f77; --good: #7c7; } }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .5rem; text-align: left; vertical-align: top; }
.counts { width: auto; } .counts td + td, .counts th + th { text-align: right; }
.fail { color: var(--bad); font-weight: 600; } .pass { color: var(--good); }
td code { overflow-wrap: anywhere; } small { opacity: .75; }
pre { background: #8882; margin: 0; overflow: auto; max-height: 24rem; padding: .5rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.beside { display: grid; grid-template-columns: 1fr 1fr; gap: .75rem; }
section.failure { border-left: 4px solid var(--bad); margin: 1rem 0; padding-left: .75rem; }
summary { cursor: pointer; font-weight: 600; padding: .5rem 0; }
input { font: inherit; width: 100%; box-sizing: border-box; padding: .4rem; }`;

const SCRIPT = `
const box = document.querySelector('input');
box.addEventListener('input', () => {
  const words = box.value.toLowerCase().split(/\\s+/).filter(Boolean);
  for (const row of document.querySelectorAll('tr[data-text]')) row.hidden = !words.every((word) => row.dataset.text.includes(word));
  if (words.length > 0) for (const part of document.querySelectorAll('details')) part.open = true;
});`;

/** From compat-tests/report/ to the section. */
function contractLink(section) {
  const found = sectionOf(section);
  return found ? `<a href="../../${escaped(found.link)}" title="${escaped(found.line)}">${section}</a>` : escaped(section);
}

const countsTable = (runs) => `<table class="counts"><tr><th>area</th>${runs.map(({ name }) => `<th>${escaped(name)}</th>`).join('')}</tr>${counts(runs)
  .map(([area, ...cells]) => `<tr><td>${area}</td>${cells.map(({ passed, all }) => `<td class="${passed < all ? 'fail' : 'pass'}">${all === 0 ? '–' : `${passed} of ${all}`}</td>`).join('')}</tr>`).join('')}</table>`;

function failureSection(run, { id, section, level, error = {} }) {
  const line = sectionOf(section)?.line ?? '';
  const beside = 'expected' in error
    ? `<div class="beside"><div>expected<pre>${escaped(error.expected)}</pre></div><div>came<pre>${escaped(error.actual)}</pre></div></div>`
    : '';
  return `<section class="failure"><h3>${escaped(run.name)}: <code>${escaped(id)}</code></h3>
<p>${contractLink(section)} ${level}: ${escaped(line)}</p><pre>${escaped(error.message ?? 'no message')}</pre>${beside}</section>`;
}

function areaPart(area, cases, runs) {
  const rows = cases.map(({ id, section, level, outcomes }) => {
    const cells = runs.map((_, at) => (outcomes[at] ? `<td class="${outcomes[at]}">${outcomes[at]}</td>` : '<td>–</td>')).join('');
    const text = escaped(`${id} ${section} ${level} ${Object.values(outcomes).join(' ')}`.toLowerCase());
    return `<tr data-text="${text}"><td><code>${escaped(id)}</code><br><small>${escaped(sectionOf(section)?.line ?? '')}</small></td><td>${contractLink(section)}</td><td>${level}</td>${cells}</tr>`;
  });
  return `<details><summary>${escaped(area)}: ${cases.length} cases</summary><table>
<tr><th>case</th><th>contract</th><th>level</th>${runs.map(({ name }) => `<th>${escaped(name)}</th>`).join('')}</tr>${rows.join('\n')}</table></details>`;
}

/** `runs`: `[{ name, about, results, took }]`. Gives the path of the page. */
export function writeReport(runs) {
  const cases = new Map();
  runs.forEach(({ results }, at) => {
    for (const result of results) {
      if (!cases.has(result.id)) cases.set(result.id, { ...result, outcomes: {} });
      cases.get(result.id).outcomes[at] = result.outcome;
    }
  });
  const all = [...cases.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
  const areas = [...new Set(all.map(({ area }) => area))];
  const failures = runs.flatMap((run) => run.results.filter(({ outcome }) => outcome !== 'pass').map((result) => failureSection(run, result)));
  const page = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Compatibility report</title><style>${STYLE}</style></head><body>
<h1>Compatibility report</h1>
<p>How ${runs.length === 1 ? 'one server does' : `${runs.length} servers do`} by the contract of the Redis chat's backend. Counts are of cases that apply to a target. MUST: clients or other servers rely on it. MAY: better than the original, or nobody relies on it.</p>
<ul>${runs.map(({ name, about, took, results }) => `<li><b>${escaped(name)}</b>: ${escaped(about)} ${results.length} cases in ${Math.round(took / 1000)} s.</li>`).join('')}</ul>
${countsTable(runs)}
<h2>Failures</h2>${failures.length > 0 ? failures.join('\n') : '<p>None.</p>'}
<h2>Cases</h2><p><input aria-label="Filter" placeholder="filter, such as: R8.5 must fail"></p>
${areas.map((area) => areaPart(area, all.filter((found) => found.area === area), runs)).join('\n')}
<script>${SCRIPT}</script></body></html>
`;
  const folder = join(suite, 'report');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'index.html');
  writeFileSync(path, page);
  return path;
}
