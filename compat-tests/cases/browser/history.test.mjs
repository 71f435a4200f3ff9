// The original's own client, unmodified, on every backend: what is stored, and shown again. What is expected is what it does
// on the original's server, its faults included (http-and-redis.md §16, realtime.md §12).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, shot } from '../../lib/browser.mjs';
import { enter, message, open, reload, say, settled, texts, useBackends } from '../../lib/upstream.mjs';

const LIMITS = { timeout: 60_000 };

useBackends((t) => {
  const name = (label) => `upstream-${label}-${t.name.replaceAll(' ', '-')}`;

  test('angle brackets are shown as the server wrote them, and are no markup', LIMITS, async () => {
    const page = await t.pages.user('Alex');
    await say(page, '<b>bold</b> & "quoted"');
    await message(page, '&ltb&gtbold&lt/b&gt & "quoted"').waitFor();
    await reload(page);
    await message(page, '&ltb&gtbold&lt/b&gt & "quoted"').waitFor();
    assert.deepEqual(page.faults, []);
  });

  test('the same text twice in one second is shown twice, and stored once', LIMITS, async () => {
    const page = await t.pages.user('Alex');
    await page.clock.setFixedTime(new Date());
    await say(page, 'once or twice');
    await message(page, 'once or twice').waitFor();
    await say(page, 'once or twice');
    await eventually(async () => (await message(page, 'once or twice').count()) === 2, 'shown twice');
    await reload(page);
    assert.equal(await message(page, 'once or twice').count(), 1);
  });

  test('older messages are loaded in pages of sixteen', LIMITS, async () => {
    const peer = await enter(t.backend, 'long history');
    const { id: room } = await (await peer.post('/room', { user1: peer.id, user2: 4 })).json();
    const all = Array.from({ length: 40 }, (_, index) => `number ${index + 1}.`);
    await peer.say(room, ...all);
    const page = await t.pages.user('Alex');
    await open(page, 'long history');
    const shown = async () => (await texts(page)).filter((text) => text.startsWith('number'));
    const more = page.getByRole('button', { name: 'Load more' });
    const showing = (expected) => eventually(async () => (await texts(page)).length === expected, `${expected} messages`);
    await showing(16);
    await more.click();
    await showing(32);
    await shot(page, name('older'));
    await more.click();
    await showing(40);
    assert.deepEqual(await shown(), all);
    // It offers more where there is nothing more.
    await settled(page);
    await more.click();
    await settled(page);
    assert.deepEqual(await shown(), all);
    // It does not count what came in since, so that much is shown again.
    await reload(page);
    await open(page, 'long history');
    await showing(16);
    await peer.say(room, 'number 41.', 'number 42.');
    await message(page, 'number 42.').waitFor();
    await more.click();
    await showing(34);
    const overlapping = [...all.slice(10, 26), ...all.slice(24), 'number 41.', 'number 42.'];
    assert.deepEqual(await shown(), overlapping);
    await peer.leave();
  });
});
