// The original's own client, unmodified, on every backend: a new user, and a new private chat. What is
// expected is what it does on the original's server, its faults included (http-and-redis.md §16, realtime.md
// §12).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, shot } from '../../lib/browser.mjs';
import { chat, chats, message, open, preview, reload, say, settled, useBackends } from '../../lib/upstream.mjs';

const LIMITS = { timeout: 60_000 };

useBackends((t) => {
  const name = (label) => `upstream-${label}-${t.name.replaceAll(' ', '-')}`;

  test('a new user writes to somebody for the first time', LIMITS, async () => {
    const [mary, alex] = [await t.pages.user('Mary'), await t.pages.user('Alex')];
    const zoe = await t.pages.user('Zoe');
    assert.deepEqual(await chats(zoe), ['General']);
    // One comes to a person by the name beside a message.
    await say(mary, 'Who is new here?');
    await message(zoe, 'Who is new here?').getByText('Mary').click();
    await zoe.getByText('No messages').waitFor();
    await zoe.getByRole('heading', { level: 2, name: 'Mary' }).waitFor();
    await settled(zoe);
    assert.ok(!(await chats(mary)).includes('Zoe'));
    await say(zoe, 'It is me');
    await message(zoe, 'It is me').waitFor();
    await chat(mary, 'Zoe').waitFor();
    await eventually(async () => (await preview(mary, 'Zoe').innerText()).trim() === 'It is me', 'the first message in the list');
    await open(mary, 'Zoe');
    await message(mary, 'It is me', 'Zoe').waitFor();
    await say(mary, 'Welcome');
    await message(zoe, 'Welcome', 'Mary').waitFor();
    await say(zoe, 'Thank you');
    await message(mary, 'Thank you', 'Zoe').waitFor();
    await shot(mary, name('first-contact'));
    // A new room is shown to everybody until they reload, named after either of its two (http-and-redis.md §15, 3);
    // with COMPAT=safe to its two alone.
    assert.equal(await chat(alex, 'Mary').count(), t.safe ? 1 : 2);
    await reload(alex);
    assert.equal(await chat(alex, 'Mary').count(), 1);
    await reload(zoe);
    assert.deepEqual(await chats(zoe), ['General', 'Mary']);
    assert.deepEqual([...mary.traffic.refused, ...alex.traffic.refused, ...zoe.traffic.refused], []);
  });
});
