// What is asked of the original and of its double (node-peer/) alone: the very commands
// of the recordings, in their order, and an end of the process where they tell of one. A
// drop-in may reach the same by other commands, and must not end.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { makeClient } from '../../lib/client.mjs';
import { fixture, loadDataset } from '../../lib/dataset.mjs';
import { eventually } from '../../lib/expect.mjs';
import { startRedis } from '../../lib/redis.mjs';
import { Replay } from '../../lib/replay.mjs';
import { Bus } from '../../lib/rt-bus.mjs';
import { World, recordings } from '../../lib/rt-world.mjs';
import { isUpstream, servesClientDir, startServer } from '../../lib/target.mjs';

const REQUESTS = [
  '03-visitor', '04-randomname', '05-register', '06-login', '07-conditional', '08-logout', '09-sessions',
  '10-cookies', '11-room-create', '12-rooms', '13-messages', '14-preload', '15-users', '16-users-online',
  '17-forbidden', '18-not-found-and-methods', '19-body-parsing', '20-static', '21-faults',
];

/** What may stand in the place of a placeholder. */
const PATTERNS = {
  SID_1: '[\\w-]{32}',
  SID_2: '[\\w-]{32}',
  BCRYPT: '\\$2[ab]\\$10\\$[./A-Za-z0-9]{53}',
  ISO_TIME_NOW_PLUS_MAX_AGE: '[-\\d]+T[:.\\d]+Z',
  UNIX_SECONDS: '\\d+',
  UNIX_SECONDS_WITH_FRACTION: '\\d+\\.\\d+',
  GREETING: '(?:Hello|Hi|Yo|Hola)',
  RANDOM_SEEDED_ID: '[1-4]',
};

const quoted = (text) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
const fits = (word, recorded) =>
  new RegExp(`^${recorded.split(/<([A-Z_\d]+)>/).map((part, n) => (n % 2 ? (PATTERNS[part] ?? quoted(`<${part}>`)) : quoted(part))).join('')}$`, 's').test(word);

function assertCommands(actual, recorded) {
  // Redis gives the members of a set in an order of its own, and what follows goes by that.
  if (recorded.some(([command]) => command === 'smembers')) {
    [actual, recorded] = [actual, recorded].map((list) => [...list].sort((a, b) => (`${a}` < `${b}` ? -1 : 1)));
  }
  const same = actual.length === recorded.length
    && actual.every((command, n) => command.length === recorded[n].length && command.every((word, at) => fits(word, recorded[n][at])));
  // For its readable difference.
  if (!same) assert.deepEqual(actual, recorded);
}

const suite = isUpstream ? describe : () => {};

suite('the original alone', () => {
  let redis;
  let model;
  let monitor;
  let client;
  let server;
  let bus;

  before(async () => {
    redis = await startRedis();
    model = await redis.connect();
    monitor = await redis.monitor();
    bus = await Bus.open(redis);
    client = await makeClient();
  });
  after(async () => {
    await server?.kill();
    await redis?.stop();
    await client?.remove();
  });

  /** The commands since `mark`, once there are `count`. */
  async function commands(mark, count) {
    // The answer to a log out does not wait for its command.
    for (let n = 0; n < 100 && monitor.since(mark).length < count; n += 1) await redis.client.ping();
    await monitor.sync();
    return monitor.since(mark);
  }

  async function ends() {
    const code = await server.ended();
    assert.ok(typeof code === 'number' && code !== 0, JSON.stringify(code));
  }

  async function running() {
    if (server?.alive()) return;
    await redis.client.set('total_users', '5');
    const mark = monitor.mark();
    server = await startServer({ redis, clientDir: client.dir });
    // It may say that it listens before all of its start is done.
    await eventually(() => assert.ok(monitor.since(mark).some(([command]) => command === 'subscribe')), 10_000);
  }

  for (const name of ['01-first-boot', '02-second-boot']) {
    test(name, async () => {
      const [{ redis: recorded, log }] = fixture(name).steps;
      const mark = monitor.mark();
      server = await startServer({ redis, clientDir: client.dir });
      try {
        assertCommands(await commands(mark, recorded.length), recorded);
        assert.equal(server.stdout(), `${log.replace('<PORT_A>', server.port)}\n`);
      } finally {
        await server.kill();
      }
    });
  }

  for (const name of REQUESTS) {
    describe(name, () => {
      let replay;
      before(async () => {
        await running();
        replay = new Replay({ redis, model, server, client: client.dir });
      });
      for (const [index, step] of fixture(name).steps.entries()) {
        if (step.file && !servesClientDir) continue;
        test(`${index + 1}. ${step.request.method} ${step.request.path.slice(0, 80)}`, async () => {
          await running();
          replay.server = server;
          const mark = monitor.mark();
          if (step.upstream) {
            await assert.rejects(replay.play(step), /closed|ECONNRESET/);
            await ends();
          } else {
            await replay.play(step);
          }
          assertCommands(await commands(mark, step.redis.length), step.redis);
        });
      }
    });
  }

  const faults = (name) => recordings(name).steps.filter(({ upstream }) => upstream);

  /** A socket of a signed-in user. */
  async function withSocket(id, use) {
    await loadDataset(redis.client);
    await running();
    const world = new World({ redis, server, bus, id });
    try {
      const { pablo } = recordings('00-dataset').cookies;
      const since = bus.mark();
      const socket = await world.ws({ cookie: pablo.cookie });
      await bus.presence('user.connected', 1, since);
      await world.startCounting(socket);
      await use(socket);
      await ends();
    } finally {
      await world.close();
    }
  }

  for (const { action, payload, redis: recorded } of faults('26-socket-faults')) {
    test(`26-socket-faults ${action}`, () => withSocket(action, async (socket) => {
      await monitor.sync();
      const mark = monitor.mark();
      await socket.emit('message', payload);
      await ends();
      assertCommands(await commands(mark, recorded.length), recorded);
    }));
  }

  for (const { action } of faults('25-pubsub-injected')) {
    test(`25-pubsub-injected ${action}`, () => withSocket(action, () => redis.client.publish('MESSAGES', action.replace('PUBLISH MESSAGES ', ''))));
  }
});
