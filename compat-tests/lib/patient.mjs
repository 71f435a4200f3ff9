// Requests to a server that may just have lost Redis: it says so with a 503 and asks to be
// tried again (http-and-redis.md §14, README "Where it differs").
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from './engine.mjs';

/** As `request`, tried again for `ms` as long as the answer is 503. */
export async function patiently(base, options, ms = 20_000) {
  const deadline = Date.now() + ms;
  for (;;) {
    const answer = await request(base, options);
    if (answer.status !== 503 || Date.now() > deadline) return answer;
    await sleep(50);
  }
}
