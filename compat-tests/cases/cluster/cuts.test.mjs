// The link to Redis of either server is cut under load, in every pair. Ours keeps its
// sockets and does their events later, once; Node's ends (realtime.md §11).
// What the other server announced while the link was away is delivered later, once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Run } from '../../lib/cluster-run.mjs';
import { clusters } from '../../lib/rt-peer.mjs';

/** Of each pair; fewer of two Node servers, which only show whose fault a failure is. */
const times = (cand) => (cand.node ? 2 : 3);

for (const { cand, ref } of clusters()) test(`cuts: ${cand.name} beside ${ref.name}`, { timeout: 90_000 }, async (t) => {
  const run = await Run.start(t, [cand, ref]);
  await run.crowd.gather();
  run.crowd.chat();
  let nodeCuts = 0;
  for (let cut = 0; cut < times(cand); cut += 1) {
    const slot = cut < 2 ? cut : run.pick(2);
    if (run.cluster.slots[slot].node) nodeCuts += 1;
    await run.cut(slot, cut % 2 === 0 ? 0 : 1 + run.pick(800));
  }
  const figures = await run.judge();
  assert.ok(figures.restarts <= nodeCuts, 'only Node ends with its Redis');
});
