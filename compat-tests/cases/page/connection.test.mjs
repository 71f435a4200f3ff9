// The page in a browser: a server that goes away and comes back, and networks that let little through.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Peer, chatLink, eventually, filled, log, message, say, sent, shot, usePage } from '../../lib/browser.mjs';
import { startProxy } from '../../lib/rt-proxy.mjs';

usePage((t) => {
  let proxy;
  afterEach(async () => {
    await t.pages.closeAll();
    await proxy?.stop();
    proxy = undefined;
  });
  const banner = (page, text) => page.getByRole('status').filter({ hasText: text });
  const tryNow = (page) => page.getByRole('button', { name: 'Try now' });
  const inState = (page, text, state) => message(page, text).and(page.locator(`[data-state="${state}"]`));

  /** A page whose way to the server can be cut without touching the server. */
  async function behindProxy(username, options) {
    proxy = await startProxy(t.backend.server.port, options);
    return t.pages.user(username, { base: proxy.base });
  }

  /** The page finds its way back; the button spares the test the waiting, where there is any. */
  async function back(page) {
    const again = banner(page, 'Connected again');
    await eventually(async () => {
      if (await again.isVisible()) return true;
      if (await tryNow(page).isVisible()) await tryNow(page).click({ timeout: 500 }).catch(() => {});
      return false;
    }, 'the page is connected again');
  }

  for (const signal of ['SIGTERM', 'SIGKILL']) {
    test(`a server that ends with ${signal} is noticed, and found again without help`, async () => {
      const page = await t.pages.user('Pablo');
      await say(page, `before ${signal}`);
      await sent(page, `before ${signal}`);
      await t.backend.restart({
        signal,
        async meanwhile() {
          await banner(page, 'Connection lost').waitFor();
          await page.getByText(/Trying again in \d+ s\./).waitFor();
          await shot(page, `connection-lost-${signal}`);
        },
      });
      await banner(page, 'Connected again').waitFor();
      await say(page, `after ${signal}`);
      await sent(page, `after ${signal}`);
      assert.equal(await message(page, `before ${signal}`).count(), 1);
      await banner(page, 'Connected again').waitFor({ state: 'hidden' });
      assert.deepEqual(page.faults, []);
    });
  }

  test('what was said meanwhile is caught up with, in all rooms, and heard from then on', async () => {
    const page = await behindProxy('Pablo');
    await filled(page);
    const texts = Array.from({ length: 75 }, (_, index) => `missed ${index + 1}.`);
    proxy.refuse();
    await banner(page, 'Connection lost').waitFor();
    await t.backend.restart();
    const mary = await (await Peer.enter(t.backend, 'Mary')).connect('0');
    await mary.say('0', ...texts);
    await mary.say('1:3', 'missed privately');
    proxy.accept();
    await back(page);
    await chatLink(page, /Mary.*missed privately.*1 unread/s).waitFor();
    await message(page, 'missed 75.').waitFor();
    await mary.say('0', 'heard again');
    await message(page, 'heard again').waitFor();
    await mary.say('1:3', 'heard privately');
    await chatLink(page, /^online Mary.*heard privately.*2 unread/s).waitFor();
    const shown = (await log(page).getByRole('article').allInnerTexts()).map((text) => /missed \d+\./.exec(text)?.[0]).filter(Boolean);
    assert.deepEqual(shown, texts);
    await mary.leave();
    assert.deepEqual(page.faults, []);
  });

  test('a message that did not arrive can be sent again, and is never sent twice unasked', async () => {
    const page = await t.pages.user('Joe');
    await say(page, 'this one is stored');
    await sent(page, 'this one is stored');
    // The server takes what is sent to it, but never reads it.
    t.backend.server.child.kill('SIGSTOP');
    await say(page, 'into the void');
    await inState(page, 'into the void', 'sending').waitFor();
    await page.getByText('Sending…').waitFor();
    await t.backend.restart({
      async meanwhile() {
        await inState(page, 'into the void', 'unknown').waitFor();
        await page.getByText('Not sent yet').waitFor();
        await shot(page, 'not-sent-yet');
      },
    });
    await back(page);
    await inState(page, 'into the void', 'failed').waitFor();
    await shot(page, 'not-sent');
    const joe = await Peer.enter(t.backend, 'Joe');
    assert.ok(!(await joe.texts('0')).includes('into the void'));
    await page.getByRole('button', { name: 'Send again' }).click();
    await sent(page, 'into the void');
    assert.equal((await joe.texts('0')).filter((text) => text === 'into the void').length, 1);
    assert.equal(await message(page, 'into the void').count(), 1);
    assert.equal(await page.getByRole('button', { name: 'Send again' }).count(), 0);
    assert.deepEqual(page.faults, []);
  });

  test('a message that arrived although its echo was lost counts as sent', async () => {
    let deaf = false;
    const page = await behindProxy('Alex', { filter: ({ direction, chunk }) => (deaf && direction === 'down' ? null : chunk) });
    await filled(page);
    const alex = await Peer.enter(t.backend, 'Alex');
    // The history can be there before the socket is: only an echo tells that what follows is sent at all.
    await say(page, 'heard before');
    await sent(page, 'heard before');
    deaf = true;
    await say(page, 'stored without an echo');
    await eventually(async () => (await alex.texts('0')).includes('stored without an echo'), 'it is stored');
    await inState(page, 'stored without an echo', 'sending').waitFor();
    proxy.refuse();
    await inState(page, 'stored without an echo', 'unknown').waitFor();
    deaf = false;
    proxy.accept();
    await back(page);
    await sent(page, 'stored without an echo');
    assert.equal((await alex.texts('0')).filter((text) => text === 'stored without an echo').length, 1);
    assert.equal(await page.getByRole('button', { name: 'Send again' }).count(), 0);
  });

  test('what is written without a connection goes out when there is one', async () => {
    const page = await behindProxy('Mary');
    await filled(page);
    proxy.refuse();
    await banner(page, 'Connection lost').waitFor();
    await say(page, 'written on the train');
    await inState(page, 'written on the train', 'waiting').waitFor();
    await page.getByText('Not sent yet').waitFor();
    proxy.accept();
    await back(page);
    await sent(page, 'written on the train');
    const mary = await Peer.enter(t.backend, 'Mary');
    assert.equal((await mary.texts('0')).filter((text) => text === 'written on the train').length, 1);
  });

  test('a network that lets no WebSocket through', async () => {
    const refused = () => {
      window.WebSocket = class {
        constructor() {
          throw new DOMException('no', 'SecurityError');
        }
      };
    };
    const page = await t.pages.user('Pablo', { init: refused });
    const joe = await (await Peer.enter(t.backend, 'Joe')).connect('0');
    await chatLink(page, /^online Joe/).waitFor();
    await say(page, 'over HTTP');
    await sent(page, 'over HTTP');
    await joe.say('0', 'heard over HTTP');
    await message(page, 'heard over HTTP').waitFor();
    assert.ok((await joe.texts('0')).includes('over HTTP'));
    await t.backend.restart({ meanwhile: () => banner(page, 'Connection lost').waitFor() });
    await back(page);
    await say(page, 'over HTTP again');
    await sent(page, 'over HTTP again');
    assert.deepEqual(page.faults, []);
  });

  test('a message that is on its way when the page is loaded anew is not lost', async () => {
    const page = await behindProxy('Mary');
    await filled(page);
    await banner(page, 'Connected').waitFor({ state: 'hidden' });
    proxy.refuse();
    await banner(page, 'Connection lost').waitFor();
    await say(page, 'written before the reload');
    await inState(page, 'written before the reload', 'waiting').waitFor();
    proxy.accept();
    await page.reload();
    await sent(page, 'written before the reload');
    const mary = await Peer.enter(t.backend, 'Mary');
    assert.equal((await mary.texts('0')).filter((text) => text === 'written before the reload').length, 1);
  });

  test('a store that is away is told, and the rest comes when it is back', async () => {
    const page = await t.pages.user('Joe');
    await filled(page);
    await page.route('**/rooms/*', (route) => route.fulfill({ status: 503, json: { message: 'Service unavailable, try again later' } }));
    await page.reload();
    await banner(page, 'Service unavailable, try again later.').waitFor();
    await page.getByText(/Trying again in \d+ s\./).waitFor();
    await page.unroute('**/rooms/*');
    await tryNow(page).click();
    await filled(page);
    await banner(page, 'Service unavailable').waitFor({ state: 'hidden' });
  });

  test('a server that is not there when the page comes back', async () => {
    const page = await t.pages.user('Pablo');
    await page.route('**/me', (route) => route.abort());
    await page.reload();
    await page.getByText('The server can’t be reached.').waitFor();
    await page.unroute('**/me');
    // Signed in still, without a word or a click.
    await page.getByRole('button', { name: 'Sign out' }).waitFor();
  });
});
