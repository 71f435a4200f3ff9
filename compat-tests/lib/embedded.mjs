// The server on its embedded store: a data file in a folder of one's own, and people who use it.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ws, request } from './engine.mjs';
import { launch, startServer } from './target.mjs';

const OWN = { STORE: 'embedded', REDIS_ENDPOINT_URL: undefined };

/** A folder that goes away with case `t`. */
export async function folder(t) {
  const dir = await mkdtemp(join(tmpdir(), 'compat-embedded-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Starts the server on `file`; it ends with case `t`. */
export async function startEmbedded(t, file, { env = {}, ...options } = {}) {
  const server = await startServer({ env: { ...OWN, DATA_FILE: file, ...env }, ...options });
  t.after(() => server.kill());
  return server;
}

/** Starts it where the start must fail, and gives its exit code and words. */
export async function failEmbedded(file, { env = {}, ...options } = {}) {
  const server = await launch({ env: { ...OWN, DATA_FILE: file, ...env }, ...options });
  try {
    const timer = setTimeout(() => server.kill(), 10_000);
    const code = await server.ended();
    clearTimeout(timer);
    return { code, words: server.stderr() };
  } finally {
    await server.kill();
  }
}

/** Runs `export` or `import`, and gives its exit code and words. */
export async function transfer(direction, file, redis, { args = [], env = {} } = {}) {
  const run = await launch({ redis, env: { DATA_FILE: file, STORE: undefined, PORT: undefined, ...env }, args: [direction, ...args] });
  const timer = setTimeout(() => run.kill(), 60_000);
  const code = await run.ended();
  clearTimeout(timer);
  return { code, said: run.stdout(), words: run.stderr() };
}

const json = { 'content-type': 'application/json' };

/** Somebody who is signed in at `base`. */
export class Person {
  static async signIn(base, username, password = 'password123') {
    const answer = await request(base, { method: 'POST', path: '/login', body: JSON.stringify({ username, password }), headers: json });
    assert.ok(answer.status === 200 || answer.status === 201, `${username}: ${answer.status} ${answer.text}`);
    const person = new Person();
    Object.assign(person, { base, username, registered: answer.status === 201, cookie: answer.headers['set-cookie'][0].split(';')[0] });
    person.id = JSON.parse(answer.text).id;
    return person;
  }

  async ask(method, path, body) {
    const answer = await request(this.base, { method, path, headers: { ...json, cookie: this.cookie }, body: body && JSON.stringify(body) });
    const isJson = answer.headers['content-type']?.startsWith('application/json');
    return { status: answer.status, body: isJson ? JSON.parse(answer.text) : answer.text };
  }

  async get(path) {
    const { status, body } = await this.ask('GET', path);
    assert.equal(status, 200, path);
    return body;
  }

  /** A socket in the rooms. */
  async socket(...rooms) {
    const ws = await Ws.open(this.base, { cookie: this.cookie });
    await ws.next((frame) => frame.startsWith?.('0{'));
    await ws.connectNs();
    for (const room of rooms) ws.emit('room.join', room);
    return ws;
  }

  message(roomId, message, date = 4_000_000_000) {
    return { from: this.id, date, message, roomId };
  }
}
