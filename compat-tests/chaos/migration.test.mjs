// Two Node servers become two of the target and Node again, three times (docs/MIGRATION.md).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Run } from '../lib/cluster-run.mjs';
import { clusters } from '../lib/rt-peer.mjs';
import { rounds } from '../lib/seeded.mjs';

const TIMES = 3;

for (const { cand, ref } of clusters().filter(({ cand, ref }) => cand !== ref)) {
  for (const round of rounds(2)) test(`${TIMES} times ${ref.name} to ${cand.name} and back, ${round}`, { timeout: 600_000 }, async (t) => {
    const run = await Run.start(t, [ref, ref]);
    await run.crowd.gather();
    for (let time = 0; time < TIMES; time += 1) {
      for (const kind of [cand, ref]) for (const slot of run.pick(2) === 0 ? [0, 1] : [1, 0]) await run.swap(slot, kind);
      await run.logins.again(run.bases[0]);
    }
    const figures = await run.judge();
    assert.equal(figures.ghosts, TIMES * (cand.node ? 4 : 2), 'of Node servers only');
  });
}
