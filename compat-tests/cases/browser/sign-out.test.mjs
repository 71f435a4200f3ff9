// The original's own client, unmodified, on every backend: a session that goes on, and one that ends. What is
// expected is what it does on the original's server, its faults included (http-and-redis.md §16, realtime.md
// §12).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../lib/browser.mjs';
import { chats, message, open, preview, reload, say, texts, useBackends } from '../../lib/upstream.mjs';

const LIMITS = { timeout: 60_000 };

useBackends((t) => {
  test('a reload keeps the session and what was said', LIMITS, async () => {
    const page = await t.pages.user('Mary');
    await open(page, 'Alex');
    await say(page, 'Still here after a reload');
    await message(page, 'Still here after a reload').waitFor();
    await reload(page);
    // The general room is open again.
    await page.getByRole('heading', { level: 2, name: 'General' }).waitFor();
    await open(page, 'Alex');
    await message(page, 'Still here after a reload').waitFor();
    assert.equal((await texts(page)).at(-1), 'Still here after a reload');
  });

  if (t.safe) test('signing out ends the session, and what another tab has open', LIMITS, async () => {
    const watcher = await t.pages.user('Pablo');
    const first = await t.pages.user('Alex');
    const second = await t.pages.further(first);
    await first.getByText('Log out').click();
    await first.getByRole('button', { name: 'Sign in' }).waitFor();
    await message(watcher, 'Alex left').waitFor();
    await eventually(() => !second.traffic.joined, 'the other tab has been told');
    await say(second, 'from a tab that is signed out');
    await say(watcher, 'a moment later');
    await message(watcher, 'a moment later').waitFor();
    assert.equal(await message(watcher, 'from a tab that is signed out').count(), 0);
    await second.reload();
    await second.getByRole('button', { name: 'Sign in' }).waitFor();
    assert.deepEqual([...first.traffic.refused, ...second.traffic.refused], []);
  });

  if (!t.safe) test('signing out ends the session, though not what another tab has open', LIMITS, async () => {
    const watcher = await t.pages.user('Pablo');
    const first = await t.pages.user('Alex');
    const second = await t.pages.further(first);
    const left = await message(watcher, 'Alex left').count();
    await first.getByText('Log out').click();
    await first.getByRole('button', { name: 'Sign in' }).waitFor();
    await eventually(async () => (await message(watcher, 'Alex left').count()) === left + 1, 'Alex has left');
    await first.reload();
    await first.getByRole('button', { name: 'Sign in' }).waitFor();
    await say(second, 'from a tab that is signed out');
    await message(watcher, 'from a tab that is signed out', 'Alex').waitFor();
    await second.reload();
    await second.getByRole('button', { name: 'Sign in' }).waitFor();
    assert.deepEqual([...first.traffic.refused, ...second.traffic.refused], []);
  });

  test('somebody else signs in on the same page', LIMITS, async () => {
    const watcher = await t.pages.user('Pablo');
    const page = await t.pages.user('Joe');
    await page.getByText('Log out').click();
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    await t.pages.signIn(page, 'Mary');
    await message(watcher, 'Mary connected').first().waitFor();
    assert.deepEqual((await chats(page)).filter((title) => ['Alex', 'General', 'Joe', 'Mary', 'Pablo'].includes(title)).sort(), ['Alex', 'General', 'Joe', 'Pablo']);
    await say(page, 'Mary after Joe');
    await message(watcher, 'Mary after Joe', 'Mary').waitFor();
    await say(watcher, 'Hello Mary');
    await message(page, 'Hello Mary', 'Pablo').waitFor();
    await open(page, 'Pablo');
    await say(page, 'Mary in private');
    await eventually(async () => (await preview(watcher, 'Mary').innerText()).trim() === 'Mary in private', 'the private message');
  });
});
