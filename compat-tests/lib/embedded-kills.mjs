// SIGKILLs of a server on the embedded store while three people chat: what a sender saw echoed is stored, once.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Person, folder, startEmbedded } from './embedded.mjs';
import { seeded } from './seeded.mjs';

const isMessage = (frame) => typeof frame === 'string' && frame.startsWith('42["message"');
const textOf = (frame) => JSON.parse(frame.slice(2))[1].message;

/** Kills the server so many times, each a little later, and compares; gives the number of messages seen. */
export async function killAgainAndAgain(t, kills) {
  const { what, pick } = seeded(t);
  const file = join(await folder(t), 'chat.db');
  let server = await startEmbedded(t, file);
  const { port } = server;
  const people = [];
  for (const name of ['Pablo', 'Joe', 'Mary']) people.push(await Person.signIn(server.base, name));
  const echoed = new Set();
  const doubled = [];
  let sent = 0;
  const hear = (frame) => {
    if (!isMessage(frame)) return;
    const text = textOf(frame);
    if (echoed.has(text)) doubled.push(text);
    echoed.add(text);
  };
  for (let kill = 0; kill < kills; kill += 1) {
    const sockets = await Promise.all(people.map((person) => person.socket('0')));
    const { push } = sockets[0];
    sockets[0].push = (frame) => {
      hear(frame);
      push.call(sockets[0], frame);
    };
    const until = echoed.size + 20 + pick(300);
    while (echoed.size < until) {
      for (let i = 0; i < 20; i += 1, sent += 1) {
        const at = pick(3);
        sockets[at].emit('message', people[at].message('0', `n${sent}`, 4_000_000_000 + sent));
      }
      await sleep(5);
    }
    await server.kill();
    await sockets[0].closing();
    server = await startEmbedded(t, file, { port });
  }
  const [, , mary] = people;
  const stored = (await mary.get(`/room/0/messages?offset=0&size=${sent + 10}`)).map(({ message }) => message);
  const all = new Set(stored);
  assert.deepEqual([...echoed].filter((text) => !all.has(text)), [], `${what}: lost`);
  assert.equal(all.size, stored.length, `${what}: stored once`);
  assert.deepEqual(doubled, [], `${what}: echoed once`);
  const numbers = stored.filter((text) => /^n\d+$/.test(text)).map((text) => Number(text.slice(1)));
  assert.deepEqual(numbers, [...numbers].sort((a, b) => b - a), `${what}: newest first`);
  assert.deepEqual(await mary.get('/users/online'), {}, 'nobody is left behind online');
  await server.stop();
  return echoed.size;
}
