// The attackers of measure.mjs, in a process of their own: `node attack.mjs <name> <port> <cookie>`. Says each second how
// many connections of each group are still open.
import http from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { PATH } from '../../lib/engine.mjs';
import { MEBI, PONG, badFrames, badPayloads, badRequests, bombs, connection, frame, provoke, webSocket } from '../../lib/hostile.mjs';

const [name, portText, cookie] = process.argv.slice(2);
const port = Number(portText);
/** Whoever attacks comes from elsewhere than those who chat. */
const localAddress = '127.0.0.2';
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const orders = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const order = async () => (await orders.next()).value;
const times = (n, make) => Array.from({ length: n }, (_, i) => make(i));

/** Says how many of each group are open, until none is or the time is up. */
async function watch(groups, { every = () => {}, seconds = 100 } = {}) {
  const start = Date.now();
  const gone = {};
  for (;;) {
    const open = {};
    for (const [group, all] of Object.entries(groups)) {
      open[group] = all.filter((one) => one.closed === undefined).length;
      if (open[group] === 0) gone[group] ??= Math.round((Date.now() - start) / 100) / 10;
    }
    if (Object.values(open).every((n) => n === 0) || Date.now() - start > seconds * 1000) return { open, gone };
    every((Date.now() - start) / 1000);
    await sleep(200);
  }
}

const drip = (groups) => {
  let last = 0;
  return (seconds) => {
    if (Math.floor(seconds) === last) return;
    last = Math.floor(seconds);
    for (const [group, all] of Object.entries(groups)) {
      for (const one of all) if (one.closed === undefined && one.opened !== undefined) one.socket.write(group === 'never join' ? PONG : 'x');
    }
  };
};

function ask(path, options = {}) {
  return new Promise((resolve, reject) => {
    const req = http.request({ port, host: '127.0.0.1', path, localAddress, agent: false, ...options }, (res) => {
      let text = '';
      res.on('data', (part) => (text += part)).on('end', () => resolve({ status: res.statusCode, text }));
    });
    req.on('error', reject).end(options.body);
  });
}

/** `count` polling sessions that nobody polls, with these headers. */
async function abandoned(count, from = localAddress, headers = {}) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 40 });
  const sids = [];
  let refused = 0;
  await Promise.all(times(40, async () => {
    while (sids.length + refused < count) {
      const { status, text } = await ask(`${PATH}?EIO=4&transport=polling`, { agent, localAddress: from, headers });
      if (status === 200) sids.push(/"sid":"([^"]+)/.exec(text)[1]);
      else refused += 1;
    }
  }));
  agent.destroy();
  return { sids, refused };
}

const attacks = {
  /** 500 in the general room; of these, 20 stop reading when told to. */
  async unread() {
    const all = times(480, () => webSocket(port, { cookie }));
    const stoppers = times(20, () => webSocket(port, { cookie }));
    await Promise.all([...all, ...stoppers].map(({ ready }) => ready));
    // What has come is read twenty times a second, so that the measuring machine keeps up.
    const reading = setInterval(() => {
      for (const { socket } of all) {
        socket.resume();
        setImmediate(() => socket.pause());
      }
    }, 50);
    const pongs = setInterval(() => [...all, ...stoppers.slice(10)].forEach(({ socket }) => socket.write(PONG)), 10_000);
    say({ ready: true });
    await order();
    // Ten fall silent too; ten go on with the heartbeat.
    stoppers.forEach(({ socket }) => socket.pause());
    await order();
    clearInterval(reading);
    clearInterval(pongs);
  },

  /** Heads, bodies, handshakes and frames that never come to their end. */
  async slow() {
    const post = (path, length) => `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n{`;
    const { sids } = await abandoned(250);
    const start = (first) => connection(port, { first, localAddress });
    const half = (bytes, more = {}) => webSocket(port, { localAddress, join: false, then: ({ socket }) => socket.write(bytes), ...more });
    const dripping = {
      'heads': times(500, () => start('GET /me HTTP/1.1\r\nX: ')),
      'bodies of POST /login': times(250, () => start(post('/login', 50_000))),
      'bodies of polling POSTs': sids.map((sid) => start(post(`${PATH}?EIO=4&transport=polling&sid=${sid}`, 50_000))),
      'WebSocket handshakes': times(200, () => start(`GET ${PATH}?EIO=4&transport=websocket HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX: `)),
      'half frames': times(200, () => half(frame('42', { announced: 100_000 }))),
      'never join': times(50, () => webSocket(port, { localAddress, join: false })),
    };
    const silent = { 'silent WebSockets': times(50, () => webSocket(port, { localAddress, join: false })), 'connections without a word': times(200, () => start('')) };
    return watch({ ...dripping, ...silent }, { every: drip(dripping) });
  },

  /** 400 that send nine tenths of the largest message or body. */
  async halves() {
    const { sids } = await abandoned(200);
    const much = 'x'.repeat(900_000);
    const groups = {
      'large half messages': times(200, () => webSocket(port, { localAddress, then: ({ socket }) => socket.write(frame(much, { announced: 1_000_000 })) })),
      'large half POSTs': sids.map((sid) => connection(port, { localAddress, first: `POST ${PATH}?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n${much}` })),
    };
    return watch(groups);
  },

  /** 200 of nearly the largest size, whose attachments never come; and 50 that name a large attachment again and again. */
  async attachments() {
    const event = (count, parts) => `45${count}-["message",${parts}]`;
    const large = event(9, `"${'x'.repeat(900_000)}"`);
    const again = event(1, `[${Array(3_000).fill('{"_placeholder":true,"num":0}')}]`);
    // What comes before it is joined has no effect.
    const joined = (...frames) => webSocket(port, { cookie, localAddress, then: ({ socket }) => setTimeout(() => frames.forEach((bytes) => socket.write(bytes)), 1_000) });
    return watch({
      'attachments that never come': times(200, () => joined(frame(large))),
      'attachments named 3,000 times': times(50, () => joined(frame(again), frame(Buffer.alloc(500_000), { opcode: 2 }))),
    });
  },

  /** 100 polling sessions for which much has been waiting: they ask for it, half of them as JSONP, and read nothing. */
  async polls() {
    const headers = { cookie };
    const { sids } = await abandoned(100, localAddress, headers);
    const path = (sid) => `${PATH}?EIO=4&transport=polling&sid=${sid}`;
    await Promise.all(sids.map((sid) => ask(path(sid), { method: 'POST', body: '40', headers })));
    say({ ready: true });
    await order();
    const all = sids.map((sid, i) => connection(port, { first: `GET ${path(sid)}${i % 2 ? '&j=0' : ''} HTTP/1.1\r\nHost: x\r\nCookie: ${cookie}\r\n\r\n`, localAddress }));
    await Promise.all(all.map(({ ready }) => ready));
    all.forEach(({ socket }) => socket.pause());
    say({ asked: true });
    await order();
  },

  /** Ask for the whole history, again and again, and read nothing. */
  async answers() {
    const request = `GET /room/0/messages?offset=0&size=1000 HTTP/1.1\r\nHost: x\r\nCookie: ${cookie}\r\n\r\n`.repeat(20);
    const all = times(200, () => connection(port, { first: request, localAddress }));
    await Promise.all(all.map(({ ready }) => ready));
    all.forEach(({ socket }) => socket.pause());
    say({ asked: true });
    // Only the server can tell when it has let go of them.
    await order();
  },

  async abandoned() {
    const start = Date.now();
    const { sids, refused } = await abandoned(10_000);
    say({ note: `${sids.length} sessions in ${((Date.now() - start) / 1000).toFixed(1)} s, ${refused} refused` });
    // A GET for another transport tells whether the session is there without a sign of life.
    const known = async (sid) => (await ask(`${PATH}?EIO=4&transport=websocket&sid=${sid}`)).text.includes('"code":3');
    const some = times(20, (i) => sids[Math.floor((i * (sids.length - 1)) / 19)]);
    for (let i = 0; i < 500 && some.length > 0; i += 1) {
      for (const sid of [...some]) if (!(await known(sid))) some.splice(some.indexOf(sid), 1);
      await sleep(200);
    }
    return { open: { 'abandoned polling sessions': some.length }, gone: { 'abandoned polling sessions': Math.round((Date.now() - start) / 100) / 10 } };
  },

  /** A burst of up to 25 MB each second, whether the one before is done or not. */
  async malformed() {
    const wrong = [];
    let count = 0;
    // Made before it begins, so that what the attack costs the machine is mostly sending it.
    const bad = { requests: badRequests(), frames: badFrames(), payloads: badPayloads() };
    const request = async ([what, bytes, statuses]) => {
      const { status, closed } = await provoke(port, bytes);
      if (!(statuses.includes(status) || (status === undefined && closed))) wrong.push(`${what}: ${status}`);
    };
    const badFrame = async ([what, bytes]) => {
      const one = webSocket(port, { localAddress, then: ({ socket }) => socket.write(bytes) });
      for (let i = 0; i < 1000 && one.closed === undefined; i += 1) await sleep(10);
      if (one.closed === undefined) wrong.push(what);
      one.socket.destroy();
    };
    const payload = async ([what, body]) => {
      // Not from where a million attachments came, which may open no more sockets for a while.
      const { sids: [sid] } = await abandoned(1, '127.0.0.3');
      if (!sid) return wrong.push('no session');
      const path = `${PATH}?EIO=4&transport=polling&sid=${sid}`;
      await ask(path, { method: 'POST', body, headers: { 'content-length': Buffer.byteLength(body) } }).catch(() => {});
      if ((await ask(path)).status !== 400) wrong.push(`a payload of ${what}`);
    };
    say({ ready: true });
    await order();
    const bursts = [];
    for (let round = 0; round < 10; round += 1) {
      const all = [...bad.requests.map(request), ...bad.frames.map(badFrame), ...bad.payloads.map(payload)];
      count += all.length;
      bursts.push(...all);
      await sleep(1000);
    }
    await Promise.all(bursts);
    say({ note: `${count} malformed requests, frames and payloads; ${wrong.length === 0 ? 'each refused' : [...new Set(wrong)].join('; ')}` });
    return { open: {}, gone: {} };
  },

  /** 30 bodies each second, whether those before are answered or not. */
  async bombs() {
    const small = bombs(100 * MEBI);
    const large = bombs(1024 * MEBI);
    say({ ready: true });
    await order();
    const seen = new Map();
    const note = (what, { status, closed }) => {
      const key = `${what}: ${status ?? (closed ? 'closed' : 'nothing')}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);
    };
    const told = [];
    for (let round = 0; round < 10; round += 1) {
      told.push(...[...small, ...large].flatMap(([what, bytes]) => times(5, async () => note(what, await provoke(port, bytes)))));
      const { sids } = await abandoned(2, '127.0.0.3');
      const polling = [...bombs(MEBI, sids[0]).slice(0, 2), ...bombs(MEBI, sids[1]).slice(2, 4)].filter(([what]) => what.endsWith('polling'));
      for (const [what, bytes] of polling) note(what, await provoke(port, bytes));
      await sleep(1000);
    }
    await Promise.all(told);
    say({ note: [...seen].map(([what, n]) => `${n} × ${what}`).sort().join('; ') });
    return { open: {}, gone: {} };
  },
};

if (!['unread', 'polls', 'malformed', 'bombs'].includes(name)) {
  say({ ready: true });
  await order();
}
const result = await attacks[name]();
if (result) say({ result });
process.exit(0);
