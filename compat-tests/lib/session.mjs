// The session cookie and the stored session: http-and-redis.md §6.
import { createHmac, randomBytes } from 'node:crypto';

export const SECRET = 'keyboard cat';
export const DAY = 86_400;

export const COOKIE_OBJECT = { originalMaxAge: null, expires: null, httpOnly: true, path: '/' };

export const signature = (sid, secret = SECRET) =>
  createHmac('sha256', secret).update(sid).digest('base64').replace(/=+$/, '');

/** A whole Cookie header for `sid`, as the browser would send it. */
export const cookieOf = (sid, secret = SECRET) =>
  `connect.sid=${encodeURIComponent(`s:${sid}.${signature(sid, secret)}`)}`;

/** Stores a session and returns its Cookie header. `fields` go beside `cookie`. */
export async function storeSession(redis, fields = {}, { sid = randomBytes(24).toString('base64url'), ttl = 1000 } = {}) {
  await redis.client.set(`sess:${sid}`, JSON.stringify({ cookie: COOKIE_OBJECT, ...fields }), 'EX', ttl);
  return { sid, key: `sess:${sid}`, cookie: cookieOf(sid) };
}

/**
 * The sid that an answer sets, or undefined if it sets none. Throws when there is
 * more than one cookie, when the form is not upstream's to the letter, or when the
 * signature is wrong.
 */
export function sidSetBy(response, secret = SECRET) {
  const lines = response.getAll('set-cookie');
  if (lines.length === 0) return undefined;
  if (lines.length > 1) throw new Error(`${lines.length} Set-Cookie headers`);
  const [, value] = /^connect\.sid=([^;]*); Path=\/; HttpOnly$/.exec(lines[0]) ?? [];
  if (value === undefined) throw new Error(`unexpected Set-Cookie: ${lines[0]}`);
  const [, sid, sig] = /^s:([A-Za-z0-9_-]{32})\.(.*)$/.exec(decodeURIComponent(value)) ?? [];
  if (sid === undefined) throw new Error(`unexpected cookie value: ${value}`);
  if (sig !== signature(sid, secret)) throw new Error(`wrong signature: ${value}`);
  if (value !== encodeURIComponent(`s:${sid}.${sig}`)) throw new Error(`not encoded as encodeURIComponent does: ${value}`);
  return sid;
}
