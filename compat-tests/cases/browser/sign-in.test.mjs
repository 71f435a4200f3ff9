// The original's own client, unmodified, on every backend: signing in. What is expected is what it does on the
// original's server, its faults included (http-and-redis.md §16, realtime.md §12).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Peer, shot } from '../../lib/browser.mjs';
import { authorIn, chats, preview, submit, texts, useBackends } from '../../lib/upstream.mjs';

const DEMO = ['Hello!', 'Hi, How are you? What about our next meeting?', 'Yeah everything is fine', 'Next meeting tomorrow 10.00AM', "Wow that's great"];
const LIMITS = { timeout: 60_000 };

useBackends((t) => {
  const name = (label) => `upstream-${label}-${t.name.replaceAll(' ', '-')}`;

  test('somebody signs in and sees four chats, the general one open', LIMITS, async () => {
    const page = await t.pages.open();
    await page.getByRole('heading', { name: 'Welcome Back !' }).waitFor();
    assert.equal(await page.getByPlaceholder('Password').inputValue(), 'password123');
    await page.getByRole('link', { name: 'Github' }).waitFor();
    await t.pages.signIn(page, 'Pablo');
    assert.equal((await chats(page))[0], 'General');
    assert.deepEqual((await chats(page)).sort(), ['Alex', 'General', 'Joe', 'Mary']);
    await page.getByRole('heading', { level: 2, name: 'General' }).waitFor();
    assert.deepEqual((await texts(page)).slice(0, 5), DEMO);
    // Every chat shows its last message, every message who wrote it, and every picture is there.
    const pablo = await Peer.enter(t.backend, 'Pablo');
    for (const [title, room] of [['Joe', '1:2'], ['Mary', '1:3'], ['Alex', '1:4']]) {
      assert.equal(await preview(page, title).innerText(), (await pablo.texts(room)).at(-1));
    }
    for (const text of DEMO) assert.match(await authorIn(page, text).innerText(), /^(Pablo|Joe|Mary|Alex)$/);
    const broken = await page.evaluate(() => [...document.images].filter((image) => !image.complete || image.naturalWidth === 0).map(({ src }) => src));
    assert.deepEqual(broken, []);
    assert.deepEqual([page.traffic.refused, page.faults], [[], []]);
    await shot(page, name('general'));
  });

  test('a wrong password is said, and the right one still works', LIMITS, async () => {
    const page = await t.pages.open();
    await submit(page, 'Mary', 'wrong');
    await page.getByRole('alert').filter({ hasText: 'Invalid username or password' }).waitFor();
    await shot(page, name('wrong-password'));
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    await t.pages.signIn(page, 'Mary');
    await page.getByRole('heading', { level: 5, name: 'Mary' }).waitFor();
    // The box with the error asks for a picture that is nowhere.
    assert.deepEqual(page.traffic.refused.filter((line) => !line.includes('/holder.js/')), ['404 POST /login']);
  });
});
