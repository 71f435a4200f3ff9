// Counts of cases per area and target, for the terminal and for the README.
import { AREAS } from '../catalogue.mjs';

const none = () => ({ passed: 0, all: 0 });

/** `[{ name, results }]` → rows of `[area, cell, …]`, a cell being `{ passed, all }`, the last row for all. */
export function counts(runs) {
  const columns = runs.map(({ results }) => {
    const by = new Map(AREAS.map((area) => [area, none()]));
    const sum = none();
    for (const { area, outcome } of results) {
      if (!by.has(area)) by.set(area, none());
      for (const cell of [by.get(area), sum]) {
        cell.all += 1;
        if (outcome === 'pass') cell.passed += 1;
      }
    }
    return { by, sum };
  });
  const areas = AREAS.filter((area) => columns.some(({ by }) => by.get(area).all > 0));
  return [...areas.map((area) => [area, ...columns.map(({ by }) => by.get(area))]), ['all', ...columns.map(({ sum }) => sum)]];
}

const shown = ({ passed, all }) => (all === 0 ? '–' : passed === all ? `${all}` : `${passed} of ${all}`);

export function terminalTable(runs) {
  const lines = [['area', ...runs.map(({ name }) => name)], ...counts(runs).map(([area, ...cells]) => [area, ...cells.map(shown)])];
  const widths = lines[0].map((_, at) => Math.max(...lines.map((line) => line[at].length)));
  return lines.map((line) => line.map((text, at) => (at === 0 ? text.padEnd(widths[at]) : text.padStart(widths[at]))).join('   ')).join('\n');
}

export function markdownTable(runs) {
  const row = (cells) => `| ${cells.join(' | ')} |`;
  return [
    row(['area', ...runs.map(({ name }) => name)]),
    row(['---', ...runs.map(() => '--:')]),
    ...counts(runs).map(([area, ...cells]) => row([area, ...cells.map(shown)])),
  ].join('\n');
}
