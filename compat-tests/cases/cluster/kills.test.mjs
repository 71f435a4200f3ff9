// SIGKILL of either server under load, in every pair of servers: what was accepted is
// stored and delivered once, and everybody comes back (realtime.md §10, §12.2).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Run } from '../../lib/cluster-run.mjs';
import { clusters } from '../../lib/rt-peer.mjs';

/** Of each pair; fewer of two Node servers, which only show whose fault a failure is. */
const times = (cand) => (cand.node ? 2 : 3);

for (const { cand, ref } of clusters()) test(`kills: ${cand.name} beside ${ref.name}`, { timeout: 90_000 }, async (t) => {
  const run = await Run.start(t, [cand, ref]);
  await run.crowd.gather();
  await run.crowd.add({ slot: run.pick(2), quits: true });
  await run.crowd.allJoined();
  // Each of the two at least once.
  for (let kill = 0; kill < times(cand); kill += 1) await run.kill(kill < 2 ? kill : run.pick(2));
  const figures = await run.judge();
  assert.equal(figures.restarts, times(cand));
  assert.equal(figures.ghosts, 1, 'nobody takes leave of a killed server');
});
