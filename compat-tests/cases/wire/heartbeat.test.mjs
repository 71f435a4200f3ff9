// The heartbeat (realtime.md §5). All cases run at once: each takes its time by the contract.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Polling, Ws } from '../../lib/engine.mjs';
import { useWire } from '../../lib/wire.mjs';

const t = useWire();
const LIMITS = { timeout: 60_000 };

describe('heartbeat', { concurrency: true }, () => {
  test('a websocket is pinged after 25 s, and lives on when it answers', LIMITS, async () => {
    const ws = t.keep(await Ws.open(t.server.base));
    await ws.connectNs();
    const started = Date.now();
    ws.answersPings = false;
    await ws.next((frame) => frame === '2', 35_000);
    const waited = Date.now() - started;
    assert.ok(waited > 23_000, `${waited} ms`);
    ws.send('3');
    await sleep(7000);
    assert.equal(ws.closed, undefined);
  });
  test('a websocket that stays silent is closed', LIMITS, async () => {
    const ws = t.keep(await Ws.open(t.server.base));
    ws.answersPings = false;
    await ws.connectNs();
    assert.deepEqual(await ws.closing(45_000), { closed: 1005 });
    assert.equal(ws.frames.filter((frame) => frame === '2').length, 1);
  });
  test('a held GET gets the ping', LIMITS, async () => {
    const client = await new Polling(t.server.base).open();
    t.keep(client);
    client.answersPings = false;
    await client.loop().connectNs();
    await client.next((frame) => frame === '2', 35_000);
    await client.post('3');
    await sleep(7000);
    assert.ok(await client.alive());
  });
  test('a pong that nobody asked for is harmless', LIMITS, async () => {
    const ws = t.keep(await Ws.open(t.server.base));
    for (let n = 0; n < 3; n += 1) ws.send('3');
    await ws.connectNs();
    await sleep(500);
    assert.equal(ws.closed, undefined);
  });
});
