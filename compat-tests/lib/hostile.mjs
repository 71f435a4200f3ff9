// Clients that mean harm, and how a server takes them: for cases/safe/hostile.test.mjs, and at full size
// for chaos/hostile/.
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import net from 'node:net';
import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib';
import { PATH, RS } from './engine.mjs';
import { upgradeRequest } from './rt-rawws.mjs';

export const MEBI = 1 << 20;
/** Memory of a process, in bytes. */
export const rssOf = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))[1]) * 1024;
/** How many files and sockets a process has open. */
export const openOf = (pid) => readdirSync(`/proc/${pid}/fd`).length;
/** How many of these connections the server at this port still holds: a process owns its end of them. */
export function heldOf(port, connections) {
  const ours = new Set(connections.map(({ socket }) => socket.localPort));
  const hex = (address) => parseInt(address.slice(address.indexOf(':') + 1), 16);
  return ['/proc/net/tcp', '/proc/net/tcp6'].filter(existsSync)
    .flatMap((table) => readFileSync(table, 'latin1').trim().split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, remote, , , , , , , inode]) => hex(local) === port && ours.has(hex(remote)) && inode !== '0').length;
}

/** A text frame of a client, or only its first `sent` bytes of payload. */
export function frame(text, { opcode = 1, announced = Buffer.byteLength(text), fin = true, masked = true } = {}) {
  const body = Buffer.from(text);
  const head = Buffer.alloc(14);
  head[0] = (fin ? 0x80 : 0) | opcode;
  let at = 2;
  if (announced < 126) head[1] = announced;
  else if (announced < 65_536) {
    head[1] = 126;
    at += head.writeUInt16BE(announced, 2) - 2;
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(announced), 2);
    at = 10;
  }
  if (!masked) return Buffer.concat([head.subarray(0, at), body]);
  head[1] |= 0x80;
  // A mask of zeros leaves the payload as it is.
  return Buffer.concat([head.subarray(0, at + 4), body]);
}

export const PONG = frame('3');
export const CONNECT = frame('40');

/** A TCP connection that notes when it ends: `closed` are milliseconds after it opened, else undefined. */
export function connection(port, { first, onOpen, localAddress } = {}) {
  const socket = net.connect({ port, host: '127.0.0.1', localAddress, noDelay: true });
  const one = { socket, received: 0, head: '', closed: undefined, opened: undefined };
  one.ready = new Promise((resolve) => {
    const end = () => {
      one.closed ??= Date.now() - (one.opened ?? Date.now());
      resolve();
    };
    socket.on('error', end).on('end', end).on('close', end);
    socket.on('connect', () => {
      one.opened = Date.now();
      if (first) socket.write(first);
      if (!onOpen) resolve();
    });
    socket.on('data', (data) => {
      one.received += data.length;
      if (one.head.length < 4096) one.head += data.toString('latin1');
      if (onOpen && !one.told && one.head.includes('\r\n\r\n')) {
        one.told = true;
        onOpen(one);
        resolve();
      }
    });
  });
  return one;
}

/** A WebSocket that has shaken hands, and joins the chat if it has a cookie. */
export function webSocket(port, { cookie, join = true, localAddress, then = () => {} } = {}) {
  const first = upgradeRequest({ set: cookie ? { Cookie: cookie } : {} });
  const onOpen = (one) => {
    if (join) one.socket.write(CONNECT);
    then(one);
  };
  return connection(port, { first, onOpen, localAddress });
}

const post = (path, headers, body = '') => Buffer.concat([
  Buffer.from(`POST ${path} HTTP/1.1\r\nHost: x\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`), Buffer.from(body),
]);
const json = (body, more = {}) => post('/login', { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body), ...more }, body);

/** A message of this many zeros; compressed it is a thousandth of that. */
const zeros = (bytes) => Buffer.alloc(bytes, ' ');
/** `[what, request]`: compressed bodies of `bytes` of white space. */
export function bombs(bytes, sid) {
  const all = [];
  for (const [coding, pack] of [
    ['gzip', (data) => gzipSync(data, { level: 9 })],
    ['deflate', (data) => deflateSync(data, { level: 9 })],
    ['br', (data) => brotliCompressSync(data, { params: { [constants.BROTLI_PARAM_QUALITY]: 3 } })],
  ]) {
    const body = pack(zeros(bytes));
    all.push([`${coding}: ${body.length} bytes for ${bytes}`, json(body, { 'Content-Encoding': coding, 'Content-Length': body.length })]);
    if (sid) all.push([`${coding} by polling`, post(`${PATH}?EIO=4&transport=polling&sid=${sid}`, { 'Content-Encoding': coding, 'Content-Length': body.length }, body)]);
  }
  return all;
}

const deep = (n) => `${'['.repeat(n)}${']'.repeat(n)}`;

/** `[what, request, statuses]`: malformed or oversized HTTP. No status: the connection is closed without an answer. */
export const badRequests = () => [
  ['100,000 header lines', `GET /me HTTP/1.1\r\nHost: x\r\n${'a: b\r\n'.repeat(100_000)}\r\n`, [400, 431]],
  ['a cookie of 64 KiB', `GET /me HTTP/1.1\r\nHost: x\r\nCookie: connect.sid=${'x'.repeat(65_536)}\r\n\r\n`, [400, 431]],
  ['a URL of 1 MB', `GET /${'x'.repeat(1_000_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, [400, 414, 431]],
  ['a header without an end', `GET /me HTTP/1.1\r\nX: ${'x'.repeat(1_000_000)}`, [400, 431]],
  ['a body over the limit', json(`{"x":"${'x'.repeat(200_000)}"}`), [413]],
  ['a length of 2^40', post('/login', { 'Content-Type': 'application/json', 'Content-Length': 2 ** 40 }, zeros(17 * MEBI + 200_000)), [413]],
  ['two lengths', post('/login', { 'Content-Length': '1\r\nContent-Length: 2' }, 'xx'), [400]],
  ['a length that is no number', post('/login', { 'Content-Length': '-1' }, 'xx'), [400]],
  ['a chunk of 2^64', post('/login', { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' }, 'fffffffffffffffff\r\nx'), [400]],
  ['JSON nested 50,000 deep', json(deep(50_000)), [400]],
  ['JSON that is no UTF-8', post('/login', { 'Content-Type': 'application/json', 'Content-Length': 4 }, Buffer.from([0x7b, 0xff, 0xfe, 0x7d])), [400]],
  ['bytes at random', randomBytes(4096), [400]],
];

/** `[what, bytes]` on a WebSocket that has joined: the server closes it. */
export const badFrames = () => [
  ['a frame of 2^40', frame('x', { announced: 2 ** 40 })],
  ['a frame of 2^63', Buffer.from([0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])],
  ['a frame over the limit', frame('4'.padEnd(1_000_001, 'x'))],
  ['fragments over the limit', Buffer.concat([frame('4'.padEnd(600_000, 'x'), { fin: false }), frame('x'.repeat(600_000), { opcode: 0 })])],
  ['no mask', frame('3', { masked: false })],
  ['reserved bits', Buffer.from([0xf1, 0x80, 0, 0, 0, 0])],
  ['a ping of 126 bytes', frame('x'.repeat(126), { opcode: 9 })],
  ['text that is no UTF-8', frame(Buffer.from([0x34, 0xff, 0xfe]))],
  ['JSON nested 400,000 deep', frame(`42["message",${deep(400_000)}`)],
  ['300,000 values', frame(`42["message"${',[]'.repeat(300_000)}]`)],
  ['a million attachments', Buffer.concat([frame('451000000-["message",{"_placeholder":true,"num":0}]'), ...Array(100_000).fill(frame('', { opcode: 2 }))])],
  ['an attachment that belongs to nothing', frame('x', { opcode: 2 })],
];

/** `[what, body]` of polling POSTs: the session ends. */
export const badPayloads = () => [
  ['separators alone', RS.repeat(900_000)],
  ['no packets', 'x'.repeat(900_000)],
  ['over the limit', '3'.repeat(1_000_001)],
  ['no UTF-8', Buffer.from([0xff, 0xfe, 0xfd])],
];

/** Sends `bytes` on a connection of its own and gives `{ status, closed }` of what came of it. */
export async function provoke(port, bytes, patience = 20_000) {
  const one = connection(port, { first: bytes });
  const until = Date.now() + patience;
  while (one.closed === undefined && !one.head.includes('\r\n\r\n') && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 10));
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(one.head)?.[1]) || undefined;
  const closed = one.closed !== undefined;
  one.socket.destroy();
  return { status, closed };
}
