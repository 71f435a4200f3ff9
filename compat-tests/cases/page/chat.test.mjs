// The page in a browser: talking, alone and in several tabs.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Peer, chatLink, eventually, log, message, personButton, say, sent, shot, signedInAs, titled, usePage } from '../../lib/browser.mjs';

usePage((t) => {
  afterEach(() => t.pages.closeAll());

  test('two users talk in the general room, both ways', async () => {
    const [pablo, joe] = await Promise.all([t.pages.user('Pablo'), t.pages.user('Joe')]);
    await say(pablo, 'Hello Joe, <b>how</b> are you?');
    await sent(pablo, 'Hello Joe, <b>how</b> are you?');
    await message(joe, 'Hello Joe, <b>how</b> are you?').filter({ hasText: 'Pablo' }).waitFor();
    await say(joe, 'Fine\nthank you & yours');
    await sent(joe, 'thank you & yours');
    await message(pablo, 'thank you & yours').filter({ hasText: 'Joe' }).waitFor();
    await shot(joe, 'general-room');
    // Shown once each, though sent, echoed and stored.
    assert.equal(await message(pablo, 'how</b> are you?').count(), 1);
    assert.equal(await message(joe, 'thank you & yours').count(), 1);
    assert.deepEqual([...pablo.faults, ...joe.faults], []);
  });

  test('a private chat is started with somebody who is online', async () => {
    const zoe = await t.pages.user('zoe private');
    const tom = await t.pages.user('tom private');
    const third = await t.pages.user('Mary');
    await personButton(zoe, 'tom private').click();
    await zoe.getByRole('heading', { level: 1, name: 'tom private' }).waitFor();
    await zoe.getByText('Write the first message').waitFor();
    await say(zoe, 'Just between us');
    await sent(zoe, 'Just between us');
    // It shows up with tom by itself, as unread.
    await chatLink(tom, /zoe private.*Just between us.*1 unread/s).waitFor();
    await titled(tom, '(1) Chat');
    await chatLink(tom, 'zoe private').click();
    await message(tom, 'Just between us').waitFor();
    await titled(tom, 'Chat');
    await say(tom, 'Of course');
    await message(zoe, 'Of course').waitFor();
    await shot(zoe, 'private-chat');
    await say(tom, 'Here is more');
    await message(zoe, 'Here is more').waitFor();
    // The chat with the latest activity is first, and nobody else has it.
    await chatLink(zoe, 'tom private').and(zoe.getByRole('listitem').first().getByRole('link')).waitFor();
    assert.equal(await chatLink(third, /zoe|tom/).count(), 0);
    assert.deepEqual([...zoe.faults, ...tom.faults, ...third.faults], []);
  });

  test('who comes and goes is seen, with words for the dot', async () => {
    const alex = await t.pages.user('Alex');
    await chatLink(alex, /^offline Joe/).waitFor();
    const joe = await (await Peer.enter(t.backend, 'Joe')).connect();
    await chatLink(alex, /^online Joe/).waitFor();
    await personButton(alex, 'Joe').waitFor();
    await joe.leave();
    await chatLink(alex, /^offline Joe/).waitFor();
    assert.equal(await personButton(alex, 'Joe').count(), 0);
  });

  test('two tabs of one session show the same', async () => {
    const first = await t.pages.user('two tabs');
    const second = await t.pages.tab(first.context());
    await second.getByRole('button', { name: 'Sign out' }).waitFor();
    await message(second, 'great').waitFor();
    await say(first, 'From the first tab');
    await sent(second, 'From the first tab');
    await say(second, 'From the second tab');
    await sent(first, 'From the second tab');
    // Signed out in one is signed out in both; signed in as well.
    await first.getByRole('button', { name: 'Sign out' }).click();
    await second.getByText('Your session has ended').waitFor();
    await t.pages.signIn(second, 'two tabs');
    await first.getByRole('button', { name: 'Sign out' }).waitFor();
    assert.deepEqual([...first.faults, ...second.faults], []);
  });

  test('a reload keeps the session, the room and what was said', async () => {
    const page = await t.pages.user('Mary');
    await chatLink(page, 'Joe').click();
    await say(page, 'Still here after a reload');
    await sent(page, 'Still here after a reload');
    await page.reload();
    await page.getByRole('heading', { level: 1, name: 'Joe' }).waitFor();
    await message(page, 'Still here after a reload').waitFor();
    assert.equal(await message(page, 'Still here after a reload').count(), 1);
  });

  test('unread marks survive a reload and end when the room is read', async () => {
    const joe = await (await Peer.enter(t.backend, 'Joe')).connect();
    const page = await t.pages.user('Alex');
    await chatLink(page, 'Joe').click();
    await page.getByRole('heading', { level: 1, name: 'Joe' }).waitFor();
    await message(page, /H|Yo/).first().waitFor();
    await chatLink(page, 'General').click();
    await joe.say('2:4', 'one', 'two');
    await chatLink(page, /Joe.*2 unread/s).waitFor();
    await page.reload();
    await chatLink(page, /Joe.*2 unread/s).waitFor();
    await chatLink(page, 'Joe').click();
    await page.getByRole('heading', { level: 1, name: 'Joe' }).waitFor();
    await titled(page, 'Chat');
    await page.reload();
    await message(page, 'two').waitFor();
    assert.equal(await page.title(), 'Chat');
    await joe.leave();
  });

  test('older messages are loaded on the way up, and the place is kept', async () => {
    const peer = await (await Peer.enter(t.backend, 'long history')).connect();
    const reader = await Peer.enter(t.backend, 'its reader');
    const { id: room } = await (await peer.post('/room', { user1: peer.id, user2: reader.id })).json();
    const texts = Array.from({ length: 140 }, (_, index) => `number ${index + 1}.`);
    await peer.say(room, ...texts);
    const page = await t.pages.user('its reader');
    await chatLink(page, 'long history').click();
    await message(page, 'number 140.').waitFor();
    const history = page.getByRole('region', { name: /Messages/ });
    const rows = () => log(page).getByRole('article').count();
    assert.ok((await rows()) < 100);
    // The row at the top of the window must stay where it is while older ones come in above it.
    const jump = await history.evaluate(async (box) => {
      const articles = () => [...box.querySelectorAll('article')];
      const before = articles().length;
      box.scrollTop = 300;
      const top = box.getBoundingClientRect().top;
      const row = articles().find((article) => article.getBoundingClientRect().bottom > top);
      const place = row.getBoundingClientRect().top;
      const over = Date.now() + 8000;
      while (articles().length === before && Date.now() < over) await new Promise(requestAnimationFrame);
      return { more: articles().length > before, moved: Math.abs(row.getBoundingClientRect().top - place) };
    });
    assert.ok(jump.more);
    assert.ok(jump.moved <= 2, `moved by ${jump.moved} pixels`);
    // A message that comes in meanwhile does not move the reader, and is announced.
    await peer.say(room, 'and one more');
    await page.getByRole('button', { name: 'New messages' }).waitFor();
    const older = page.getByRole('button', { name: /older/ });
    while (await older.isVisible()) {
      const before = await rows();
      await history.evaluate((box) => (box.scrollTop = 0));
      await eventually(async () => (await rows()) > before || !(await older.isVisible()), 'older messages come');
    }
    const shown = await log(page).getByRole('article').allInnerTexts();
    assert.deepEqual(shown.map((text) => /number \d+\.|and one more/.exec(text)[0]), [...texts, 'and one more']);
    await page.getByRole('button', { name: 'New messages' }).click();
    await titled(page, 'Chat');
    await peer.leave();
  });

  test('names and messages are text, whatever stands in them', async () => {
    const evil = '<img src=x onerror="alert(1)"><script>alert(2)</script>';
    const peer = await (await Peer.enter(t.backend, evil)).connect('0');
    const page = await t.pages.user('Pablo');
    const before = await page.evaluate(() => document.querySelectorAll('img, script, iframe').length);
    await peer.say('0', evil, 'javascript:alert(3)', '&lt;b&gt; &#60;i&#62;', '" onmouseover="alert(4)');
    await message(page, evil).first().waitFor();
    await message(page, '&lt;b&gt; &#60;i&#62;').waitFor();
    await message(page, '" onmouseover="alert(4)').waitFor();
    await personButton(page, evil).click();
    await page.getByRole('heading', { level: 1, name: evil }).waitFor();
    await say(page, evil);
    await sent(page, evil);
    assert.equal(await page.evaluate(() => document.querySelectorAll('img, script, iframe').length), before);
    assert.deepEqual(page.faults, []);
    await shot(page, 'markup-is-text');
    // And a page of somebody with such a name.
    const own = await t.pages.user(evil);
    await signedInAs(own, evil).waitFor();
    assert.deepEqual(own.faults, []);
    await peer.leave();
  });

  test('inline scripts, foreign ones and frames are forbidden', async () => {
    const page = await t.pages.open();
    const blocked = await page.evaluate(async () => {
      const names = [];
      document.addEventListener('securitypolicyviolation', (event) => names.push(event.effectiveDirective));
      const script = document.createElement('script');
      script.textContent = 'window.broken = true';
      document.body.append(script);
      const frame = document.createElement('iframe');
      frame.src = 'data:text/html,x';
      document.body.append(frame);
      await fetch('http://127.0.0.1:9/').catch(() => {});
      const over = Date.now() + 5000;
      while (names.length < 3 && Date.now() < over) await new Promise(requestAnimationFrame);
      return { names: names.sort(), broken: window.broken === true };
    });
    assert.deepEqual(blocked, { names: ['connect-src', 'frame-src', 'script-src-elem'], broken: false });
  });
});
