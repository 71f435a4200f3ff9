// The page in a browser: coming in and going out, small windows, and no mouse.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { DEMO_PASSWORD, Peer, chatLink, eventually, filled, message, personButton, say, sent, shot, signedInAs, usePage } from '../../lib/browser.mjs';

usePage((t) => {
  afterEach(() => t.pages.closeAll());
  const button = (page, name) => page.getByRole('button', { name, exact: true });
  const focused = (page) => page.evaluate(() => document.activeElement?.id || document.activeElement?.getAttribute('href') || document.activeElement?.textContent.slice(0, 40));

  test('the demo users are one click away', async () => {
    const page = await t.pages.open();
    await page.getByRole('heading', { name: 'Demo users' }).waitFor();
    await shot(page, 'sign-in');
    await button(page, 'Sign in as Mary').click();
    await signedInAs(page, 'Mary').waitFor();
    await page.getByRole('heading', { level: 1, name: 'General' }).waitFor();
    assert.deepEqual(page.faults, []);
  });

  test('without the demo users nothing is offered', async () => {
    const page = await t.pages.open({ path: '/favicon.svg' });
    const unknown = { 1: { id: '1', username: 'Pablo', online: false }, 2: { id: '2', username: 'somebody', online: false } };
    let asked = 0;
    await page.route('**/users?*', (route) => {
      asked += 1;
      return route.fulfill({ json: unknown });
    });
    await page.goto(t.backend.base);
    await page.getByLabel('Name').waitFor();
    await page.waitForLoadState('networkidle');
    assert.equal(asked, 1);
    assert.equal(await page.getByRole('heading', { name: 'Demo users' }).count(), 0);
  });

  test('a new name is registered', async () => {
    const page = await t.pages.open();
    await t.pages.signIn(page, 'Ärger & Söhne', 'p\u00e4ssword');
    await page.getByText('Welcome, Ärger & Söhne. You are registered now.').waitFor();
    await say(page, 'Hello, I am new');
    await sent(page, 'Hello, I am new');
    const again = await t.pages.open();
    await t.pages.signIn(again, 'Ärger & Söhne', 'p\u00e4ssword');
    await message(again, 'Hello, I am new').waitFor();
    assert.equal(await again.getByText('You are registered now').count(), 0);
  });

  test('a wrong password is told beside the form, with the focus where it can be mended', async () => {
    const page = await t.pages.open();
    await page.getByRole('heading', { name: 'Demo users' }).waitFor();
    assert.equal(await focused(page), 'username');
    await button(page, 'Sign in').click();
    await page.getByRole('alert').filter({ hasText: 'Please enter a name and password.' }).waitFor();
    await page.getByLabel('Name').fill('Pablo');
    await page.getByLabel('Password').fill('wrong');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').filter({ hasText: 'Invalid username or password.' }).waitFor();
    assert.equal(await focused(page), 'password');
    assert.equal(await page.getByLabel('Password').getAttribute('aria-invalid'), 'true');
    await shot(page, 'wrong-password');
    await page.keyboard.type(DEMO_PASSWORD);
    await page.keyboard.press('Enter');
    await button(page, 'Sign out').waitFor();
  });

  test('signing out ends the session, here and at the server', async () => {
    const page = await t.pages.user('Joe');
    const cookies = await page.context().cookies();
    await button(page, 'Sign out').click();
    await page.getByText('You have signed out.').waitFor();
    assert.equal(await focused(page), 'username');
    assert.equal(await page.title(), 'Sign in · Chat');
    const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
    assert.equal(await (await fetch(`${t.backend.base}/me`, { headers: { cookie } })).json(), null);
    await page.reload();
    await page.getByLabel('Name').waitFor();
    // Nothing of him is left for whoever is next.
    assert.equal(await page.getByText('Signed in as').first().isVisible(), false);
    await t.pages.signIn(page, 'Alex');
    await signedInAs(page, 'Alex').waitFor();
  });

  test('a session that ended elsewhere leads to the form, with a sentence', async () => {
    const peer = await (await Peer.enter(t.backend, 'somebody new')).connect();
    const page = await t.pages.user('Pablo');
    await personButton(page, 'somebody new').waitFor();
    const cookies = await page.context().cookies();
    const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
    assert.equal((await fetch(`${t.backend.base}/logout`, { method: 'POST', headers: { cookie } })).status, 200);
    // The next request finds out. A page that is still reading has one under way, and no button soon.
    await personButton(page, 'somebody new').click({ timeout: 1000 }).catch(() => {});
    await page.getByText('Your session has ended. Please sign in again.').waitFor();
    assert.equal(await focused(page), 'username');
    await t.pages.signIn(page, 'Pablo');
    await peer.leave();
  });

  test('the server’s errors are shown in words', async () => {
    const page = await t.pages.open();
    await page.route('**/login', (route) => route.fulfill({ status: 503, json: { message: 'Service unavailable, try again later' } }));
    await button(page, 'Sign in as Joe').click();
    await page.getByRole('alert').filter({ hasText: 'Service unavailable, try again later.' }).waitFor();
    await page.unroute('**/login');
    await page.route('**/login', (route) => route.abort());
    await button(page, 'Sign in as Joe').click();
    await page.getByRole('alert').filter({ hasText: 'The server can’t be reached.' }).waitFor();
    await page.unroute('**/login');
    await button(page, 'Sign in as Joe').click();
    await button(page, 'Sign out').waitFor();
    await page.route('**/logout', (route) => route.fulfill({ status: 500, body: 'oops' }));
    await button(page, 'Sign out').click();
    await page.getByRole('alert').filter({ hasText: /You could not be signed out\. .*500/ }).waitFor();
    await page.unroute('**/logout');
    // Away first, so that only the new page reads.
    await page.goto('about:blank');
    let reads = 0;
    await page.route('**/room/0/messages?*', (route) => {
      reads += 1;
      return route.fulfill({ status: 500, json: { message: 'Internal server error' } });
    });
    await page.goto(t.backend.base);
    // Once at the start, and once more when there is a connection.
    await eventually(() => reads === 2, 'the room was read twice');
    await page.getByRole('alert').filter({ hasText: 'Internal server error.' }).waitFor();
    await page.unroute('**/room/0/messages?*');
    await button(page, 'Try again').click();
    await filled(page);
  });

  test('a message that is too long is refused with a reason, and kept', async () => {
    const page = await t.pages.user('Joe');
    await page.getByRole('textbox', { name: 'Message to General' }).fill('x'.repeat(20_001));
    await button(page, 'Send').click();
    await page.getByRole('alert').filter({ hasText: '20,001 characters' }).waitFor();
    assert.equal((await page.getByRole('textbox', { name: 'Message to General' }).inputValue()).length, 20_001);
    await page.getByRole('textbox', { name: 'Message to General' }).fill('');
  });

  test('everything can be done with the keyboard', async () => {
    const page = await t.pages.open();
    await page.getByRole('heading', { name: 'Demo users' }).waitFor();
    await page.keyboard.type('Mary');
    await page.keyboard.press('Tab');
    await page.keyboard.type(DEMO_PASSWORD);
    await page.keyboard.press('Tab');
    assert.match(await focused(page), /Sign in/);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'General' }).waitFor();
    await chatLink(page, 'Alex').waitFor();
    assert.equal(await focused(page), 'text');
    // To the list, down to Alex, into that chat.
    await page.keyboard.press('Escape');
    assert.equal(await focused(page), '#/room/0');
    for (let step = 0; step < 10 && (await focused(page)) !== '#/room/3%3A4'; step += 1) await page.keyboard.press('ArrowDown');
    for (let step = 0; step < 10 && (await focused(page)) !== '#/room/3%3A4'; step += 1) await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Alex' }).waitFor();
    await page.keyboard.type('first line');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('second line');
    await page.keyboard.press('Enter');
    await sent(page, /first line\s+second line/);
    // Every stop on the way back shows where it is.
    for (let step = 0; step < 40 && (await focused(page)) !== 'sign-out'; step += 1) {
      await page.keyboard.press('Shift+Tab');
      const outline = await page.evaluate(() => {
        const style = getComputedStyle(document.activeElement);
        return document.activeElement === document.body ? '3px' : style.outlineStyle === 'none' ? '0px' : style.outlineWidth;
      });
      assert.equal(outline, '3px', await focused(page));
    }
    assert.equal(await focused(page), 'sign-out');
    await page.keyboard.press('Enter');
    await page.getByText('You have signed out.').waitFor();
  });

  for (const [width, height] of [[390, 844], [320, 568]]) {
    test(`a window of ${width} × ${height} has one column`, async () => {
      const context = { viewport: { width, height }, hasTouch: true, isMobile: true };
      const page = await t.pages.open({ context });
      const fits = async (where) => {
        const { scroll, inner } = await page.evaluate(() => ({ scroll: document.documentElement.scrollWidth, inner: window.innerWidth }));
        assert.equal(scroll, width, where);
        assert.equal(inner, width, where);
      };
      await page.getByRole('heading', { name: 'Demo users' }).waitFor();
      await fits('the form');
      await shot(page, `phone-${width}-sign-in`);
      await button(page, 'Sign in as Joe').tap();
      await chatLink(page, 'General').waitFor();
      assert.equal(await page.getByRole('textbox').count(), 0);
      await fits('the list');
      await shot(page, `phone-${width}-list`);
      await chatLink(page, 'General').tap();
      await filled(page);
      await say(page, `${width} ${'longwordwithoutend'.repeat(20)} and a text that needs several lines on a telephone`);
      await sent(page, `${width} longwordwithoutend`);
      await fits('the room');
      await shot(page, `phone-${width}-room`);
      assert.equal(await page.getByRole('navigation').count(), 0);
      await page.getByRole('link', { name: 'Back to the chats' }).tap();
      await chatLink(page, 'Mary').tap();
      await page.getByRole('heading', { level: 1, name: 'Mary' }).waitFor();
      await page.goBack();
      await chatLink(page, 'General').waitFor();
      // Everything that is touched is big enough.
      const small = await page.evaluate(() =>
        [...document.querySelectorAll('a, button, input, textarea')]
          .map((node) => ({ name: node.id || node.textContent.trim(), ...node.getBoundingClientRect().toJSON() }))
          .filter(({ width: wide, height: high }) => wide > 0 && (wide < 44 || high < 44))
          .map(({ name }) => name),
      );
      assert.deepEqual(small, []);
      assert.deepEqual(page.faults, []);
    });
  }

  test('dark mode and still pictures are honoured, and text can be read in both modes', async () => {
    for (const colorScheme of ['light', 'dark']) {
      const page = await t.pages.user('Pablo', { context: { colorScheme, reducedMotion: 'reduce' } });
      await filled(page);
      const text = `In ${colorScheme} mode`;
      await say(page, text);
      await sent(page, text);
      await shot(page, `general-${colorScheme}`);
      const { ground, low, moving } = await page.evaluate(looks);
      assert.equal(ground > 0.5, colorScheme === 'light');
      assert.deepEqual(low, []);
      assert.deepEqual(moving, []);
      await page.context().close();
    }
  });
});

/** In the page: how light the ground is, texts of too little contrast, and what moves. */
function looks() {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const pixel = (color, under = [255, 255, 255]) => {
    canvas.fillStyle = `rgb(${under.join(' ')})`;
    canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const groundOf = (node) => {
    const grounds = [];
    for (let at = node; at; at = at.parentElement) grounds.unshift(getComputedStyle(at).backgroundColor);
    return grounds.reduce((under, color) => pixel(color, under), [255, 255, 255]);
  };
  const low = [];
  const moving = [];
  for (const node of document.querySelectorAll('body *')) {
    const style = getComputedStyle(node);
    if (style.animationName !== 'none' || style.transitionDuration.split(', ').some((time) => parseFloat(time) > 0)) moving.push(node.id || node.className);
    if (node.closest('.hidden-text')) continue;
    const own = [...node.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.data.trim() !== '');
    if (!own || node.getClientRects().length === 0) continue;
    const ground = groundOf(node);
    const [light, dark] = [luminance(pixel(style.color, ground)), luminance(ground)].sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) low.push(`${node.className || node.tagName} "${node.textContent.trim().slice(0, 20)}": ${contrast.toFixed(2)}`);
  }
  return { ground: luminance(groundOf(document.body)), low, moving };
}
