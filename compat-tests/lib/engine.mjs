// Engine.IO by hand: HTTP long polling and WebSocket, without a client library in
// between, so that headers, held GETs, aborts and single packets are in the hands of
// the test (realtime.md §1-§5).
import http from 'node:http';
import net from 'node:net';
import WebSocket from 'ws';
import { Inbox } from './rt-inbox.mjs';

/** Divides the packets of one polling payload. */
export const RS = '\x1e';
export const PATH = '/socket.io/';
const PATIENCE = 15_000;

/**
 * One HTTP request on a connection of its own. Resolves with
 * `{ status, headers, bytes, text }`; the promise also has `abort()` and `req`.
 * `body` may be a string or a Buffer; `chunks` sends those pieces chunked instead.
 */
export function request(base, { method = 'GET', path = PATH, query, headers = {}, body, chunks, timeout = PATIENCE, agent = false } = {}) {
  const { hostname, port } = new URL(base);
  let req;
  const answer = new Promise((resolve, reject) => {
    req = http.request({
      host: hostname, port, method, agent,
      path: query === undefined ? path : `${path}?${query}`,
      headers: body === undefined ? headers : { 'content-length': Buffer.byteLength(body), ...headers },
    });
    const timer = setTimeout(() => req.destroy(new Error(`no answer within ${timeout} ms: ${method} ${query}`)), timeout);
    req.on('close', () => clearTimeout(timer));
    req.on('error', reject);
    req.on('response', (res) => {
      const parts = [];
      res.on('data', (part) => parts.push(part));
      res.on('error', reject);
      res.on('end', () => {
        const bytes = Buffer.concat(parts);
        resolve({ status: res.statusCode, headers: res.headers, bytes, text: bytes.toString() });
      });
    });
    if (chunks === undefined) return req.end(body);
    for (const chunk of chunks) req.write(chunk);
    req.end();
  });
  // Whoever aborts a request need not also catch what becomes of it.
  answer.catch(() => {});
  answer.req = req;
  answer.abort = () => req.destroy();
  return answer;
}

const PLUMBING = new Set(['connection', 'keep-alive', 'date', 'content-length', 'transfer-encoding']);

/** An answer as the recordings note it: no header that is left to the HTTP library. */
export function brief({ status, headers, text }) {
  const noted = Object.entries(headers).filter(([name]) => !PLUMBING.has(name));
  return { status, headers: Object.fromEntries(noted), body: text };
}

/** `{ err: 'HELD' }` if `answer` does not come within `ms`, else what came. */
export async function held(answer, ms = 400) {
  let timer;
  const patience = new Promise((resolve) => {
    timer = setTimeout(() => resolve({ err: 'HELD' }), ms);
  });
  const got = await Promise.race([answer, patience]);
  clearTimeout(timer);
  return got.err ? got : { status: got.status, body: got.text };
}

/** Writes `text` on a fresh TCP connection and gives what came back: `{ text, closed, ms }`. */
export function rawHttp(base, text, { ms = 1500, until = () => false } = {}) {
  const { hostname, port } = new URL(base);
  return new Promise((resolve) => {
    const started = Date.now();
    const socket = net.connect(port, hostname, () => socket.write(text));
    let got = '';
    const finish = (closed) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ text: got, closed, ms: Date.now() - started });
    };
    const timer = setTimeout(() => finish(false), ms);
    socket.on('data', (chunk) => {
      got += chunk.toString('latin1');
      if (until(got)) finish(false);
    });
    socket.on('end', () => finish(true));
    socket.on('close', () => finish(true));
    socket.on('error', () => finish(true));
  });
}

/** What both transports can do on top of their inbox. */
class Client extends Inbox {
  /** Joins the main namespace; resolves with its `40{…}` frame. */
  async connectNs(payload = '') {
    this.send(`40${payload}`);
    return this.next((frame) => typeof frame === 'string' && /^4[04]/.test(frame));
  }

  emit(event, ...args) {
    return this.send(`42${JSON.stringify([event, ...args])}`);
  }

  /** Waits for an event by name; resolves with its arguments. */
  async event(name, ms) {
    const frame = await this.next((f) => typeof f === 'string' && f.startsWith(`42${JSON.stringify([name]).slice(0, -1)}`), ms);
    return frame.closed === undefined ? JSON.parse(frame.slice(2)).slice(1) : frame;
  }
}

export class Polling extends Client {
  constructor(base, { cookie, headers = {} } = {}) {
    super();
    this.base = base;
    this.headers = { ...headers, ...(cookie && { cookie }) };
  }

  /** The handshake. `this.opened` keeps its answer. */
  async open(query = 'EIO=4&transport=polling') {
    this.query = query.replace(/&?sid=$/, '');
    this.opened = await request(this.base, { query, headers: this.headers });
    if (this.opened.status !== 200) return this;
    this.sid = /"sid\\?":\\?"([^"\\]+)/.exec(this.opened.text)[1];
    this.push(this.opened.text);
    return this;
  }

  request(options) {
    return request(this.base, { query: `${this.query}&sid=${this.sid}`, ...options, headers: { ...this.headers, ...options?.headers } });
  }

  get(options) {
    return this.request(options);
  }

  post(body, options) {
    return this.request({ method: 'POST', body, headers: { 'content-type': 'text/plain;charset=UTF-8' }, ...options });
  }

  /** Posts packets in the order of the calls, one POST at a time (a second one would end the session). */
  send(...packets) {
    const before = this.sending ?? Promise.resolve();
    this.sending = before.then(() => this.post(packets.join(RS)));
    this.sending.catch(() => {});
    return this.sending;
  }

  /** Polls in the background from now on, one GET after the other, into the inbox. */
  loop() {
    if (this.looping) return this;
    this.looping = this.#poll();
    return this;
  }

  async #poll() {
    while (!this.stopped) {
      this.pending = this.get({ timeout: 60_000 });
      let answer;
      try {
        answer = await this.pending;
      } catch (error) {
        this.end(error.code ?? 'aborted');
        return;
      }
      if (answer.status !== 200) {
        this.end(answer.status);
        return;
      }
      for (const packet of answer.text.split(RS)) {
        if (packet === '2' && this.answersPings) this.send('3');
        else this.push(packet);
      }
    }
  }

  /** Takes one answer's packets into the inbox, when there is no loop. */
  async take() {
    const answer = await this.get();
    if (answer.status === 200) for (const packet of answer.text.split(RS)) this.push(packet);
    return answer;
  }

  /** Ends the loop as soon as its present GET is answered. */
  pause() {
    this.stopped = true;
  }

  /** Is the session still known? A pong nobody asked for is harmless (§5). */
  async alive() {
    return (await this.post('3')).status === 200;
  }

  async close() {
    this.stopped = true;
    this.pending?.abort();
    if (this.sid) await this.post('1').catch(() => {});
  }
}

export class Ws extends Client {
  /** Opens; resolves once it is open or refused. `refused` has the HTTP answer then. */
  static async open(base, { cookie, headers = {}, query = 'EIO=4&transport=websocket', path = PATH, sid, deflate = false, protocols = [], origin } = {}) {
    const ws = new Ws();
    const full = sid === undefined ? query : `${query}&sid=${sid}`;
    ws.socket = new WebSocket(`${base.replace('http', 'ws')}${path}${full && `?${full}`}`, protocols, {
      headers: { ...headers, ...(cookie && { cookie }) }, perMessageDeflate: deflate, origin,
    });
    ws.state = 'connecting';
    ws.socket.on('message', (data, isBinary) => ws.#received(isBinary ? { bin: data.toString('hex') } : data.toString()));
    ws.socket.on('error', () => {});
    ws.socket.on('close', (code) => {
      ws.state = 'closed';
      ws.end(code);
    });
    ws.socket.on('upgrade', (response) => (ws.response = response));
    await new Promise((resolve) => {
      ws.socket.on('open', () => {
        ws.state = 'open';
        resolve();
      });
      ws.socket.on('close', resolve);
      ws.socket.on('unexpected-response', (_req, res) => {
        let text = '';
        res.on('data', (part) => (text += part));
        res.on('end', () => {
          ws.state = 'refused';
          ws.refused = { status: res.statusCode, headers: res.headers, text };
          resolve();
        });
      });
    });
    return ws;
  }

  /** The 101 answer, or how the upgrade was refused, as the recordings note it. */
  get res() {
    return this.refused ? brief(this.refused) : { ok: true };
  }

  #received(frame) {
    if (frame === '2' && this.answersPings) this.send('3');
    else this.push(frame);
  }

  send(...packets) {
    for (const packet of packets) this.socket.send(packet);
  }

  /** Stops and goes on reading the TCP stream: a client whose receive buffer fills up. */
  pause() {
    this.paused = true;
    this.socket.pause();
  }

  resume() {
    this.paused = false;
    this.socket.resume();
  }

  /** Ends with a close frame and waits for the answer. */
  async close(code = 1000) {
    if (this.paused) this.socket.terminate();
    if (this.paused || this.state !== 'open') return;
    this.socket.close(code);
    await this.closing(5000).catch(() => this.socket.terminate());
  }

  /** Drops the TCP connection with a reset. */
  reset() {
    this.socket._socket.resetAndDestroy();
  }
}
