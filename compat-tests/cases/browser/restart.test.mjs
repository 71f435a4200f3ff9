// The original's own client, unmodified, on every backend: a server that ends and comes back. What is expected
// is what it does on the original's server, its faults included (http-and-redis.md §16, realtime.md §12).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../lib/browser.mjs';
import { enter, message, reload, say, texts, useBackends } from '../../lib/upstream.mjs';

const LIMITS = { timeout: 60_000 };

useBackends((t) => {
  for (const signal of ['SIGTERM', 'SIGKILL']) {
    if (t.safe) test(`after ${signal} and a new start the page comes back by itself, and hears its rooms`, LIMITS, async () => {
      const page = await t.pages.user('Pablo');
      await say(page, `before ${signal}`);
      await message(page, `before ${signal}`).waitFor();
      const { connects } = page.traffic;
      await t.backend.restart({ signal });
      await eventually(() => page.traffic.connects > connects && page.traffic.joined, 'it connects again');
      await say(page, `after ${signal}`);
      await message(page, `after ${signal}`).waitFor();
      const mary = await enter(t.backend, 'Mary');
      await message(page, 'Mary connected').waitFor();
      await mary.say('0', `heard after ${signal}`);
      await message(page, `heard after ${signal}`, 'Mary').waitFor();
      await mary.leave();
    });

    if (!t.safe) test(`after ${signal} and a new start the page comes back by itself, but hears its rooms only after a reload`, LIMITS, async () => {
      const page = await t.pages.user('Pablo');
      await say(page, `before ${signal}`);
      await message(page, `before ${signal}`).waitFor();
      const { connects } = page.traffic;
      await t.backend.restart({ signal });
      await eventually(() => page.traffic.connects > connects, 'it connects again');
      await say(page, `deaf after ${signal}`);
      // Presence goes to all sockets, messages only to those in the room. This one has joined none.
      const mary = await enter(t.backend, 'Mary', '0');
      await message(page, 'Mary connected').waitFor();
      await mary.say('0', `unheard after ${signal}`);
      await mary.leave();
      await message(page, 'Mary left').waitFor();
      assert.deepEqual((await texts(page)).slice(-3), [`before ${signal}`, 'Mary connected', 'Mary left']);
      await reload(page);
      assert.deepEqual((await texts(page)).slice(-3).sort(), [`before ${signal}`, `deaf after ${signal}`, `unheard after ${signal}`]);
      await say(page, `heard after ${signal}`);
      await message(page, `heard after ${signal}`).waitFor();
    });
  }
});
