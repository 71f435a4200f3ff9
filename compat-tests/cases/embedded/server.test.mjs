// The embedded store, seen from outside: what is chatted is there after a restart, whatever way the
// server ended, and what is in the way is said plainly.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { has } from '../../lib/capabilities.mjs';
import { adopt } from '../../lib/children.mjs';
import { Person, failEmbedded, folder, startEmbedded } from '../../lib/embedded.mjs';
import { killAgainAndAgain } from '../../lib/embedded-kills.mjs';
import { request } from '../../lib/engine.mjs';
import { command, launch } from '../../lib/target.mjs';

const LIMITS = { timeout: 60_000 };
const isMessage = (frame) => typeof frame === 'string' && frame.startsWith('42["message"');
const textOf = (frame) => JSON.parse(frame.slice(2))[1].message;

if (has('embedded')) describe('embedded', () => {
  test('two people chat, and everything is there after a restart', LIMITS, async (t) => {
    const file = join(await folder(t), 'data', 'chat.db');
    const server = await startEmbedded(t, file);
    const [pablo, zoe] = [await Person.signIn(server.base, 'Pablo'), await Person.signIn(server.base, 'Zoë')];
    assert.deepEqual([pablo.registered, pablo.id, zoe.registered, zoe.id], [false, '1', true, 5]);
    const [p, z] = [await pablo.socket('0'), await zoe.socket('0')];
    z.emit('message', zoe.message('0', 'hello <all>'));
    assert.equal(textOf(await p.next(isMessage)), 'hello &ltall&gt');
    assert.deepEqual(Object.keys(await pablo.get('/users/online')).sort(), ['1', '5']);

    const room = await zoe.ask('POST', '/room', { user1: zoe.id, user2: pablo.id });
    assert.equal(room.status, 201);
    z.emit('room.join', room.body.id);
    p.emit('room.join', room.body.id);
    p.emit('message', pablo.message(room.body.id, 'just us'));
    await p.next(isMessage);
    assert.equal(await server.stop(), 0);

    const again = await startEmbedded(t, file, { port: server.port });
    assert.equal((await pablo.get('/me')).username, 'Pablo');
    assert.deepEqual(await zoe.get('/users/online'), {});
    assert.deepEqual((await zoe.get(`/rooms/${zoe.id}`)).map(({ id }) => id).sort(), ['0', room.body.id]);
    const [newest] = await zoe.get('/room/0/messages?offset=0&size=1');
    assert.equal(newest.message, 'hello &ltall&gt');
    assert.deepEqual((await pablo.get(`/room/${room.body.id}/messages?offset=0&size=50`)).map(({ message }) => message), ['just us']);
    assert.equal((await pablo.ask('POST', '/logout')).status, 200);
    assert.equal(await again.stop(), 0);
  });

  test('a random secret signs, is kept, and differs from file to file', LIMITS, async (t) => {
    const dir = await folder(t);
    const first = await startEmbedded(t, join(dir, 'a.db'));
    const person = await Person.signIn(first.base, 'Joe');
    const other = await startEmbedded(t, join(dir, 'b.db'));
    const me = async (base) => (await request(base, { path: '/me', headers: { cookie: person.cookie } })).text;
    assert.match(await me(first.base), /Joe/);
    assert.equal(await me(other.base), 'null');
    // The original's secret is known to everybody, so it must not do here.
    assert.doesNotMatch(first.stderr(), /everybody knows/);
    await first.stop();
    await other.stop();
  });

  test('kill -9 under load loses nothing that a sender saw echoed', LIMITS, (t) => killAgainAndAgain(t, 5));

  test('5,000 messages arrive complete, in order, and are stored in order', LIMITS, async (t) => {
    const server = await startEmbedded(t, join(await folder(t), 'chat.db'));
    const [joe, alex] = [await Person.signIn(server.base, 'Joe'), await Person.signIn(server.base, 'Alex')];
    const [sender, reader] = [await joe.socket('0'), await alex.socket('0')];
    await alex.get('/me');
    const count = 5000;
    for (let n = 0; n < count; n += 1) sender.emit('message', joe.message('0', `${n}`, 4_000_000_000 + n));
    await reader.waitFor(({ frames }) => frames.filter(isMessage).length >= count, 30_000);
    const expected = Array.from({ length: count }, (_, n) => `${n}`);
    assert.deepEqual(reader.frames.filter(isMessage).map(textOf), expected);
    const stored = await alex.get(`/room/0/messages?offset=0&size=${count - 1}`);
    assert.deepEqual(stored.map(({ message }) => message).reverse(), expected);
    await server.stop();
  });

  test('a second start on the port or on the file says so', LIMITS, async (t) => {
    const dir = await folder(t);
    const file = join(dir, 'chat.db');
    const server = await startEmbedded(t, file);
    const samePort = await failEmbedded(join(dir, 'other.db'), { port: server.port });
    assert.equal(samePort.code, 1);
    assert.match(samePort.words, new RegExp(`port ${server.port} is taken`));
    const sameFile = await failEmbedded(file);
    assert.equal(sameFile.code, 1);
    assert.match(sameFile.words, /in use/);
    assert.ok(server.alive());
    await Person.signIn(server.base, 'Mary');
    await server.stop();
  });

  test('files that are none of ours are left as they are', LIMITS, async (t) => {
    const dir = await folder(t);
    const text = join(dir, 'notes.txt');
    await writeFile(text, 'My notes, which are no database at all.\n'.repeat(100));
    const before = execFileSync('sha256sum', [text], { encoding: 'utf8' });
    for (const [file, words] of [[text, /notes\.txt/], [dir, /./], [join(text, 'chat.db'), /notes\.txt/]]) {
      const failed = await failEmbedded(file);
      assert.equal(failed.code, 1, failed.words);
      assert.match(failed.words, words);
      assert.doesNotMatch(failed.words, /panicked|RUST_BACKTRACE/);
    }
    assert.equal(execFileSync('sha256sum', [text], { encoding: 'utf8' }), before);
  });

  test('a file from a newer version is refused and left as it is', LIMITS, async (t) => {
    const file = join(await folder(t), 'chat.db');
    const server = await startEmbedded(t, file);
    await server.stop();
    // Bytes 60 to 63 of an SQLite file are the number that its application gave its layout.
    execFileSync('dd', [`of=${file}`, 'bs=1', 'seek=60', 'conv=notrunc', 'status=none'], { input: Buffer.from([0, 0, 0, 99]) });
    await copyFile(file, `${file}.before`);
    const failed = await failEmbedded(file);
    assert.equal(failed.code, 1);
    assert.match(failed.words, /newer/);
    execFileSync('cmp', [file, `${file}.before`]);
  });

  test('a folder that may not be written is named', LIMITS, async (t) => {
    const dir = await folder(t);
    await chmod(dir, 0o755);
    const closed = join(dir, 'closed');
    await mkdir(closed);
    await chmod(closed, 0o555);
    // Root may write everywhere, so the server is then somebody else.
    const isRoot = process.getuid() === 0;
    const binary = join(dir, 'server');
    await copyFile(command, binary);
    const child = adopt(spawn(binary, [], {
      env: { PATH: process.env.PATH, STORE: 'embedded', PORT: '0', DATA_FILE: join(closed, 'chat.db') },
      stdio: ['ignore', 'ignore', 'pipe'], cwd: dir, ...(isRoot && { uid: 65534, gid: 65534 }),
    }));
    let words = '';
    child.stderr.on('data', (chunk) => (words += chunk));
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    const code = await new Promise((resolve) => child.once('close', resolve));
    clearTimeout(timer);
    assert.equal(code, 1, words);
    assert.match(words, /closed/);
  });
});
