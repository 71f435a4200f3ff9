// The original's own client, unmodified, on every backend: the CONNECT that it sends once too often at times.
// We ignore it on purpose (README, realtime.md §7.5).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../lib/browser.mjs';
import { enter, message, say, settled, submit, texts, useBackends } from '../../lib/upstream.mjs';

/**
 * In the page: what it does after it has drawn something waits for the answer to the handshake. It then finds
 * the connection open and not joined yet, as it does by itself on a machine with much to do.
 */
function slow() {
  const { open } = XMLHttpRequest.prototype;
  const { postMessage } = MessagePort.prototype;
  let held;
  XMLHttpRequest.prototype.open = function (method, address, ...more) {
    if (held === undefined && address.includes('/socket.io/')) {
      held = [];
      this.addEventListener('load', () => {
        for (const send of held) send();
        held = null;
      });
    }
    return open.call(this, method, address, ...more);
  };
  MessagePort.prototype.postMessage = function (...words) {
    const send = () => postMessage.apply(this, words);
    if (held) held.push(send);
    else send();
  };
}

const LIMITS = { timeout: 60_000 };

/** A page that has sent two CONNECTs, and somebody who has watched it. That it does is likely, not certain. */
async function twoConnects(t) {
  for (let tries = 1; ; tries += 1) {
    const watcher = await enter(t.backend, 'Mary');
    const page = await t.pages.open({ init: slow });
    await submit(page, 'Pablo');
    await page.getByText('Log out').waitFor();
    await settled(page);
    if (page.traffic.connects === 2) return { watcher, page };
    assert.ok(tries < 5, `the page sends ${page.traffic.connects} CONNECTs every time`);
    await page.close();
    await watcher.ws.next((frame) => String(frame).startsWith('42["user.disconnected"'));
    await watcher.leave();
  }
}

useBackends((t) => {
  test('a page on a slow machine sends a second CONNECT, which the original takes for one more socket', LIMITS, async () => {
    const { watcher, page } = await twoConnects(t);
    const seen = (event, username) =>
      watcher.ws.frames.filter((frame) => String(frame).startsWith(`42["${event}"`) && frame.includes(`"username":"${username}"`)).length;
    const times = t.node ? 2 : 1;
    await eventually(() => seen('user.connected', 'Pablo') >= times, 'the user has come');
    const joe = await enter(t.backend, 'Joe', '0');
    await message(page, 'Joe connected').first().waitFor();
    assert.equal(seen('user.connected', 'Pablo'), times);
    // So the page hears of everybody else twice there.
    assert.equal((await texts(page)).filter((text) => text === 'Joe connected').length, times);
    await say(page, 'slow but heard');
    await joe.ws.next((frame) => String(frame).includes('slow but heard'));
    await page.close();
    await eventually(() => seen('user.disconnected', 'Pablo') >= times, 'the user has left');
    await Promise.all([joe.leave(), watcher.leave()]);
  });
});
