// What is wrong with a copy of the client, if anything: its files against SHA256SUMS.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

/** Where the copy is, if there is one. */
export const BUILD = join(here, 'build');
/** The pinned commit. */
export const COMMIT = readFileSync(join(here, 'COMMIT'), 'utf8').trim();
/** The sums of that commit's build, in the format of sha256sum. */
export const SUMS = readFileSync(join(here, 'SHA256SUMS'), 'utf8');

/** One line for each file that is changed, missing or surplus in `folder`; none: it is the pinned build. */
export function differences(folder, sums = SUMS) {
  const expected = new Map(sums.trim().split('\n').map((line) => [line.slice(66), line.slice(0, 64)]));
  const found = new Map(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => [relative(folder, join(entry.path, entry.name)).split(sep).join('/'), entry]),
  );
  const wrong = [];
  for (const [path, sum] of expected) {
    // A link could lead anywhere, so it does not count as the file.
    if (!found.get(path)?.isFile()) wrong.push(`missing: ${path}`);
    else if (createHash('sha256').update(readFileSync(join(folder, path))).digest('hex') !== sum) wrong.push(`changed: ${path}`);
  }
  for (const path of found.keys()) if (!expected.has(path)) wrong.push(`surplus: ${path}`);
  return wrong.sort();
}
