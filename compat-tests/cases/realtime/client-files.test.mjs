// The client files under /socket.io/ (realtime.md §6). A drop-in may take them from the folder
// named by its setting ENGINE_CLIENT_DIR; without that there is nothing to test.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { gunzipSync, inflateSync } from 'node:zlib';
import { has } from '../../lib/capabilities.mjs';
import { PATH, brief, request } from '../../lib/engine.mjs';
import { suite } from '../../lib/rt-world.mjs';

if (has('client-files')) register();

function register() {
  const { scenario, shared, fixture } = suite('handshake');
  const get = (name, options) => request(shared.server.base, { path: `${PATH}${name}`, ...options });
  const head = ({ status, headers }) => {
    const { headers: noted } = brief({ status, headers, text: '' });
    return { status, headers: Object.fromEntries(Object.entries(noted).sort()) };
  };

  for (const name of ['socket.io.js', 'socket.io.js.map', 'socket.io.min.js', 'socket.io.msgpack.min.js', 'socket.io.msgpack.min.js.map']) {
    scenario(`client.${name}`, async () => {
      const answer = await get(name);
      const sha256 = createHash('sha256').update(answer.bytes).digest('hex');
      return { ...head(answer), bytes: answer.bytes.length, sha256 };
    });
  }

  const codings = { gzip: gunzipSync, deflate: inflateSync };
  for (const [coding, decode] of Object.entries(codings)) {
    scenario(`client.${coding}`, async () => {
      const answer = await get('socket.io.min.js', { headers: { 'accept-encoding': coding } });
      return { ...head(answer), bytes: decode(answer.bytes).length };
    });
  }

  scenario('client.br', async () => {
    const answer = await get('socket.io.min.js', { headers: { 'accept-encoding': 'br' } });
    // The original's stream ends badly now and then, so only a whole one is looked into.
    if (answer.headers['content-encoding'] === undefined) assert.equal(answer.bytes.length, fixture['client.gzip'].observed.bytes);
    return { status: answer.status, enc: answer.headers['content-encoding'] };
  }, { or: (got) => got.status === 200 });

  scenario('client.head', async () => head(await get('socket.io.min.js', { method: 'HEAD' })));

  scenario('client.any-method', async () => {
    assert.equal((await get('socket.io.min.js', { method: 'PUT' })).status, 200);
  });

  scenario('client.not-modified', async () => {
    const { status, bytes } = await get('socket.io.min.js', { headers: { 'if-none-match': '"3.0.4"' } });
    assert.deepEqual({ status, bytes: bytes.length }, { status: 304, bytes: 0 });
    for (const tag of ['W/"3.0.4"', '"3.0.3"', '*']) {
      assert.equal((await get('socket.io.min.js', { headers: { 'if-none-match': tag } })).status, 200, tag);
    }
  });

  scenario('client.query', async () => {
    const { status, text } = await get('socket.io.min.js', { query: 'v=1' });
    assert.deepEqual([status, text], [400, '{"code":0,"message":"Transport unknown"}']);
  });

  scenario('client.missing', async () => brief(await get('socket.io.slim.js')));
}
