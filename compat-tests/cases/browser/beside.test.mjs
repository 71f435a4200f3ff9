// The original's own client with our server and one of the original's kind side by side on one Redis.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../lib/browser.mjs';
import { chat, message, onlineDot, open, preview, say, texts, usePairs } from '../../lib/upstream.mjs';

const LIMITS = { timeout: 60_000 };

usePairs((t) => {
  test('two users on different servers talk, in the general room and in private', LIMITS, async () => {
    const pablo = await t.pages.user('Pablo', { base: t.first.base });
    const joe = await t.pages.user('Joe', { base: t.second.base });
    await message(pablo, 'Joe connected').first().waitFor();
    await onlineDot(pablo, 'Joe').waitFor();
    await say(pablo, 'from the first server');
    await message(joe, 'from the first server', 'Pablo').waitFor();
    await say(joe, 'from the second server');
    await message(pablo, 'from the second server', 'Joe').waitFor();
    await open(pablo, 'Joe');
    await say(pablo, 'privately across');
    await eventually(async () => (await preview(joe, 'Pablo').innerText()).trim() === 'privately across', 'the private message in the list');
    await open(joe, 'Pablo');
    await say(joe, 'and back');
    await message(pablo, 'and back', 'Joe').waitFor();
    assert.deepEqual((await texts(joe)).slice(-2), ['privately across', 'and back']);
    // First contact: the room shows up on the other server.
    const zoe = await t.pages.user('Zoe', { base: t.second.base });
    await message(zoe, 'from the first server').getByText('Pablo').click();
    await zoe.getByRole('heading', { level: 2, name: 'Pablo' }).waitFor();
    await zoe.getByText('No messages').waitFor();
    await say(zoe, 'Hello from the other server');
    await chat(pablo, 'Zoe').waitFor();
    await open(pablo, 'Zoe');
    await message(pablo, 'Hello from the other server', 'Zoe').waitFor();
    await joe.close();
    await chat(pablo, 'General').click();
    await message(pablo, 'Joe left').waitFor();
    assert.deepEqual([...pablo.faults, ...joe.faults, ...zoe.faults, ...pablo.traffic.refused, ...joe.traffic.refused, ...zoe.traffic.refused], []);
  });
});
