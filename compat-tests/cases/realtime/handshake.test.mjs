// Opening an engine session by polling, and how requests are refused (realtime.md §1).
import assert from 'node:assert/strict';
import { PATH, Polling, brief, rawHttp, request, held } from '../../lib/engine.mjs';
import { suite } from '../../lib/rt-world.mjs';

const { scenario, shared } = suite('handshake');
const base = () => shared.server.base;
const polling = 'EIO=4&transport=polling';

const refused = (code, message) => ({
  status: 400, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ code, message }),
});
const UNKNOWN_TRANSPORT = refused(0, 'Transport unknown');
const UNKNOWN_SID = refused(1, 'Session ID unknown');
const BAD_METHOD = refused(2, 'Bad handshake method');
const BAD_REQUEST = refused(3, 'Bad request');

/** An open answer as recorded, with what counts of its sid (§1.4). */
function opened(answer) {
  return {
    ...brief(answer),
    lengthOk: Number(answer.headers['content-length']) === answer.bytes.length,
    sidShape: /"sid\\?":\\?"[A-Za-z0-9_-]{16,}\\?"/.test(answer.text),
  };
}

scenario('hs.open-fields', async (world) => {
  const ws = await world.ws({ ns: false });
  return { polling: (await request(base(), { query: polling })).text, ws: await ws.next() };
});

const accepted = {
  'eio3': 'EIO=3&transport=polling',
  'eio-missing': 'transport=polling',
  'eio-garbage': 'EIO=abc&transport=polling',
  'eio-5': 'EIO=5&transport=polling',
  'empty-sid': 'EIO=4&transport=polling&sid=',
  'percent-encoded': 'EIO=4&transport=poll%69ng',
  'eio-last': 'transport=polling&EIO=4',
};
for (const [name, query] of Object.entries(accepted)) {
  scenario(`hs.polling.${name}`, async () => opened(await request(base(), { query })));
}

scenario('hs.polling.sids-differ', async () => {
  const sids = await Promise.all(Array.from({ length: 20 }, async () => (await new Polling(base()).open()).sid));
  assert.equal(new Set(sids).size, 20);
});

scenario('hs.jsonp', async () => opened(await request(base(), { query: `${polling}&j=7` })), {
  or: (got) => got.status === 200 || got.status === 400,
});

scenario('hs.jsonp.post', async (world) => {
  const client = await world.polling({ query: `${polling}&j=7`, ns: false, loop: false });
  const post = await client.post('d=40', { headers: { 'content-type': 'application/x-www-form-urlencoded' } });
  const get = await held(client.get());
  return { post: brief(post), get };
}, { or: () => true });

const unknownTransports = {
  'hs.transport.none': undefined,
  'hs.transport.empty': '',
  'hs.transport.foo': 'EIO=4&transport=foo',
  'hs.transport.upper-case': 'EIO=4&transport=Polling',
  'hs.transport.twice': 'EIO=4&transport=polling&transport=polling',
  'hs.transport.missing-value': 'EIO=4&transport',
};
for (const [id, query] of Object.entries(unknownTransports)) {
  scenario(id, async () => {
    const got = brief(await request(base(), { query }));
    assert.deepEqual(got, UNKNOWN_TRANSPORT);
    return got;
  });
}

scenario('hs.transport.websocket-plain-get', async () =>
  brief(await request(base(), { query: 'EIO=4&transport=websocket' })));

const unknownSids = {
  'zzzzzzzzzzzzzzzzzzzz': 'zzzzzzzzzzzzzzzzzzzz',
  'short': 'x',
  'AAAAAAAAAAAAAAAA': 'AAAAAAAAAAAAAAAA',
  'pct00': '%00',
  'aaaaaaaaaaaaaaaaaaaa': 'a'.repeat(20),
  'proto': '__proto__',
  'constructor': 'constructor',
  'long': 'a'.repeat(3000),
};
for (const [name, sid] of Object.entries(unknownSids)) {
  scenario(`hs.unknown-sid.${name}`, async () => {
    const query = `${polling}&sid=${sid}`;
    const get = brief(await request(base(), { query }));
    const post = brief(await request(base(), { query, method: 'POST', body: '40' }));
    assert.deepEqual({ get, post }, { get: UNKNOWN_SID, post: UNKNOWN_SID });
    return { get, post };
  });
}

for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
  scenario(`hs.method.${method}`, async () => {
    const got = brief(await request(base(), { method, query: polling }));
    assert.deepEqual(got, BAD_METHOD);
    return got;
  });
}

scenario('hs.method.HEAD', async () => {
  const got = brief(await request(base(), { method: 'HEAD', query: polling }));
  assert.deepEqual(got, { ...BAD_METHOD, body: '' });
});

for (const method of ['DELETE', 'PUT', 'PATCH', 'OPTIONS', 'HEAD']) {
  scenario(`hs.method-with-sid.${method}`, async (world) => {
    const client = await world.polling({ ns: false, loop: false });
    const observed = { r: brief(await client.request({ method })), alive: await client.alive() };
    assert.deepEqual(observed, { r: { status: 500, headers: {}, body: '' }, alive: true });
    return observed;
  });
}

scenario('hs.post-bad-transport', async () => {
  const post = (query) => request(base(), { method: 'POST', query, body: '40' });
  return {
    a: brief(await post('EIO=4&transport=foo')),
    b: brief(await post('EIO=4&transport=foo&sid=zzzzzzzzzzzzzzzzzzzz')),
  };
});

scenario('hs.sid-before-method', async () => {
  const got = brief(await request(base(), { method: 'PUT', query: `${polling}&sid=zzzz` }));
  assert.deepEqual(got, UNKNOWN_SID);
});

scenario('hs.sid-of-other-transport', async (world) => {
  const client = await world.polling({ ns: false, loop: false });
  const got = brief(await request(base(), { query: `EIO=4&transport=websocket&sid=${client.sid}` }));
  assert.deepEqual(got, BAD_REQUEST);
  assert.ok(await client.alive());
});

scenario('hs.cors', async () => {
  const Origin = 'http://elsewhere.example';
  const get = opened(await request(base(), { query: polling, headers: { Origin } }));
  const preflight = brief(await request(base(), {
    method: 'OPTIONS', query: polling, headers: { Origin, 'Access-Control-Request-Method': 'GET' },
  }));
  return { get, preflight };
});

scenario('hs.no-cookie', async (world) => {
  const user = await world.user('a');
  const without = await request(base(), { query: polling });
  const withCookie = await request(base(), { query: polling, headers: { cookie: user.cookie } });
  const setCookie = ({ headers }) => headers['set-cookie'] ?? null;
  return { a: setCookie(without), b: setCookie(withCookie), as: without.status, bs: withCookie.status };
});

scenario('hs.trident', async () => {
  const headers = { 'user-agent': 'Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko' };
  return { open: (await request(base(), { query: polling, headers })).text[0] };
}, { or: () => false });

scenario('hs.path.no-slash', async () => {
  const { status, headers, text } = await request(base(), { path: '/socket.io', query: polling });
  return { status, type: headers['content-type'], body: text };
});

for (const path of ['/Socket.IO/', '/socket.iox/']) {
  scenario(`hs.path.${path.replaceAll('/', '')}`, async () => {
    const got = await request(base(), { path, query: polling });
    assert.equal(got.status, 404);
    assert.ok(got.text.includes(`Cannot GET ${path}`), got.text);
  });
}

for (const path of [`${PATH}x/y`, `${PATH}/`]) {
  scenario(`hs.path.extra-segment ${path}`, async () => {
    const got = await request(base(), { path, query: polling });
    assert.equal(got.status, 200);
    assert.match(got.text, /^0\{"sid":"[\w-]{16,}"/);
  });
}

scenario('hs.http10', async () => {
  const { text } = await rawHttp(base(), `GET ${PATH}?${polling} HTTP/1.0\r\n\r\n`);
  const [head, body] = text.split('\r\n\r\n');
  return { ok: /^HTTP\/1\.[01] 200/.test(head), body };
}, { or: (got) => got.ok });

scenario('hs.keepalive', async () => {
  const one = (query) => `GET ${PATH}?${query} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  const two = /HTTP\/1\.1 \d+[\s\S]*HTTP\/1\.1 \d+[\s\S]*\}$/;
  const { text, closed } = await rawHttp(base(), one(polling) + one('transport=foo'), { until: (got) => two.test(got) });
  return { statuses: text.match(/HTTP\/1\.1 \d+/g), closedByServer: closed };
});
