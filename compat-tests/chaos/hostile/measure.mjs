// `make hostile`: what slow and hostile clients cost the server and everybody else (docs/OPERATIONS.md).
//
//   node chaos/hostile/measure.mjs [--store=redis|embedded] [--elsewhere] [--rounds=3] [name …]
//
// The server has its default settings. While 50 readers hold a conversation at 100 messages a second, each attack comes
// from a process of its own (attack.mjs) and another address. Printed are the conversation's latency before and during the
// attack, the server's memory, and the seconds until nothing of the attackers is left on the server; of several rounds the
// median, and the smallest memory before and the largest during them.
//
// Who attacks for real has a machine of his own. Here he would take the processors from the server and from those who
// measure, so he runs at the lowest priority. What he still costs them, --elsewhere shows: the same attacks, but on another
// server of the machine.
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
const PER_SECOND = 100;
const CALM = 8_000;
const words = process.argv.slice(2);
const store = words.find((word) => word.startsWith('--store='))?.slice(8) ?? 'redis';
const rounds = Number(words.find((word) => word.startsWith('--rounds='))?.slice(9) ?? 1);
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

  /** What was measured since the last time: `{ p50, p99, worst }`. */
  take() {
    const times = this.times.splice(0).sort((a, b) => a - b);
    return { p50: quantile(times, 0.5), p99: quantile(times, 0.99), worst: times.at(-1) ?? NaN };
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
  // Of `unread` most are good readers, who keep up only if they get their share of a processor.
  const priority = name === 'unread' ? 0 : 19;
  const command = ['-n', String(priority), process.execPath, file, name, String(server.port), person.cookie];
  const child = adopt(spawn('nice', command, { stdio: ['pipe', 'pipe', 'inherit'] }));
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
  unread: '20 of 500 stop reading, 300 messages per second',
  slow: '1,700 connections that are never done',
  halves: '400 of 900 kB, never done',
  abandoned: '10,000 abandoned polling sessions',
  malformed: 'oversized and malformed',
  bombs: 'compressed bombs, 100 MiB and 1 GiB',
  attachments: '250 binary events: attachments that never come, or are named again and again',
  polls: '100 polling answers not read',
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
    // So that there are long messages to be sent, and to be asked for.
    if (['unread', 'polls', 'answers'].includes(name)) talk.flood(200);
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
    } else if (['polls', 'answers'].includes(name)) {
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
      row.last = (await goneTo(gauge, opened, start, 20_000)) ?? null;
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
const median = (values) => quantile([...values].sort((a, b) => a - b), 0.5);

function print(rows) {
  const [{ what }] = rows;
  const middle = (pick) => median(rows.map(pick));
  const groups = [...new Set(rows.flatMap(({ gone }) => Object.keys(gone)))];
  const when = groups.map((group) => {
    const stay = rows.map(({ gone }) => gone[group]).filter((at) => !Number.isFinite(at));
    return `${group} ${stay.length === 0 ? middle(({ gone }) => gone[group]) : (stay[0] ?? 'stay')}`;
  });
  const cells = [what, mebi(Math.min(...rows.map(({ before }) => before))), mebi(Math.max(...rows.map(({ peak }) => peak))), mebi(middle(({ after }) => after))];
  for (const q of ['p50', 'p99', 'worst']) cells.push(`${ms(middle(({ calm }) => calm[q]))} → ${ms(middle(({ attack }) => attack[q]))}`);
  for (const q of ['p50', 'p99', 'worst']) cells.push(middle(({ calm, attack }) => attack[q] / calm[q]).toFixed(1));
  console.log(`| ${[...cells, when.join(', ') || '–'].join(' | ')} |`);
  for (const note of new Set(rows.flatMap(({ notes }) => notes))) console.log(`  <!-- ${note} -->`);
  if (rows.some(({ last, gone }) => last === null && Object.keys(gone).length > 0)) console.log('  <!-- the server still has files open -->');
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
  console.log('| attack | MiB before | at most | after | p50, ms | p99, ms | worst, ms | p50 × | p99 × | worst × | gone after, s |');
  console.log('|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|');
  for (const name of Object.keys(ATTACKS).filter((known) => named.length === 0 || named.includes(known))) {
    const rows = [];
    for (let round = 0; round < rounds; round += 1) rows.push(await run(name, server, person, other));
    print(rows);
  }
} finally {
  await server?.kill();
  await other?.kill();
  await redis?.stop('SIGKILL');
  await rm(dir, { recursive: true, force: true });
}
process.exit(0);
