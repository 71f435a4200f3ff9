// What the original's libraries make of the inputs on standard input: a line each, a letter for the
// question and the input in hexadecimal. One line of hexadecimal text answers each; `!` is an exception.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import querystring from 'node:querystring';

const require = createRequire(new URL('../../compat-tests/node-peer/server.mjs', import.meta.url));
const qs = require('qs');
const cookie = require('cookie');
const signature = require('cookie-signature');
const { Decoder } = require('socket.io-parser');

const utf8 = (bytes) => bytes.toString();
const latin1 = (bytes) => bytes.toString('latin1');

/** As express-session's getcookie. */
function sid(header) {
  const raw = cookie.parse(header)['connect.sid'];
  return (raw?.startsWith('s:') && signature.unsign(raw.slice(2), 'keyboard cat')) || '';
}

function parameter(query, name) {
  const value = qs.parse(query, { allowPrototypes: true })[name];
  if (value === undefined) return 'none';
  if (typeof value === 'string') return JSON.stringify(value);
  if (!Array.isArray(value)) return 'object';
  return `[${value.map((item) => (typeof item === 'string' ? JSON.stringify(item) : 'nested'))}]`;
}

function number(query, name) {
  try {
    return String(+qs.parse(query, { allowPrototypes: true })[name]);
  } catch {
    return 'NaN'; // an object that has a text for its toString
  }
}

function packet(text) {
  const { type, nsp, id, attachments = 0, data } = new Decoder().decodeString(text);
  if (type === 0 || type === 1) return `${type} ${nsp}`;
  if (type !== 2 && type !== 5) return 'ignored';
  return `event ${nsp} ${attachments} ${id === undefined ? '' : BigInt(id)} ${JSON.stringify(data ?? [])}`;
}

/** As the JSONP transport's onData. */
function form(text) {
  const { d } = querystring.parse(text);
  if (typeof d !== 'string') return '!';
  const data = d.replace(/(\\)?\\n/g, (match, slashes) => (slashes ? match : '\n'));
  return data.replace(/\\\\n/g, '\\n');
}

const questions = {
  J: (bytes) => JSON.stringify(JSON.parse(utf8(bytes))),
  C: (bytes) => sid(latin1(bytes)),
  Q: (bytes) => ['ids', 'offset'].map((name) => parameter(latin1(bytes), name)).join(' ') + ' ' + number(latin1(bytes), 'offset'),
  P: (bytes) => packet(utf8(bytes)),
  F: (bytes) => form(utf8(bytes)),
};

const lines = readFileSync(0, 'latin1').split('\n').slice(0, -1);
const answers = lines.map((line) => {
  try {
    return questions[line[0]](Buffer.from(line.slice(1), 'hex'));
  } catch {
    return '!';
  }
});
process.stdout.write(answers.map((answer) => `${Buffer.from(answer).toString('hex')}\n`).join(''));
