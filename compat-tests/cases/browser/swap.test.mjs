// The original's own client while the server behind it is swapped, ours for one of the original's kind and
// back, on one Redis (docs/MIGRATION.md).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Peer, eventually, shot } from '../../lib/browser.mjs';
import { enter, message, reload, say, texts, usePairs } from '../../lib/upstream.mjs';

const LIMITS = { timeout: 60_000 };

usePairs((t) => {
  test('the server is swapped under open pages, and swapped back', LIMITS, async () => {
    const [mary, alex] = [await t.pages.user('Mary'), await t.pages.user('Alex')];
    await say(mary, 'on the old one');
    await message(alex, 'on the old one').waitFor();
    for (const [server, label] of [[t.second, 'new'], [t.first, 'old again']]) {
      const connects = [mary, alex].map((page) => page.traffic.connects);
      t.link.forward(server.port);
      t.link.cut();
      await eventually(() => [mary, alex].every((page, i) => page.traffic.connects > connects[i]), 'both connect again');
      // Until they reload, they are in no room of the other server, and hear of presence alone: unless it is one
      // of ours with COMPAT=safe.
      const hears = t.safe && server === t.ours;
      await say(mary, `deaf on the ${label} one`);
      const joe = await enter(server, 'Joe', '0');
      await message(alex, 'Joe connected').last().waitFor();
      await joe.say('0', `unheard on the ${label} one`);
      await joe.leave();
      await message(alex, 'Joe left').last().waitFor();
      if (hears) {
        await message(alex, `unheard on the ${label} one`, 'Joe').waitFor();
        await message(alex, `deaf on the ${label} one`, 'Mary').waitFor();
      } else {
        assert.equal(await message(alex, `unheard on the ${label} one`).count() + await message(alex, `deaf on the ${label} one`).count(), 0);
      }
      await shot(alex, `upstream-swap-${label.replaceAll(' ', '-')}-${t.name.replaceAll(' ', '-')}`);
      // A reload is all it takes; nobody signs in anew.
      await reload(mary);
      await reload(alex);
      await message(mary, `unheard on the ${label} one`, 'Joe').waitFor();
      await message(alex, `deaf on the ${label} one`, 'Mary').waitFor();
      await say(mary, `heard on the ${label} one`);
      await message(alex, `heard on the ${label} one`, 'Mary').waitFor();
      await say(alex, `answered on the ${label} one`);
      await message(mary, `answered on the ${label} one`, 'Alex').waitFor();
    }
    await reload(alex);
    const said = ['on the old one', ...['new', 'old again'].flatMap((label) => ['deaf', 'unheard', 'heard', 'answered'].map((how) => `${how} on the ${label} one`))];
    assert.deepEqual((await texts(alex)).filter((text) => text.endsWith(' one')).sort(), said.sort());
    assert.deepEqual([...mary.faults, ...alex.faults], []);
  });

  test('while a server is away, what is written is sent when the next one is there', LIMITS, async () => {
    const page = await t.pages.user('Pablo');
    const { connects, closed } = page.traffic;
    t.link.refuse();
    // What the page sends before it knows that nobody is there any more is lost, as with every server.
    await eventually(() => t.link.links.size === 0 && page.traffic.closed > closed, 'the links are cut');
    await say(page, 'written meanwhile');
    t.link.forward(t.second.port);
    t.link.accept();
    await eventually(() => page.traffic.connects > connects, 'it connects again');
    const joe = await Peer.enter(t.first, 'Joe');
    await eventually(async () => (await joe.texts('0')).includes('written meanwhile'), 'it is stored');
    await reload(page);
    await message(page, 'written meanwhile').waitFor();
    t.link.forward(t.first.port);
  });
});
