// Makes the picture of the page in the README: `node screenshot.mjs ../docs/page.png`. The target is
// that of the tests (TARGET_CMD).
import { stat } from 'node:fs/promises';
import { Pages, Peer, chatLink, filled, message, say, sent, startBackend, startBrowser } from './lib/browser.mjs';

const [path] = process.argv.slice(2);
if (!path) {
  console.error('usage: node screenshot.mjs <path of the PNG>');
  process.exit(2);
}

/** Larger files are not worth their place in a repository. */
const LARGEST = 200_000;

const backend = await startBackend();
const { browser, stop } = await startBrowser();
try {
  const pages = new Pages(browser, backend);
  const page = await pages.open({ context: { viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1 } });
  await pages.signIn(page, 'Pablo');
  await filled(page);
  const [joe, mary] = await Promise.all(['Joe', 'Mary'].map(async (name) => (await Peer.enter(backend, name)).connect('0')));
  await joe.say('0', 'Morning! Has anybody restarted the server with the page open?');
  await mary.say('0', 'Just did. It said “Connection lost”, was back in a second', 'and nothing was missing.');
  await say(page, 'Same here. I wrote two messages meanwhile, both arrived once.');
  await sent(page, 'both arrived once');
  await joe.say('0', 'Then let us swap the next instance at ten.');
  await mary.say('0', 'Fine with me.');
  await joe.say('1:2', 'Could you watch the log when we switch?');
  await message(page, 'Fine with me').waitFor();
  await chatLink(page, /Joe.*1 unread/s).waitFor();
  await page.screenshot({ path, animations: 'disabled', caret: 'hide' });
  const { size } = await stat(path);
  if (size > LARGEST) throw new Error(`the picture has ${size} bytes, more than ${LARGEST}`);
  await Promise.all([joe.leave(), mary.leave()]);
} finally {
  await stop();
  await backend.stop();
}
