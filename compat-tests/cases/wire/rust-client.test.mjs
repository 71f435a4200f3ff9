// A client in another language, of which nothing is shared with the JavaScript ones: rust-client/, built by
// `make rust-client` (realtime.md §12). Where it is not built there are no such cases.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { eventually } from '../../lib/expect.mjs';
import { RUST_CLIENT } from '../../lib/target.mjs';
import { cameOnline, messageIn, useWire, wentOffline } from '../../lib/wire.mjs';

const t = useWire();

if (existsSync(RUST_CLIENT)) for (const transport of ['websocket', 'polling', 'upgrading']) {
  test(`rust_socketio by ${transport}`, { timeout: 60_000 }, async () => {
    const { a, b, room, atA, atB } = await t.pair();
    const witness = await t.witness();
    await t.onlyOne(a, atA, witness);
    const client = spawn(RUST_CLIENT, [t.server.base, transport, a.cookie, a.id, room, 'from Rust é😀\n"'], { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    client.stdout.on('data', (chunk) => (out += chunk));
    client.stderr.on('data', (chunk) => (err += chunk));
    const ended = new Promise((resolve) => client.once('close', resolve));
    t.keep({ close: () => client.kill('SIGKILL') });

    await witness.next(cameOnline(a));
    await atB.next(messageIn(room, 'from Rust é😀\n"'));
    // Its join may have been lost where its message was not: only when it heard itself it is in the room.
    await eventually(() => assert.match(out, /\n/), 20_000);
    const words = Array.from({ length: 20 }, (_, n) => `to Rust ${n}`);
    for (const text of [...words, 'leave']) atB.emit('message', t.message(b, room, text));
    assert.equal(await ended, 0, err);
    const [first, ...rest] = out.trim().split('\n').map((line) => JSON.parse(line));
    assert.deepEqual(first, { from: String(a.id), date: 1_700_000_000, message: 'from Rust é😀\n"', roomId: room });
    // Its first words may have come back twice: see its source.
    assert.deepEqual(rest.map(({ message }) => message).filter((text) => text !== first.message), [...words, 'leave']);
    await witness.next(wentOffline(a));
  });
}
