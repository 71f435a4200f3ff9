// A client folder for the server to serve: a copy of client-fixture/ in a temporary
// place, with known times, to which a case may add files.
import { cp, mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { clientFixture } from './target.mjs';

/** Time of every file; whole milliseconds, so that nothing depends on rounding. */
export const MTIME = new Date('2021-03-04T05:06:07.089Z');

export async function makeClient() {
  // A parent of its own, so that a case can lay something outside of the root.
  const place = await mkdtemp(join(tmpdir(), 'compat-client-'));
  const dir = join(place, 'build');
  await cp(clientFixture, dir, { recursive: true });
  for (const entry of await readdir(dir, { recursive: true })) {
    const path = join(dir, entry);
    if ((await stat(path)).isFile()) await utimes(path, MTIME, MTIME);
  }
  return {
    dir,
    /** Adds a file; `name` may start with `../` to lie outside of the root. */
    async add(name, content, mtime = MTIME) {
      const path = join(dir, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content);
      await utimes(path, mtime, mtime);
      return path;
    },
    remove: () => rm(place, { recursive: true, force: true }),
  };
}
