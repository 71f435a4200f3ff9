// HTTP over a bare socket: what is written is what the case says, and what comes back is
// kept as it came (header spelling, order, repetition), with the time of each byte.
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { targetHost } from './target.mjs';

// Generous: the cases bound the time, they do not measure it.
const DEFAULT_TIMEOUT = 10_000;

/**
 * One request on a connection of its own, which must be closed by the server after the
 * answer, without a byte too many.
 *
 * `headers`: pairs or an object. `body`: text or Buffer; its length is added unless the
 * headers say how it is framed. `cookie`: a whole Cookie header.
 */
export async function send(server, { method = 'GET', path = '/', headers = [], cookie, body, version = '1.1', timeout = DEFAULT_TIMEOUT } = {}) {
  const connection = await Connection.open(server.port);
  try {
    const all = [...pairs(headers)];
    if (cookie !== undefined) all.push(['Cookie', cookie]);
    connection.write(requestText({ method, path, headers: [...all, ['Connection', 'close']], body, version }));
    const response = await connection.response({ method, timeout });
    const surplus = await connection.untilClosed(timeout);
    if (surplus.length > 0) throw new Error(`${surplus.length} bytes after the end of the answer to ${method} ${path}`);
    return response;
  } finally {
    connection.destroy();
  }
}

/** The bytes of a request, Host and (with a body) Content-Length included unless given. */
export function requestText({ method = 'GET', path = '/', headers = [], body, version = '1.1' }) {
  const all = [...pairs(headers)];
  const has = (name) => all.some(([key]) => key.toLowerCase() === name);
  const bytes = body === undefined ? Buffer.alloc(0) : Buffer.from(body);
  if (!has('host')) all.unshift(['Host', 'localhost']);
  if (body !== undefined && !has('content-length') && !has('transfer-encoding')) {
    all.push(['Content-Length', String(bytes.length)]);
  }
  const head = [`${method} ${path} HTTP/${version}`, ...all.map(([key, value]) => `${key}: ${value}`), '', ''];
  return Buffer.concat([Buffer.from(head.join('\r\n')), bytes]);
}

const pairs = (headers) => (Array.isArray(headers) ? headers : Object.entries(headers));

export class Connection {
  #socket;
  #received = Buffer.alloc(0);
  #ended = false;
  #error;
  #wake = () => {};

  static async open(port) {
    const socket = connect(port, targetHost);
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new Connection(socket);
  }

  constructor(socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    const wake = () => this.#wake();
    socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      wake();
    });
    socket.on('error', (error) => {
      this.#error = error;
      this.#ended = true;
      wake();
    });
    socket.on('end', () => {
      this.#ended = true;
      wake();
    });
  }

  write(data) {
    this.#socket.write(data);
  }

  /** The next answer. `method` is that of its request (an answer to HEAD has no body). */
  async response({ method = 'GET', timeout = DEFAULT_TIMEOUT } = {}) {
    const deadline = Date.now() + timeout;
    const interim = [];
    for (;;) {
      const parsed = parse(this.#received, method, this.#ended);
      if (parsed) {
        this.#received = this.#received.subarray(parsed.length);
        if (parsed.response.status >= 200 || parsed.response.status === 101) {
          return Object.assign(parsed.response, { interim });
        }
        interim.push(parsed.response.status);
        continue;
      }
      const got = JSON.stringify(this.#received.toString('latin1').slice(0, 300));
      if (this.#ended) throw new Error(`the connection was closed (${this.#error?.message ?? 'end'}) after ${got}`);
      await this.#more(deadline, `no complete answer within ${timeout} ms; so far: ${got}`);
    }
  }

  /** What has come and was not yet taken. */
  get pending() {
    return this.#received;
  }

  /** Waits until `count` bytes have come, whole answer or not. */
  async atLeast(count, timeout = DEFAULT_TIMEOUT) {
    const deadline = Date.now() + timeout;
    while (this.#received.length < count) {
      if (this.#ended) throw new Error('the connection was closed');
      await this.#more(deadline, `fewer than ${count} bytes within ${timeout} ms`);
    }
    return this.#received;
  }

  /** Waits for the other side to close; returns what came and was not taken. */
  async untilClosed(timeout = DEFAULT_TIMEOUT) {
    const deadline = Date.now() + timeout;
    while (!this.#ended) await this.#more(deadline, `the connection was not closed within ${timeout} ms`);
    return this.#received;
  }

  destroy() {
    this.#socket.destroy();
  }

  #more(deadline, complaint) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(complaint)), Math.max(0, deadline - Date.now()));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function parse(bytes, method, ended) {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return null;
  const [statusLine, ...lines] = bytes.subarray(0, headEnd).toString('latin1').split('\r\n');
  const [, version, status, reason] = /^HTTP\/(\d\.\d) (\d{3}) ?(.*)$/.exec(statusLine) ?? [];
  if (!version) throw new Error(`not a status line: ${JSON.stringify(statusLine)}`);
  const headers = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
  const response = new Response(version, Number(status), reason, headers);

  const start = headEnd + 4;
  if (method === 'HEAD' || response.status < 200 || response.status === 204 || response.status === 304) {
    return { response, length: start };
  }
  const framing = response.get('transfer-encoding');
  if (framing !== undefined) throw new Error(`unexpected Transfer-Encoding: ${framing}`);
  const declared = response.get('content-length');
  if (declared === undefined && !ended) return null;
  const end = declared === undefined ? bytes.length : start + Number(declared);
  if (bytes.length < end) return null;
  response.body = Buffer.from(bytes.subarray(start, end));
  return { response, length: end };
}

class Response {
  body = Buffer.alloc(0);
  doneAt = Date.now();

  constructor(version, status, reason, headers) {
    Object.assign(this, { version, status, reason, headers });
  }

  get(name) {
    return this.getAll(name)[0];
  }

  getAll(name) {
    return this.headers.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
  }

  get text() {
    return this.body.toString('utf8');
  }

  get json() {
    return JSON.parse(this.text);
  }
}

/** The ETag of a computed body: http-and-redis.md §1. */
export function etagOf(body) {
  const bytes = Buffer.from(body);
  const digest = createHash('sha1').update(bytes).digest('base64').slice(0, 27);
  return `W/"${bytes.length.toString(16)}-${digest}"`;
}
