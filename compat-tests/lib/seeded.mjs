// Random numbers that a printed seed repeats.

/** A small generator of repeatable random numbers (mulberry32). */
function random(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** The seed of this run, as an explanation for whatever fails, and its numbers. */
export function seeded(t) {
  const seed = Number(process.env.CHAOS_SEED ?? Math.floor(Math.random() * 2 ** 32));
  t.diagnostic(`CHAOS_SEED=${seed}`);
  return { what: `CHAOS_SEED=${seed}`, pick: random(seed) };
}

/** The numbers of `count` runs, each with a seed of its own; of one, if CHAOS_SEED names its seed. */
export const rounds = (count) => Array.from({ length: process.env.CHAOS_SEED ? 1 : count }, (_, i) => i + 1);
