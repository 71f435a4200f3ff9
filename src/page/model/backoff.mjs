// How long to wait before the next try.

const FIRST = 1000;
const LONGEST = 30_000;

/**
 * Milliseconds before try number `attempt` (from 0): doubling, and at least half of it by chance, so that
 * the pages of a server that comes back do not all return in the same instant.
 */
export function delayBefore(attempt, random = Math.random) {
  const full = Math.min(FIRST * 2 ** Math.min(attempt, 10), LONGEST);
  return Math.round(full * (0.5 + random() / 2));
}
