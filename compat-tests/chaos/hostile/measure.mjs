// `make hostile`: what slow and hostile clients cost the server and everybody else (docs/OPERATIONS.md).
//
//   node chaos/hostile/measure.mjs [--store=redis|embedded] [--elsewhere] [name …]
//
// The server has its default settings. While 50 readers hold a conversation at 20 messages a second, each attack comes
// from a process of its own (attack.mjs) and another address. Printed are the conversation's latency before and during the
// attack, the server's memory, and the seconds until nothing of the attackers is left on the server.
//
// With --elsewhere the attacks go to another server on the same machine: what is slower then is slower because the attacker
// itself takes its share of the processors.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { adopt, end } from '../../lib/children.mjs';
import { Person } from '../../lib/embedded.mjs';
import { MEBI, PONG, frame, openOf, rssOf, webSocket } from '../../lib/hostile.mjs';
import { startRedis } from '../../lib/redis.mjs';
import { startServer } from '../../lib/target.mjs';

const READERS = 50;
const PER_SECOND = 20;
const CALM = 8_000;
const words = process.argv.slice(2);
const store = words.find((word) => word.startsWith('--store='))?.slice(8) ?? 'redis';
const elsewhere = words.includes('--elsewhere');
const named = words.filter((word) => !word.startsWith('--'));

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN;
const seconds = (ms) => Math.round(ms / 100) / 10;

/** People who talk in the general room, and how long their messages take. */
class Talk {
  times = [];
  sent = 0;

  constructor(server, person) {
    this.person = person;
    this.sockets = Array.from({ length: READERS }, () => webSocket(server.port, { cookie: person.cookie }));
    for (const { socket } of this.sockets) {
      let rest = '';
      socket.on('data', (data) => {
        const now = performance.now();
        const text = rest + data.toString('latin1');
        let last = 0;
        for (const match of text.matchAll(/"@(\d+\.\d+)@/g)) {
          this.times.push(now - Number(match[1]));
          last = match.index + match[0].length;
        }
        rest = text.slice(Math.max(last, text.length - 30));
      });
    }
  }

  async begin() {
    await Promise.all(this.sockets.map(({ ready }) => ready));
    await sleep(500);
    this.speaking = setInterval(() => this.say(`@${performance.now().toFixed(3)}@`), 1000 / PER_SECOND);
    this.living = setInterval(() => this.sockets.forEach(({ socket }) => socket.write(PONG)), 10_000);
  }

  say(text) {
    this.sent += 1;
    const message = { from: this.person.id, date: 4e9 + this.sent / 1000, message: text, roomId: '0' };
    // Several speak, since one socket may send only so much.
    this.sockets[this.sent % READERS].socket.write(frame(`42${JSON.stringify(['message', message])}`));
  }

  /** Further messages, which are not measured, a thousand bytes each. */
  flood(perSecond) {
    const filler = 'w'.repeat(900);
    let due = 0;
    const start = performance.now();
    this.flooding = setInterval(() => {
      for (; due < ((performance.now() - start) / 1000) * perSecond; due += 1) this.say(filler);
    }, 10);
  }

  /** What was measured since the last time: `{ p50, p99, lost }`. */
  take() {
    const times = this.times.splice(0).sort((a, b) => a - b);
    return { p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
  }

  end() {
    for (const timer of [this.speaking, this.living, this.flooding]) clearInterval(timer);
    for (const { socket } of this.sockets) socket.destroy();
  }
}

/** Watches the server's memory and open files. */
class Gauge {
  peak = 0;
  most = 0;

  constructor(pid) {
    this.pid = pid;
    this.timer = setInterval(() => this.look(), 200);
  }

  look() {
    this.peak = Math.max(this.peak, rssOf(this.pid));
    this.open = openOf(this.pid);
    this.most = Math.max(this.most, this.open);
  }

  stop() {
    clearInterval(this.timer);
  }
}

function attacker(name, server, person) {
  const file = fileURLToPath(new URL('attack.mjs', import.meta.url));
  const child = adopt(spawn(process.execPath, [file, name, String(server.port), person.cookie], { stdio: ['pipe', 'pipe', 'inherit'] }));
  const said = [];
  createInterface({ input: child.stdout }).on('line', (line) => said.push(JSON.parse(line)));
  return {
    child,
    said,
    tell: () => child.stdin.write('go\n'),
    async says(key, patience = 150_000) {
      const until = Date.now() + patience;
      for (;;) {
        const found = said.find((what) => what[key]);
        if (found) return found[key];
        if (child.exitCode !== null || Date.now() > until) throw new Error(`${name}: nothing said of ${key}`);
        await sleep(20);
      }
    },
  };
}

/** Waits until the server has at most `open` files open; gives the seconds since `start`, or undefined. */
async function goneTo(gauge, open, start, patience = 90_000) {
  const until = Date.now() + patience;
  while (Date.now() < until) {
    gauge.look();
    if (gauge.open <= open) return seconds(Date.now() - start);
    await sleep(100);
  }
  return undefined;
}

const ATTACKS = {
  unread: '20 of 500 stop reading, 220 messages of 1 kB per second',
  slow: '1,700 connections that are never done',
  halves: '400 of 900 kB, never done',
  abandoned: '10,000 abandoned polling sessions',
  malformed: 'oversized and malformed',
  bombs: 'compressed bombs, 100 MiB and 1 GiB',
  answers: '200 × 20 histories asked for and not read',
};

async function run(name, server, person, target = server) {
  const talk = new Talk(server, person);
  const gauge = new Gauge(server.pid);
  const row = { name, what: ATTACKS[name], notes: [] };
  try {
    await talk.begin();
    // They are there, and do no harm yet.
    const bad = attacker(name, target, person);
    await bad.says('ready');
    if (name === 'unread') talk.flood(200);
    await sleep(2_000);
    talk.take();
    gauge.look();
    const opened = gauge.open;
    row.before = rssOf(server.pid);
    gauge.peak = 0;
    await sleep(CALM);
    row.calm = talk.take();
    const start = Date.now();
    bad.tell();
    if (name === 'unread') {
      row.gone = { 'who stopped reading': await goneTo(gauge, opened - 20, start) };
      row.attack = talk.take();
      bad.tell();
    } else if (name === 'answers') {
      await bad.says('asked');
      row.gone = { 'who reads no answer': await goneTo(gauge, opened, start) };
      row.attack = talk.take();
      bad.tell();
    } else {
      // Only while it goes on: what comes after has nothing of it any more, and would make it look better.
      const result = bad.says('result');
      let over = false;
      result.finally(() => (over = true)).catch(() => {});
      for (let i = 0; i < 60 && !over; i += 1) await sleep(250);
      row.attack = talk.take();
      const { open, gone } = await result;
      row.gone = { ...gone, ...Object.fromEntries(Object.entries(open).filter(([, n]) => n > 0).map(([group, n]) => [group, `${n} stay`])) };
      row.last = await goneTo(gauge, opened, start, 20_000);
    }
    row.notes.push(...bad.said.map(({ note }) => note).filter(Boolean));
    await end(bad.child, 'SIGTERM');
    clearInterval(talk.flooding);
    await sleep(3_000);
    row.peak = gauge.peak;
    row.after = rssOf(server.pid);
    row.most = gauge.most - opened;
    if (!server.alive()) throw new Error(`${name}: the server ended: ${server.stderr()}`);
  } finally {
    talk.end();
    gauge.stop();
  }
  return row;
}

const mebi = (bytes) => (bytes / MEBI).toFixed(0);
const ms = (x) => x.toPrecision(2);

function print({ what, before, peak, after, calm, attack, gone, last, notes }) {
  const when = Object.entries(gone).map(([group, at]) => `${group} ${at === undefined ? 'stay' : at}`).join(', ');
  const cells = [what, mebi(before), mebi(peak), mebi(after), `${ms(calm.p50)} → ${ms(attack.p50)}`, `${ms(calm.p99)} → ${ms(attack.p99)}`, (attack.p50 / calm.p50).toFixed(1), (attack.p99 / calm.p99).toFixed(1), when || '–'];
  console.log(`| ${cells.join(' | ')} |`);
  for (const note of notes) console.log(`  <!-- ${note} -->`);
  if (last === undefined && Object.keys(gone).length > 0 && !what.startsWith('20 of') && !what.startsWith('200 ×')) console.log('  <!-- the server still has files open -->');
}

const env = { COMPAT: 'safe', CLIENT_DIR: undefined, RUST_LOG: undefined };
const dir = await mkdtemp(join(tmpdir(), 'hostile-'));
let redis;
let server;
let other;
try {
  if (store === 'redis') redis = await startRedis();
  else Object.assign(env, { STORE: 'embedded', DATA_FILE: join(dir, 'chat.db'), REDIS_ENDPOINT_URL: undefined });
  server = await startServer({ redis, env });
  if (elsewhere) other = await startServer({ redis, env: { ...env, ...(store === 'redis' ? {} : { DATA_FILE: join(dir, 'other.db') }) } });
  const person = await Person.signIn(server.base, 'somebody who talks');
  // A process that has just started is slower.
  const first = new Talk(server, person);
  await first.begin();
  await sleep(5_000);
  first.end();
  console.log(`${store}, ${cpus().length} × ${cpus()[0].model}\n`);
  console.log('| attack | MiB before | at most | after | p50, ms | p99, ms | p50 × | p99 × | gone after, s |');
  console.log('|---|--:|--:|--:|--:|--:|--:|--:|---|');
  for (const name of Object.keys(ATTACKS)) {
    if (named.length === 0 || named.includes(name)) print(await run(name, server, person, other));
  }
} finally {
  await server?.kill();
  await other?.kill();
  await redis?.stop('SIGKILL');
  await rm(dir, { recursive: true, force: true });
}
process.exit(0);
