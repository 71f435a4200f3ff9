// The original's own client, unmodified, on every backend: who comes and goes. What is expected is what it
// does on the original's server, its faults included (http-and-redis.md §16, realtime.md §12).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enter, message, onlineDot, reload, say, texts, useBackends } from '../../lib/upstream.mjs';

const LIMITS = { timeout: 60_000 };

useBackends((t) => {
  test('who comes and goes is told in the general room, and the dot follows', LIMITS, async () => {
    const page = await t.pages.user('Pablo');
    const mary = await enter(t.backend, 'Mary');
    await message(page, 'Mary connected').waitFor();
    await onlineDot(page, 'Mary').waitFor();
    await mary.leave();
    await message(page, 'Mary left').waitFor();
    await onlineDot(page, 'Mary').waitFor({ state: 'detached' });
    // The dots are right from the start as well.
    const again = await enter(t.backend, 'Mary');
    await reload(page);
    await onlineDot(page, 'Mary').waitFor();
    assert.equal(await onlineDot(page, 'Alex').count(), 0);
    await again.leave();
  });

  if (t.safe) test('two tabs of one session hear the same, and the person stays until the last one closes', LIMITS, async () => {
    const watcher = await t.pages.user('Mary');
    const first = await t.pages.user('Joe');
    const second = await t.pages.further(first);
    await say(first, 'from the first tab');
    await message(second, 'from the first tab').waitFor();
    await second.close();
    await say(first, 'still here');
    await message(watcher, 'still here', 'Joe').waitFor();
    await onlineDot(watcher, 'Joe').waitFor();
    await first.close();
    await message(watcher, 'Joe left').waitFor();
    await onlineDot(watcher, 'Joe').waitFor({ state: 'detached' });
    const news = await texts(watcher);
    assert.deepEqual(news.slice(news.indexOf('from the first tab')), ['from the first tab', 'still here', 'Joe left']);
  });

  if (!t.safe) test('two tabs of one session hear the same, and one that closes takes the dot with it', LIMITS, async () => {
    const watcher = await t.pages.user('Mary');
    const first = await t.pages.user('Joe');
    const second = await t.pages.further(first);
    await say(first, 'from the first tab');
    await message(second, 'from the first tab').waitFor();
    await say(second, 'from the second tab');
    await message(first, 'from the second tab').waitFor();
    await onlineDot(watcher, 'Joe').waitFor();
    await second.close();
    await message(watcher, 'Joe left').waitFor();
    await onlineDot(watcher, 'Joe').waitFor({ state: 'detached' });
    // A message makes its author online again.
    await say(first, 'still here');
    await message(watcher, 'still here', 'Joe').waitFor();
    await onlineDot(watcher, 'Joe').waitFor();
    const news = await texts(watcher);
    assert.ok(news.filter((text) => text === 'Joe connected').length >= 2);
    assert.deepEqual(news.slice(news.indexOf('from the first tab')), ['from the first tab', 'from the second tab', 'Joe left', 'still here']);
  });
});
