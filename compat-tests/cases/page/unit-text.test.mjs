// The page's pure modules about text, dates and messages. No server, no browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { delayBefore } from '../../../src/page/model/backoff.mjs';
import { dateSource, keyOf, outgoing, readMessage } from '../../../src/page/model/message.mjs';
import { ReadMarks } from '../../../src/page/model/read-marks.mjs';
import { cleaned, dayKey, dayLabel, hue, initials, isoLabel, preview, readable, shortLabel, timeLabel } from '../../../src/page/model/text.mjs';

test('what the server cleans is shown as it was typed', () => {
  for (const text of ['<b>bold</b>', 'a < b > c', '&amp; "x"', 'x<<y', 'plain', '', '&lt;', '<\n>']) {
    assert.equal(readable(cleaned(text)), text);
  }
  assert.equal(cleaned('hi <b>&amp;"'), 'hi &ltb&gt&amp;"');
});

test('a preview is one line', () => {
  assert.equal(preview('  a\n\n b\t&ltc&gt '), 'a b <c>');
  assert.ok(preview('x'.repeat(100_000)).length <= 200);
});

test('initials are letters, whatever the name', () => {
  const expected = { Pablo: 'P', 'anna maria lind': 'AM', zoe_b: 'ZB', 'é': 'É', '𝒳y': '𝒳', '': '?', ' - ': '?', '<script>': '<' };
  for (const [name, letters] of Object.entries(expected)) assert.equal(initials(name), letters, name);
});

test('a colour belongs to a name', () => {
  assert.equal(hue('Pablo'), hue('Pablo'));
  assert.ok(new Set(['Pablo', 'Joe', 'Mary', 'Alex'].map(hue)).size > 2);
  for (const name of ['', 'x', '𝒳'.repeat(50)]) assert.ok(hue(name) >= 0 && hue(name) < 360);
});

test('days are those of the calendar', () => {
  const now = new Date(2024, 2, 31, 12);
  const seconds = (...parts) => new Date(...parts).getTime() / 1000;
  assert.equal(dayLabel(seconds(2024, 2, 31, 0, 1), now), 'Today');
  assert.equal(dayLabel(seconds(2024, 2, 30, 23, 59), now), 'Yesterday');
  assert.match(dayLabel(seconds(2024, 2, 4), now, 'en-GB'), /^Monday,? 4 March$/);
  assert.match(dayLabel(seconds(2021, 2, 4), now, 'en-GB'), /2021$/);
  assert.equal(shortLabel(seconds(2024, 2, 30, 1), now, 'en-GB'), 'Yesterday');
  assert.equal(shortLabel(seconds(2024, 2, 27), now, 'en-GB'), 'Wed');
  assert.equal(shortLabel(seconds(2024, 0, 2), now, 'en-GB'), '2 Jan');
  assert.equal(shortLabel(seconds(2024, 2, 31, 9, 5), now, 'en-GB'), '09:05');
  assert.notEqual(dayKey(seconds(2024, 2, 31)), dayKey(seconds(2024, 2, 30)));
});

test('a date that is none is no error', () => {
  for (const date of [Number.NaN, 1e300, -1e300]) {
    assert.deepEqual([dayKey(date), timeLabel(date), shortLabel(date), isoLabel(date)], ['', '', '', '']);
    assert.equal(dayLabel(date), 'Without a date');
  }
});

test('only what can be shown is a message', () => {
  const good = { roomId: '0', from: 1, date: 1600000000.5, message: 'hi' };
  assert.deepEqual({ ...readMessage(good), key: '' }, { roomId: '0', from: '1', date: 1600000000.5, text: 'hi', key: '', unread: false });
  const bad = [null, 5, 'x', [], [good], {}, { ...good, message: 1 }, { ...good, from: null }, { ...good, from: {} }, { ...good, roomId: undefined }];
  for (const raw of bad) assert.equal(readMessage(raw), null, JSON.stringify(raw));
  assert.equal(readMessage({ ...good, date: '0x10' }).date, 16);
});

test('an echo is recognised by its content', () => {
  const message = outgoing({ roomId: '1:2', from: 2, text: 'a <b>', date: 1700000000.123 });
  const echo = readMessage({ ...message.wire, message: cleaned('a <b>') });
  assert.equal(echo.key, message.key);
  assert.deepEqual(message.wire, { roomId: '1:2', message: 'a <b>', from: 2, date: 1700000000.123 });
  for (const other of [{ roomId: '1:3' }, { from: '3' }, { text: 'x' }, { date: 1 }]) assert.notEqual(keyOf({ ...echo, ...other }), echo.key);
});

test('no two messages of a page have the same date', () => {
  const next = dateSource(() => 1_700_000_000_000);
  assert.deepEqual([next(), next(), next()], [1_700_000_000, 1_700_000_000.001, 1_700_000_000.002].map((_, index) => (1_700_000_000_000 + index) / 1000));
});

test('waiting times double, are scattered and end', () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 50].map((attempt) => delayBefore(attempt, () => 1)), [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  assert.equal(delayBefore(3, () => 0), 4000);
});

test('read marks are kept, shared and never fatal', () => {
  const stored = new Map();
  const storage = { getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => stored.set(key, value) };
  const marks = new ReadMarks('1', storage);
  assert.equal(marks.of('0'), undefined);
  marks.set('0', 5);
  marks.set('0', 4);
  assert.equal(new ReadMarks('1', storage).of('0'), 5);
  assert.equal(new ReadMarks('2', storage).of('0'), undefined);
  const other = new ReadMarks('1', storage);
  other.set('0', 9);
  marks.reload();
  assert.equal(marks.of('0'), 9);
  assert.equal(marks.of('__proto__'), undefined);
  for (const text of ['{', '5', 'null', '{"0":"x"}']) {
    stored.set('chat.read.3', text);
    assert.equal(new ReadMarks('3', storage).of('0'), undefined, text);
  }
  const refuses = () => {
    throw new Error('not in private windows');
  };
  const inPrivate = new ReadMarks('1', { getItem: refuses, setItem: refuses });
  inPrivate.set('0', 3);
  assert.equal(inPrivate.of('0'), 3);
});
