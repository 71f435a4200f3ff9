// The original's own client does the same things on the same data on every backend: whatever it asks for, is
// answered, sends, hears and shows must be the same everywhere, though no case looks at it.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { eventually } from '../../lib/browser.mjs';
import { transfer } from '../../lib/embedded.mjs';
import { startRedis } from '../../lib/redis.mjs';
import { startServer } from '../../lib/target.mjs';
import { ClientPages, allBackends, enter, message, open, reload, say, settled, submit, texts, useClient } from '../../lib/upstream.mjs';
import { BUILD } from '../../../upstream-client/sums.mjs';

const LIMITS = { timeout: 300_000 };
/** The pages' clock stands still, so that dates and what is made of them are the same. */
const NOW = new Date('2030-01-02T10:20:30Z');
/** Of our own each time, or of the connection; the page sees none of it. */
const VARYING = new Set(['date', 'set-cookie', 'connection', 'keep-alive', 'transfer-encoding', 'content-length']);

useClient((t) => {
  const [reference, ...others] = allBackends().reverse();
  if (others.length === 0) return;
  let place;
  let seeded;
  before(async () => {
    place = await mkdtemp(join(tmpdir(), 'compat-same-'));
    seeded = await startRedis();
    const server = await startServer({ redis: seeded });
    const mary = await enter(server, 'Mary');
    await mary.say('0', ...Array.from({ length: 20 }, (_, index) => `older ${index} <&> "é\u{1f600}"`));
    await mary.leave();
    // Nobody is online, and nothing else is left of this server's run.
    await server.stop();
  });
  after(async () => {
    await seeded?.stop('SIGKILL');
    await rm(place, { recursive: true, force: true });
  });

  /** A server on a copy of the data, and how to end it. */
  async function start({ commandLine, embedded, name }) {
    if (embedded) {
      const file = join(place, `${name.replaceAll(' ', '-')}.db`);
      const { code, words } = await transfer('import', file, seeded);
      assert.equal(code, 0, words);
      const server = await startServer({ clientDir: BUILD, env: { STORE: 'embedded', REDIS_ENDPOINT_URL: undefined, DATA_FILE: file } });
      return { server, stop: () => server.kill() };
    }
    const redis = await startRedis();
    for (const key of await seeded.client.keys('*')) await redis.client.restore(key, 0, await seeded.client.dumpBuffer(key));
    const server = await startServer({ redis, commandLine, clientDir: BUILD });
    return { server, stop: () => server.kill().then(() => redis.stop('SIGKILL')) };
  }

  /** What the pages ask, are answered, send, hear and show. */
  async function walk(backend) {
    const { server, stop } = await start(backend);
    const pages = new ClientPages(t.chromium.browser, server, { late: true });
    const seen = {};
    const record = (who, page) => {
      const notes = (seen[who] = { answers: [], shown: [] });
      page.on('response', (response) => notes.answers.push(answer(response, server.base)));
      notes.look = async () => {
        await settled(page);
        notes.shown.push(await page.locator('body').innerText());
      };
      notes.events = () => page.traffic.events;
      return notes;
    };
    const visit = async (who) => {
      const page = await pages.open({ path: '/robots.txt' });
      const notes = record(who, page);
      await page.clock.setFixedTime(NOW);
      // What a page has in its cache, it does not ask for.
      await (await page.context().newCDPSession(page)).send('Network.setCacheDisabled', { cacheDisabled: true });
      await page.goto(server.base);
      await pages.signIn(page, who);
      await notes.look();
      return [page, notes];
    };
    try {
      const [pablo, ofPablo] = await visit('Pablo');
      const [joe, ofJoe] = await visit('Joe');
      await say(pablo, 'from <Pablo>');
      await message(joe, 'from &ltPablo&gt').waitFor();
      // A second later, so that their order is that.
      await joe.clock.setFixedTime(new Date(NOW.getTime() + 1000));
      await say(joe, 'from "Joe" & é\u{1f600}');
      await message(pablo, 'from "Joe" & é\u{1f600}').waitFor();
      await open(pablo, 'Mary');
      await say(pablo, 'to Mary');
      await message(pablo, 'to Mary').waitFor();
      await reload(pablo);
      await ofPablo.look();
      await pablo.getByRole('button', { name: 'Load more' }).click();
      await eventually(async () => (await texts(pablo)).length > 16, 'older messages');
      await ofPablo.look();
      await ofJoe.look();
      await pablo.getByText('Log out').click();
      await pablo.getByRole('button', { name: 'Sign in' }).waitFor();
      await message(joe, 'Pablo left').last().waitFor();
      await submit(pablo, 'Pablo', 'wrong');
      await pablo.getByRole('alert').waitFor();
      await eventually(() => pablo.traffic.open.size === 0, 'the refusal is there');
      return await tidy(seen);
    } finally {
      await pages.closeAll();
      await stop();
    }
  }

  /**
   * The client itself is not the same twice at times: a name that it has not loaded yet stays "user". What a
   * backend does differently is different every time.
   */
  async function assertSame(walks, backend) {
    for (let tries = 1; ; tries += 1) {
      const seen = await walk(backend);
      if (walks.some((expected) => isDeepStrictEqual(seen, expected))) return;
      if (tries === 3) assert.deepEqual(seen, walks[0], `${backend.name} and ${reference.name} differ`);
      walks.push(await walk(reference));
    }
  }

  test(`on ${[reference, ...others].map(({ name }) => name).join(', ')}`, LIMITS, async () => {
    const walks = [await walk(reference)];
    for (const backend of others) await assertSame(walks, backend);
  });
});

/** One answer as text, or nothing for what goes over the socket. */
async function answer(response, base) {
  const request = response.request();
  const address = request.url().slice(base.length);
  if (address.startsWith('/socket.io/')) return undefined;
  const headers = await response.allHeaders();
  // Revalidated by the browser: how often that is possible is chance.
  if (request.method() === 'GET' && !headers['content-type']) return undefined;
  let fixed = Object.entries(headers).filter(([name]) => !VARYING.has(name)).map(([name, value]) => `${name}: ${value}`).sort();
  const cookie = headers['set-cookie']?.replace(/=s%3A[^;]*/, '=…').replace(/Expires=[^;]*/i, 'Expires=…');
  const isJson = headers['content-type']?.startsWith('application/json');
  const body = isJson ? await response.json().catch(() => 'gone with its page') : undefined;
  if (address === '/users/online' && body[0] !== 'g') {
    // Whether the page's own socket was there first is chance.
    return `${request.method()} ${address} ${response.status()}`;
  }
  if (address.startsWith('/rooms/') && Array.isArray(body)) {
    // In no order: it is a set. So is the ETag.
    body.sort((a, b) => (a.id < b.id ? -1 : 1));
    fixed = fixed.filter((header) => !header.startsWith('etag: '));
  }
  return JSON.stringify([request.method(), request.postData(), address, response.status(), fixed, cookie, body]);
}

/** Without what is chance: how often the client asks while it loads, and how often a page had to be loaded. */
async function tidy(seen) {
  const result = {};
  for (const [who, { answers, events, shown }] of Object.entries(seen)) {
    result[who] = {
      answers: [...new Set(await Promise.all(answers))].filter(Boolean).sort(),
      events: [...new Set(events().map((event) => JSON.stringify(event)))].sort(),
      // Such a line has a date at random, which the list of chats shows.
      shown: shown.map((text) => text.replaceAll(/^\w+ (connected|left)\n+(\d+:\d+ [AP]M\n+)?/gm, '')),
    };
  }
  return result;
}
