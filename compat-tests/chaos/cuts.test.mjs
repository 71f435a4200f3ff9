// One server loses Redis for 1, 10 and 60 seconds while the users of the other send some
// 50 messages a second (realtime.md §11). What is promised: everything is stored once and
// delivered once, all in order, and the events of the server's own users are done.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Run } from '../lib/cluster-run.mjs';
import { clusters } from '../lib/rt-peer.mjs';
import { rounds } from '../lib/seeded.mjs';

const SECONDS = [1, 10, 60];
/** Each of the three or four users of a server sends one in so many ms. */
const EVERY = 70;

for (const { cand, ref } of clusters().filter(({ cand }) => !cand.node)) {
  for (const round of rounds(2)) test(`long cuts: ${cand.name} beside ${ref.name}, ${round}`, { timeout: 300_000 }, async (t) => {
    const run = await Run.start(t, [cand, ref]);
    const { crowd } = run;
    // They go on sending through the whole cut; the server takes 1000 events of each (HELD_EVENTS).
    crowd.window = 900;
    await crowd.gather();
    crowd.chat(EVERY);
    for (const seconds of SECONDS) {
      const leaver = await crowd.add({ slot: 0 });
      await crowd.allJoined();
      // Who leaves meanwhile must not be online afterwards.
      await run.cut(0, seconds * 1000, () => leaver.leave());
      assert.ok(leaver.left);
    }
    const figures = await run.judge();
    assert.equal(figures.restarts, 0);
  });
}
