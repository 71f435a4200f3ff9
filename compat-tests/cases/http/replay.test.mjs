// Every recorded exchange, step by step: fixtures/http/.
import { after, before, describe, test } from 'node:test';
import { makeClient } from '../../lib/client.mjs';
import { fixture } from '../../lib/dataset.mjs';
import { startRedis } from '../../lib/redis.mjs';
import { Replay } from '../../lib/replay.mjs';
import { isUpstream, servesClientDir, startServer } from '../../lib/target.mjs';

const SCENARIOS = [
  '03-visitor', '04-randomname', '05-register', '06-login', '07-conditional', '08-logout', '09-sessions',
  '10-cookies', '11-room-create', '12-rooms', '13-messages', '14-preload', '15-users', '16-users-online',
  '17-forbidden', '18-not-found-and-methods', '19-body-parsing', '20-static', '21-faults',
];

let redis;
let model;
let client;
let server;

before(async () => {
  redis = await startRedis();
  model = await redis.connect();
  await redis.client.set('total_users', '0');
  client = await makeClient();
  server = await startServer({ redis, clientDir: client.dir });
});
after(async () => {
  await server?.stop();
  await redis?.stop();
  await client?.remove();
});

for (const name of SCENARIOS) {
  const { steps } = fixture(name);
  describe(name, () => {
    let replay;
    before(async () => {
      // The scenario before may have ended the server: that must not fail this one.
      if (!server.alive()) server = await startServer({ redis, clientDir: client.dir });
      replay = new Replay({ redis, model, server, client: client.dir });
    });
    for (const [index, step] of steps.entries()) {
      if (isUpstream && step.upstream) continue; // It would end here: §14.
      if (step.file && !servesClientDir) continue;
      const { method, path } = step.request;
      const title = `${index + 1}. ${method} ${path.slice(0, 80)}${step.note ? ` (${step.note})` : ''}`;
      test(title, () => replay.play(step));
    }
  });
}
