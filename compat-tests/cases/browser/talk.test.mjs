// The original's own client, unmodified, on every backend: talking. What is expected is what it does
// on the original's server, its faults included (http-and-redis.md §16, realtime.md §12).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, shot } from '../../lib/browser.mjs';
import { message, open, preview, say, texts, useBackends } from '../../lib/upstream.mjs';

const LIMITS = { timeout: 60_000 };

useBackends((t) => {
  const name = (label) => `upstream-${label}-${t.name.replaceAll(' ', '-')}`;

  test('two users talk in the general room, both ways', LIMITS, async () => {
    const pablo = await t.pages.user('Pablo');
    const joe = await t.pages.user('Joe');
    await message(pablo, 'Joe connected').first().waitFor();
    await say(pablo, 'Hello Joe');
    await message(pablo, 'Hello Joe').waitFor();
    await message(joe, 'Hello Joe', 'Pablo').waitFor();
    await say(joe, 'Hello Pablo');
    await message(joe, 'Hello Pablo').waitFor();
    await message(pablo, 'Hello Pablo', 'Joe').waitFor();
    await eventually(async () => (await preview(pablo, 'General').innerText()).trim() === 'Hello Pablo', 'the last message in the list');
    await shot(pablo, name('talk'));
    assert.deepEqual((await texts(joe)).slice(-2), ['Hello Joe', 'Hello Pablo']);
    assert.deepEqual((await texts(pablo)).slice(-2), ['Hello Joe', 'Hello Pablo']);
  });

  test('two users talk in their private chat, both ways, and nobody else hears it', LIMITS, async () => {
    const [pablo, joe, mary] = [await t.pages.user('Pablo'), await t.pages.user('Joe'), await t.pages.user('Mary')];
    await open(pablo, 'Joe');
    await say(pablo, 'Just between us');
    await message(pablo, 'Just between us').waitFor();
    // It is in Joe's list at once, and in the room when he opens it.
    await eventually(async () => (await preview(joe, 'Pablo').innerText()).trim() === 'Just between us', "the message in Joe's list");
    await open(joe, 'Pablo');
    await message(joe, 'Just between us', 'Pablo').waitFor();
    await say(joe, 'Of course');
    await message(pablo, 'Of course', 'Joe').waitFor();
    await shot(pablo, name('private'));
    await say(pablo, 'in the open room');
    await message(joe, 'in the open room', 'Pablo').waitFor();
    assert.deepEqual((await texts(joe)).slice(-3), ['Just between us', 'Of course', 'in the open room']);
    await open(joe, 'General');
    await say(joe, 'and now to all');
    await message(mary, 'and now to all').waitFor();
    const heard = mary.traffic.events.filter(([direction, event]) => direction === 'received' && event === 'message').map(([, , data]) => data.message);
    assert.deepEqual(heard, ['and now to all']);
  });

  test('where WebSockets are blocked, long polling does', LIMITS, async () => {
    const [pablo, joe] = [await t.pages.user('Pablo', { init: () => delete window.WebSocket }), await t.pages.user('Joe')];
    await say(pablo, 'by polling');
    await message(joe, 'by polling', 'Pablo').waitFor();
    await message(pablo, 'by polling').waitFor();
    await say(joe, 'by WebSocket');
    await message(pablo, 'by WebSocket', 'Joe').waitFor();
    assert.deepEqual(pablo.traffic.refused, []);
  });
});
