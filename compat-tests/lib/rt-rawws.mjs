// A WebSocket on a bare TCP socket, for what a library will not do: unmasked frames,
// bad UTF-8, fragments, a client that stops reading for good.
import { randomBytes } from 'node:crypto';
import net from 'node:net';
import { PATH } from './engine.mjs';
import { Inbox } from './rt-inbox.mjs';

export const TEXT = 1;
export const BINARY = 2;
export const CONTINUATION = 0;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

/** The lines of an upgrade request; `set` replaces or (undefined) removes header lines. */
export function upgradeRequest({ method = 'GET', target = `${PATH}?EIO=4&transport=websocket`, set = {} } = {}) {
  const headers = {
    Host: 'localhost', Upgrade: 'websocket', Connection: 'Upgrade',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'), 'Sec-WebSocket-Version': '13', ...set,
  };
  const lines = Object.entries(headers).filter(([, value]) => value !== undefined);
  return `${method} ${target} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}

export class RawWs extends Inbox {
  /** Opens a connection and waits for the end of the answer's head, kept in `head`. */
  static async open(base, { cookie, target } = {}) {
    const { hostname, port } = new URL(base);
    const raw = new RawWs();
    raw.socket = net.connect({ port, host: hostname, noDelay: true });
    raw.bytes = Buffer.alloc(0);
    raw.socket.on('error', () => {});
    raw.socket.on('close', () => raw.end(raw.code ?? 'tcp'));
    await new Promise((resolve, reject) => {
      raw.socket.once('error', reject);
      raw.socket.once('connect', () => raw.socket.write(upgradeRequest({ target, set: cookie ? { Cookie: cookie } : {} })));
      raw.socket.on('data', (chunk) => {
        raw.bytes = Buffer.concat([raw.bytes, chunk]);
        if (raw.head === undefined) {
          const end = raw.bytes.indexOf('\r\n\r\n');
          if (end < 0) return;
          raw.head = raw.bytes.subarray(0, end).toString('latin1');
          raw.bytes = raw.bytes.subarray(end + 4);
          resolve();
        }
        raw.#parse();
      });
      raw.socket.once('close', resolve);
    });
    return raw;
  }

  #parse() {
    for (;;) {
      const { bytes } = this;
      if (bytes.length < 2) return;
      let size = bytes[1] & 0x7f;
      let start = 2;
      if (size === 126) {
        if (bytes.length < 4) return;
        size = bytes.readUInt16BE(2);
        start = 4;
      } else if (size === 127) {
        if (bytes.length < 10) return;
        size = Number(bytes.readBigUInt64BE(2));
        start = 10;
      }
      if (bytes.length < start + size) return;
      const payload = bytes.subarray(start, start + size);
      this.bytes = bytes.subarray(start + size);
      this.#frame(bytes[0] & 0x0f, payload);
    }
  }

  #frame(opcode, payload) {
    if (opcode === CLOSE) {
      this.code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
      this.push({ close: this.code });
      // The server may wait for our half of the closing handshake.
      this.frame(payload, { opcode: CLOSE });
    } else if (opcode === PONG) this.push({ pong: payload.toString() });
    else if (opcode === TEXT) this.push(payload.toString());
    else this.push({ bin: payload.toString('hex') });
  }

  /** Writes one frame. Client frames are masked unless `masked` is false. */
  frame(payload, { opcode = TEXT, fin = true, masked = true } = {}) {
    const body = Buffer.from(payload);
    const head = [(fin ? 0x80 : 0) | opcode];
    const flag = masked ? 0x80 : 0;
    if (body.length < 126) head.push(flag | body.length);
    else if (body.length < 65_536) head.push(flag | 126, body.length >> 8, body.length & 0xff);
    else {
      const size = Buffer.alloc(8);
      size.writeBigUInt64BE(BigInt(body.length));
      head.push(flag | 127, ...size);
    }
    const key = masked ? randomBytes(4) : Buffer.alloc(0);
    if (masked) for (let i = 0; i < body.length; i += 1) body[i] ^= key[i & 3];
    this.socket.write(Buffer.concat([Buffer.from(head), key, body]));
  }

  send(packet) {
    this.frame(packet);
  }

  /** Reads nothing any more; the kernel's buffers fill up and the server's writes get stuck. */
  pause() {
    this.socket.pause();
  }

  resume() {
    this.socket.resume();
  }

  close() {
    this.socket.destroy();
  }
}
