// A rolling migration under load: two Node servers become two of the target one by one,
// and back (docs/MIGRATION.md; realtime.md §12, http-and-redis.md §15.8).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Run } from '../../lib/cluster-run.mjs';
import { clusters } from '../../lib/rt-peer.mjs';

for (const { cand, ref } of clusters().filter(({ cand, ref }) => cand !== ref)) {
  test(`${ref.name} to ${cand.name} and back`, { timeout: 90_000 }, async (t) => {
    const run = await Run.start(t, [ref, ref]);
    const { crowd, cluster, logins } = run;
    await crowd.gather();
    const leaver = await crowd.add({ slot: 0 });
    for (const kind of [cand, ref]) {
      await run.swap(0, kind);
      await run.swap(1, kind);
      assert.deepEqual(cluster.slots.map((slot) => slot.kind), [kind, kind]);
      // One who goes as one goes, after a move.
      if (!leaver.left) await leaver.leave();
      await logins.again(cluster.slots[1].base);
    }
    const figures = await run.judge();
    // A Node server's stop leaves its users online, its own fault; ours leaves nobody.
    const nodeStops = 2 + (cand.node ? 2 : 0);
    assert.equal(figures.ghosts, nodeStops);
    assert.ok(figures.logins > 8, 'somebody signed in during the swaps as well');
  });
}
