// Configuration, start and end: http-and-redis.md §13.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../../lib/expect.mjs';
import { send } from '../../lib/http.mjs';
import { freePort } from '../../lib/ports.mjs';
import { startRedis } from '../../lib/redis.mjs';
import { cookieOf, sidSetBy, storeSession } from '../../lib/session.mjs';
import { deviation, isUpstream, launch, startServer } from '../../lib/target.mjs';

let redis;
let dir;

before(async () => {
  redis = await startRedis();
  // A start that seeds takes longer, and is not what is looked at here.
  await redis.client.set('total_users', '0');
  dir = await mkdtemp(join(tmpdir(), 'compat-start-'));
});
after(async () => {
  await redis?.stop();
  await rm(dir, { recursive: true, force: true });
});

/** Starts, gives the server to `use`, stops. */
async function withServer(options, use) {
  const server = await startServer({ redis, ...options });
  try {
    return await use(server);
  } finally {
    await server.stop();
  }
}

const answers = async (port) => assert.equal((await send({ port }, { path: '/me' })).text, 'null');

/** The exit code of a start that must fail within 10 s. */
async function failedStart(options) {
  const server = await launch({ redis, ...options });
  try {
    const code = await Promise.race([
      server.ended(),
      new Promise((_, reject) => setTimeout(() => reject(new Error('still running after 10 s')), 10_000).unref()),
    ]);
    return { code, output: server.stdout() + server.stderr() };
  } finally {
    await server.kill();
  }
}

function canConnect(port, host) {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    socket.once('connect', () => socket.destroy() && resolve(true)).once('error', () => resolve(false));
  });
}

describe('the port', () => {
  test('is that of PORT, before the argument, and is announced', () =>
    withServer({ args: ['1'] }, async (server) => {
      assert.equal(server.stdout(), `Listening on ${server.port}...\n`);
      await answers(server.port);
    }));

  test('is the first argument without PORT', async () => {
    const port = await freePort();
    for (const unset of [undefined, '']) {
      await withServer({ env: { PORT: unset }, args: [String(port)] }, async (server) => {
        assert.equal(server.stdout(), `Listening on ${port}...\n`);
        await answers(port);
      });
    }
  });

  test('is what parseInt reads from the argument', async () => {
    const port = await freePort();
    await withServer({ env: { PORT: undefined }, args: [`${port}abc`, '1'] }, async () => answers(port));
  });

  test('without PORT all addresses are bound, with it those of IPv4', async () => {
    const port = await freePort();
    const ipv6 = await hasIpv6();
    await withServer({ env: { PORT: undefined }, args: [String(port)] }, async () => {
      assert.equal(await canConnect(port, '127.0.0.1'), true);
      if (ipv6) assert.equal(await canConnect(port, '::1'), true);
    });
    await withServer({}, async (server) => {
      assert.equal(await canConnect(server.port, '127.0.0.1'), true);
      if (ipv6) assert.equal(await canConnect(server.port, '::1'), false);
    });
  });

  test('that is no number ends the start', async () => {
    const { code } = await failedStart({ env: { PORT: 'abc' } });
    // The original listens on a random port on some Node versions, and ends on others.
    assert.notEqual(code, 0);
  });

  test('that is taken ends the start', async () => {
    const taken = createServer();
    await new Promise((resolve) => taken.listen(0, '0.0.0.0', resolve));
    try {
      const { code, output } = await failedStart({ env: { PORT: String(taken.address().port) } });
      assert.notEqual(code, 0);
      assert.notEqual(output.trim(), '');
    } finally {
      taken.close();
    }
  });
});

function hasIpv6() {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(0, '::1', () => probe.close(() => resolve(true)));
  });
}

describe('the address of Redis', () => {
  test('may be a name', () => withServer({ env: { REDIS_ENDPOINT_URL: `localhost:${redis.port}` } }, async (server) => answers(server.port)));

  test('may have further parts, which are ignored', () =>
    withServer({ env: { REDIS_ENDPOINT_URL: `127.0.0.1:${redis.port}:x:y` } }, async (server) => answers(server.port)));

  test('an empty REDIS_PASSWORD is none', () => withServer({ env: { REDIS_PASSWORD: '' } }, async (server) => answers(server.port)));

  test('database 0 is used', () =>
    withServer({}, async (server) => {
      const before = await redis.client.dbsize();
      await answers(server.port);
      assert.ok((await redis.client.dbsize()) > before);
    }));

  deviation('nobody there: it says so, and ends', async () => {
    const port = await freePort();
    const { code, output } = await failedStart({ env: { REDIS_ENDPOINT_URL: `127.0.0.1:${port}` } });
    assert.equal(typeof code, 'number');
    assert.notEqual(code, 0);
    assert.match(output, /redis/i);
    assert.doesNotMatch(output, /Listening on|panicked/);
  });

  deviation('somebody there who does not answer: it says so, and ends', async () => {
    const silent = createServer(() => {});
    await new Promise((resolve) => silent.listen(0, '127.0.0.1', resolve));
    try {
      const { code, output } = await failedStart({ env: { REDIS_ENDPOINT_URL: `127.0.0.1:${silent.address().port}` } });
      assert.notEqual(code, 0);
      assert.match(output, /redis/i);
    } finally {
      silent.close();
    }
  });
});

describe('with a password', () => {
  let locked;
  before(async () => {
    locked = await startRedis({ args: ['--requirepass', 'a secret:@%'], password: 'a secret:@%' });
    await locked.client.set('total_users', '0');
  });
  after(() => locked?.stop());

  test('the right one', () => withServer({ redis: locked, env: { REDIS_PASSWORD: 'a secret:@%' } }, async (server) => answers(server.port)));

  for (const [what, env] of [['a wrong one', { REDIS_PASSWORD: 'not-this-one' }], ['none', {}]]) {
    test(`${what}: the start fails`, async () => {
      const { code, output } = await failedStart({ redis: locked, env });
      assert.notEqual(code, 0);
      assert.doesNotMatch(output, /Listening on/);
      // The original's stack trace shows it.
      if (!isUpstream) assert.doesNotMatch(output, /not-this-one/, 'the password is in the output');
    });
  }
  test('one that is not needed: the start fails', async () => {
    const { code } = await failedStart({ env: { REDIS_PASSWORD: 'needless' } });
    assert.notEqual(code, 0);
  });
});

describe('.env in the working directory', () => {
  const withFile = async (lines, options, use) => {
    await writeFile(join(dir, '.env'), lines.join('\n'));
    return withServer({ cwd: dir, ...options }, use);
  };

  test('gives what the environment lacks', async () => {
    const port = await freePort();
    const lines = ['# a comment', '', `PORT=${port}`, `REDIS_ENDPOINT_URL="127.0.0.1:${redis.port}"`, "REDIS_PASSWORD=''", '#PORT=1', 'OTHER = x = y'];
    await withFile(lines, { env: { PORT: undefined, REDIS_ENDPOINT_URL: undefined } }, async (server) => {
      assert.equal(server.stdout(), `Listening on ${port}...\n`);
      await answers(port);
    });
  });
  test('never overrides it', () =>
    withFile(['PORT=1', 'REDIS_ENDPOINT_URL=127.0.0.1:1', 'REDIS_PASSWORD=x'], { env: { REDIS_PASSWORD: '' } }, async (server) => answers(server.port)));
});

describe('rotation of the secret', () => {
  deviation('of several secrets the first signs, and all are accepted, to be signed anew', () =>
    withServer({ env: { SESSION_SECRET: 'the new one,the old one' } }, async (server) => {
      const fresh = await send(server, { path: '/me' });
      assert.ok(sidSetBy(fresh, 'the new one'));
      const { sid } = await storeSession(redis, { user: { id: '1', username: 'Pablo' } });
      for (const [secret, setAgain] of [['the new one', undefined], ['the old one', sid]]) {
        const answer = await send(server, { path: '/me', cookie: cookieOf(sid, secret) });
        assert.equal(answer.text, '{"id":"1","username":"Pablo"}', secret);
        // Nobody depends on the old secret after a visit.
        assert.equal(sidSetBy(answer, 'the new one'), setAgain, secret);
      }
      assert.equal((await send(server, { path: '/me', cookie: cookieOf(sid) })).text, 'null');
    }));
});

describe('running and ending', () => {
  test('standard output is one line', () =>
    withServer({}, async (server) => {
      for (const path of ['/me', '/nope', '/rooms/1', '/', '/users']) await send(server, { path });
      await send(server, { method: 'POST', path: '/login', headers: { 'Content-Type': 'application/json' }, body: '{bad' });
      assert.equal(server.stdout(), `Listening on ${server.port}...\n`);
    }));

  for (const signal of ['SIGTERM', 'SIGINT']) {
    test(`${signal} ends it`, async () => {
      const server = await startServer({ redis });
      await answers(server.port);
      const code = await server.stop(signal);
      assert.notDeepEqual(code, { signal: 'SIGKILL' }, 'it had to be killed');
      if (signal === 'SIGTERM' && !isUpstream) assert.equal(code, 0);
      await eventually(async () => assert.equal(await canConnect(server.port, '127.0.0.1'), false));
    });
  }

  test('two servers share everything', async () => {
    const [one, two] = [await startServer({ redis }), await startServer({ redis })];
    try {
      const registered = await send(one, {
        method: 'POST', path: '/login', headers: { 'Content-Type': 'application/json' }, body: '{"username":"shared","password":"x"}',
      });
      const cookie = registered.get('set-cookie').split(';')[0];
      assert.equal((await send(two, { path: '/me', cookie })).text, registered.text);
      await send(two, { method: 'POST', path: '/logout', cookie });
      await eventually(async () => assert.equal((await send(one, { path: '/me', cookie })).text, 'null'));
    } finally {
      await one.stop();
      await two.stop();
    }
  });
});
