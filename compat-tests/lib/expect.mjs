// The shapes of answers that occur everywhere: http-and-redis.md §1.
import assert from 'node:assert/strict';
import { etagOf } from './http.mjs';
import { sidSetBy } from './session.mjs';
import { isUpstream } from './target.mjs';

export const JSON_TYPE = 'application/json; charset=utf-8';
export const TEXT_TYPE = 'text/plain; charset=utf-8';
export const HTML_TYPE = 'text/html; charset=utf-8';

/** Headers that a library writes on its own, and that no client reads here. */
const IGNORED = new Set(['date', 'connection', 'keep-alive']);

/** Names of the headers that count, in lower case, sorted. */
export const headerNames = (response) =>
  response.headers
    .map(([name]) => name.toLowerCase())
    .filter((name) => !IGNORED.has(name))
    .sort();

/** A body made by a route, with all the headers that go with it and no others. */
export function expectComputed(response, { status = 200, type = JSON_TYPE, body, newSession = false, also = [] }) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  assert.equal(`${response.status} ${response.text}`, `${status} ${text}`);
  assert.equal(response.get('x-powered-by'), 'Express');
  assert.equal(response.get('content-type'), type);
  assert.equal(response.get('content-length'), String(Buffer.byteLength(text)));
  assert.equal(response.get('etag'), etagOf(text));
  const names = ['content-length', 'content-type', 'etag', 'x-powered-by', ...also, ...(newSession ? ['set-cookie'] : [])];
  assert.deepEqual(headerNames(response), names.sort());
  return newSession ? sidSetBy(response) : undefined;
}

/** The page for what is not there; `shown` is the path as the page writes it. */
export function expectNotFoundPage(response, { method = 'GET', shown, newSession, bodyless = method === 'HEAD' }) {
  const page =
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n</head>\n' +
    `<body>\n<pre>Cannot ${method} ${shown}</pre>\n</body>\n</html>\n`;
  assert.equal(response.status, 404);
  assert.equal(response.text, bodyless ? '' : page);
  assert.equal(response.get('x-powered-by'), 'Express');
  assert.equal(response.get('content-type'), HTML_TYPE);
  assert.equal(response.get('content-length'), String(Buffer.byteLength(page)));
  assert.equal(response.get('content-security-policy'), "default-src 'none'");
  assert.equal(response.get('x-content-type-options'), 'nosniff');
  assert.equal(response.get('etag'), undefined);
  if (newSession !== undefined) assert.equal(sidSetBy(response) !== undefined, newSession, 'Set-Cookie');
}

/**
 * A refusal: the original answers with a page that shows a stack trace, a drop-in with
 * `{"message"}` and nothing about its inside. `statuses`: one, or a list of allowed ones.
 */
export function expectRefusal(response, statuses, { message } = {}) {
  const allowed = [statuses].flat();
  assert.ok(allowed.includes(response.status), `status ${response.status}, not ${allowed}: ${response.text.slice(0, 200)}`);
  assert.equal(response.get('x-powered-by'), 'Express');
  if (isUpstream) return;
  assert.equal(response.get('content-type'), JSON_TYPE);
  assert.deepEqual(Object.keys(response.json), ['message']);
  assert.equal(typeof response.json.message, 'string');
  assert.notEqual(response.json.message, '');
  if (message !== undefined) assert.equal(response.json.message, message);
}

/** Repeats `check` until it passes; the last failure is thrown after `timeout` ms. */
export async function eventually(check, timeout = 3_000) {
  const deadline = Date.now() + timeout;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
