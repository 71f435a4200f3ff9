// How the session cookie is read and written: http-and-redis.md §6. More of it is in
// fixtures/http/10-cookies.json.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fixture, sids } from '../../lib/dataset.mjs';
import { expectComputed } from '../../lib/expect.mjs';
import { COOKIE_OBJECT, cookieOf, sidSetBy, signature, storeSession } from '../../lib/session.mjs';
import { useTarget } from '../../lib/suite.mjs';

const t = useTarget();

const SIG = signature(sids.pablo);
const GOOD = cookieOf(sids.pablo).slice('connect.sid='.length);
const PABLO = { id: 1, username: 'Pablo' };

const me = (cookie) => t.get('/me', { cookie });

test('the harness signs as the recordings were signed', () => {
  for (const { sid, cookie } of Object.values(fixture('00-dataset').cookies)) assert.equal(cookieOf(sid), cookie);
});

describe('accepted', () => {
  const everyCharacter = [...`s:${sids.pablo}.${SIG}`].map((c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`).join('');
  for (const cookie of [
    `connect.sid=${GOOD}`,
    `a=b; connect.sid=${GOOD}`,
    `connect.sid=${GOOD}; a=b`,
    `a=b;connect.sid=${GOOD};c=d`,
    `a=b;   connect.sid=${GOOD}`,
    `a; connect.sid=${GOOD}`,
    `connect.sid = ${GOOD}`,
    `connect.sid=  ${GOOD}  ; c=d`,
    `connect.sid="${GOOD}"`,
    `connect.sid="${GOOD}x`,
    `connect.sid=${GOOD}; connect.sid=other`,
    `Connect.sid=other; connect.sid=${GOOD}`,
    `connect.sid2=other; xconnect.sid=other; connect.sid=${GOOD}`,
    `connect.sid=${GOOD.replace('%3A', '%3a')}`,
    `connect.sid=${everyCharacter}`,
    `x=${'y'.repeat(4000)}; connect.sid=${GOOD}`,
    `x="a; connect.sid=${GOOD}`,
  ]) {
    test(cookie.length > 120 ? `${cookie.slice(0, 120)}…` : cookie, async () => expectComputed(await me(cookie), { body: PABLO }));
  }

  test('over two Cookie headers', async () => {
    for (const headers of [[['Cookie', 'a=b'], ['Cookie', `connect.sid=${GOOD}`]], [['Cookie', `connect.sid=${GOOD}`], ['cookie', 'a=b']]]) {
      expectComputed(await t.get('/me', { headers }), { body: PABLO });
    }
  });
});

describe('not accepted: Redis is not asked, and a new session is made', () => {
  const swapped = SIG.replace(/[a-z]/, (c) => c.toUpperCase());
  for (const [what, cookie] of Object.entries({
    'an empty header': '',
    'no value': 'connect.sid',
    'an empty value': 'connect.sid=',
    'an empty one first': `connect.sid=; connect.sid=${GOOD}`,
    'a wrong one first': `connect.sid=s%3Ax.y; connect.sid=${GOOD}`,
    'another name': `connect_sid=${GOOD}`,
    'the name in capitals': `CONNECT.SID=${GOOD}`,
    'no s:': `connect.sid=${sids.pablo}.${encodeURIComponent(SIG)}`,
    'S: in capitals': `connect.sid=S%3A${sids.pablo}.${encodeURIComponent(SIG)}`,
    'j: instead of s:': `connect.sid=j%3A${sids.pablo}.${encodeURIComponent(SIG)}`,
    'only s:': 'connect.sid=s%3A',
    'no signature': `connect.sid=s%3A${sids.pablo}`,
    'an empty signature': `connect.sid=s%3A${sids.pablo}.`,
    'a short signature': `connect.sid=${GOOD.slice(0, -1)}`,
    'a long signature': `connect.sid=${GOOD}A`,
    'a padded signature': `connect.sid=${GOOD}%3D`,
    'a letter of the signature changed': `connect.sid=s%3A${sids.pablo}.${encodeURIComponent(swapped)}`,
    'the signature of another sid': `connect.sid=s%3A${sids.pablo}.${encodeURIComponent(signature(sids.joe))}`,
    'a signature under another secret': cookieOf(sids.pablo, 'another'),
    'a URL-safe signature': `connect.sid=s%3A${sids.joe}.${signature(sids.joe).replaceAll('+', '-').replaceAll('/', '_')}`,
    'an empty sid, signed': cookieOf(''),
    'an opening quote only': `connect.sid="${GOOD}`,
    'encoded twice': `connect.sid=${encodeURIComponent(GOOD)}`,
    'a comma between cookies': `a=b, connect.sid=${GOOD}`,
  })) {
    test(what, async () => {
      const watch = await t.redis.monitor();
      const response = await me(cookie);
      await watch.sync();
      watch.stop();
      const sid = expectComputed(response, { body: 'null', newSession: true });
      const asked = watch.commands.filter(([, key]) => key?.startsWith('sess:') && key !== `sess:${sid}`);
      assert.deepEqual(asked, []);
      assert.deepEqual(JSON.parse(await t.redis.client.get(`sess:${sid}`)), { cookie: COOKIE_OBJECT });
    });
  }
});

describe('a sid of any form is accepted when it is signed', () => {
  for (const sid of ['x', 'a.b.c', '.', '..', 'a/b', 'a b', 'a:b', 'größe-😀', 'x'.repeat(500), 'a;b', 'a%b', '__proto__', '-'.repeat(32)]) {
    test(sid.length > 40 ? `${sid.length} characters` : sid, async () => {
      const session = await storeSession(t.redis, { user: { id: 7, username: 'Of any form' } }, { sid });
      const response = await me(session.cookie);
      expectComputed(response, { body: { id: 7, username: 'Of any form' } });
    });
  }
  test('what cannot be decoded is taken as it is written', async () => {
    const sid = 'a%zz';
    await storeSession(t.redis, { user: { id: 7 } }, { sid });
    expectComputed(await me(`connect.sid=s:${sid}.${signature(sid)}`), { body: { id: 7 } });
  });
});

describe('the cookie that is set', () => {
  test('is another one each time', async () => {
    const set = new Set();
    for (let n = 0; n < 20; n += 1) set.add(sidSetBy(await t.get('/me')));
    assert.equal(set.size, 20);
  });
  test('is taken back', async () => {
    const sid = sidSetBy(await t.postJson('/login', { username: 'Joe', password: 'password123' }));
    expectComputed(await me(cookieOf(sid)), { body: { id: '2', username: 'Joe' } });
  });
  test('is not set again while its session lives', async () => {
    const sid = sidSetBy(await t.get('/me'));
    for (const path of ['/me', '/nope', '/rooms/1', '/links']) assert.equal(sidSetBy(await t.get(path, { cookie: cookieOf(sid) })), undefined);
  });
  test('is a new one when the session is gone', async () => {
    const response = await me(cookieOf('gone-sid'));
    const sid = expectComputed(response, { body: 'null', newSession: true });
    assert.equal(await t.redis.client.exists(`sess:${sid}`), 1);
    assert.equal(await t.redis.client.exists('sess:gone-sid'), 0);
  });
});
