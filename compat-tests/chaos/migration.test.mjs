// Two Node servers become two of the target and Node again, three times (docs/MIGRATION.md),
// with and without further mishaps between the steps.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Run } from '../lib/cluster-run.mjs';
import { clusters } from '../lib/rt-peer.mjs';
import { rounds } from '../lib/seeded.mjs';

const TIMES = 3;

/** One of the two is killed, or loses Redis for a moment. */
async function mishap(run) {
  const slot = run.pick(2);
  if (run.pick(2) === 0) await run.kill(slot);
  else await run.cut(slot, run.pick(1500));
}

for (const { cand, ref } of clusters().filter(({ cand, ref }) => cand !== ref)) {
  for (const between of ['nothing', 'mishaps']) for (const round of rounds(2)) {
    test(`${TIMES} times ${ref.name} to ${cand.name} and back, ${between} between, ${round}`, { timeout: 900_000 }, async (t) => {
      const run = await Run.start(t, [ref, ref]);
      await run.crowd.gather();
      for (let time = 0; time < TIMES; time += 1) {
        for (const kind of [cand, ref]) for (const slot of run.pick(2) === 0 ? [0, 1] : [1, 0]) {
          await run.swap(slot, kind);
          if (between === 'mishaps') await mishap(run);
        }
        await run.logins.again(run.bases[0]);
      }
      const figures = await run.judge();
      assert.equal(figures.ghosts, TIMES * (cand.node ? 4 : 2), 'of Node servers only');
    });
  }
}
