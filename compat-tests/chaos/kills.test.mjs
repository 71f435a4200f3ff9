// A hundred SIGKILLs of either of two servers under load (realtime.md §10, §12.2).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { killAgainAndAgain } from '../lib/embedded-kills.mjs';
import { Run } from '../lib/cluster-run.mjs';
import { clusters } from '../lib/rt-peer.mjs';
import { rounds } from '../lib/seeded.mjs';

const KILLS = 100;
const [{ cand, ref }] = clusters();

for (const round of rounds(3)) test(`${KILLS} kills: ${cand.name} beside ${ref.name}, ${round}`, { timeout: 900_000 }, async (t) => {
  const run = await Run.start(t, [cand, ref]);
  await run.crowd.gather();
  for (let kill = 0; kill < KILLS; kill += 1) await run.kill(run.pick(2));
  const figures = await run.judge();
  assert.equal(figures.restarts, KILLS);
});

for (const round of rounds(3)) test(`${KILLS} kills of a server on its file, ${round}`, { timeout: 900_000 }, async (t) => {
  t.diagnostic(`${await killAgainAndAgain(t, KILLS)} messages`);
});
