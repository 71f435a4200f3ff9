// Who is told that somebody came or left.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { dataOf, fence, isOf } from './safe.mjs';

/** Tries what asserts something until it holds. */
export async function patiently(check, ms = 5000) {
  for (const deadline = Date.now() + ms; ; await sleep(50)) {
    const failed = await check().then(() => null, (error) => error);
    if (!failed) return;
    if (Date.now() > deadline) throw failed;
  }
}

/** Somebody on each of the file's servers who hears what is announced of others, `ms` later at the latest. */
export async function witnesses(t, bases, ms) {
  const sockets = [];
  for (const base of bases) sockets.push(await t.socket(await t.newcomer(), { base }));
  return {
    /** What each heard of this person, as `+` and `-`. */
    async of(person) {
      await sleep(100);
      for (const socket of sockets) await fence(socket);
      return sockets.map((socket) => socket.frames
        .filter((frame) => isOf('user.connected', person)(frame) || isOf('user.disconnected', person)(frame))
        .map((frame) => (dataOf(frame).online ? '+' : '-')).join(''));
    },
    async hear(person, expected, why) {
      await patiently(async () => assert.deepEqual(await this.of(person), sockets.map(() => expected), why), ms);
    },
  };
}
