// The contract's sections: H5 is a heading of http-and-redis.md, R8.5 a numbered paragraph of realtime.md.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from './runner.mjs';

const DOCUMENTS = { H: 'http-and-redis.md', R: 'realtime.md' };
const texts = Object.fromEntries(Object.entries(DOCUMENTS).map(([letter, name]) => [letter, readFileSync(join(suite, '..', 'docs', 'contract', name), 'utf8')]));

/** The anchor that Markdown viewers give a heading. */
const slug = (heading) => heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');

function heading(letter, number) {
  return new RegExp(`^## (${number}\\.? .*)$`, 'm').exec(texts[letter])?.[1];
}

/** The line of the paragraph `8.5`, shortened. */
function paragraph(letter, number) {
  return new RegExp(`^(${number.replace('.', '\\.')} .*)$`, 'm').exec(texts[letter])?.[1];
}

/** `{ title, line, link }` of a section such as `R8.5`; `link` is from the repository's root. */
export function sectionOf(section) {
  const [, letter, number, part] = /^([HR])(\d+)(?:\.(\d+))?$/.exec(section) ?? [];
  if (letter === undefined) return undefined;
  const title = heading(letter, number);
  const line = part === undefined ? title : paragraph(letter, `${number}.${part}`);
  if (title === undefined || line === undefined) return undefined;
  return { title, line: plain(line), link: `docs/contract/${DOCUMENTS[letter]}#${slug(title)}` };
}

export const hasSection = (section) => sectionOf(section) !== undefined;

const plain = (text) => {
  const bare = text.replaceAll('**', '').replace(/\*\(→[^)]*\)\*/, '').trim();
  return bare.length > 220 ? `${bare.slice(0, 220)}…` : bare;
};
