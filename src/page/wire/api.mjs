// The server's REST interface. Every failure is an ApiError with a sentence for the reader.
import { isWellFormed } from '../model/text.mjs';

const LIMIT = 15_000;

/** Characters of a request for names: servers take some thousands in an address, and up to a thousand ids. */
const QUERY = 4000;

export class ApiError extends Error {
  /** `status` is 0 if there was no answer. */
  constructor(message, status) {
    super(message);
    this.status = status;
  }

  /** Nobody is signed in, or not any more. */
  get isSignedOut() {
    return this.status === 403;
  }

  /** It may well work a little later. */
  get isPassing() {
    return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

async function request(method, path, body) {
  const options = { method, signal: AbortSignal.timeout(LIMIT) };
  if (body !== undefined) {
    options.headers = { 'Content-Type': 'application/json' };
    options.body = JSON.stringify(body);
  }
  let response;
  let text;
  try {
    response = await fetch(path, options);
    text = await response.text();
  } catch (why) {
    const late = why.name === 'TimeoutError';
    throw new ApiError(late ? 'The server takes too long to answer.' : 'The server can’t be reached.', 0);
  }
  const data = parse(text);
  if (response.ok) return { status: response.status, data };
  throw new ApiError(inWords(response, data), response.status);
}

/** As `request`, where the answer must be JSON: a hotel's portal, for example, answers with a page. */
async function requestJson(method, path, body) {
  const answer = await request(method, path, body);
  if (answer.data === undefined) throw new ApiError('Something between here and the server answers in its place.', 0);
  return answer;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function inWords({ status, statusText }, json) {
  if (typeof json?.message === 'string') return json.message.replace(/[^.!?]$/, '$&.');
  if (status === 403) return 'You are not signed in.';
  return `The server answered with an error (${[status, statusText].filter(Boolean).join(' ')}).`;
}

const get = async (path) => (await requestJson('GET', path)).data;

/** The user of this session, or null. */
export const me = () => get('/me');

/** Signs in, or registers a name that is not known: `{user, isNew}`. */
export async function login(username, password) {
  const { status, data } = await requestJson('POST', '/login', { username, password });
  return { user: data, isNew: status === 201 };
}

export const logout = () => request('POST', '/logout');

export const rooms = (userId) => get(`/rooms/${encodeURIComponent(userId)}`);

/** The private room of two users, made if there is none. */
export const privateRoom = async (user1, user2) => (await requestJson('POST', '/room', { user1, user2 })).data;

/** Messages, newest first. The server gives one more than `size`. */
export const messages = (roomId, offset, size) =>
  get(`/room/${encodeURIComponent(roomId)}/messages?offset=${offset}&size=${size}`);

/** All who are online, by id. */
export const online = () => get('/users/online');

/** Users by id; unknown ids are left out. */
export async function users(ids) {
  const found = {};
  for (const query of queriesFor(ids)) Object.assign(found, await get(`/users?${query}`));
  return found;
}

/**
 * Queries for names. Anybody can write a message with any text as its sender: what can't stand in an
 * address is nobody's id, and must not keep the others from being asked for.
 */
function queriesFor(ids) {
  const queries = [];
  for (const id of ids.filter(isWellFormed)) {
    const part = `ids[]=${encodeURIComponent(id)}`;
    if (part.length > QUERY) continue;
    const joined = queries.length > 0 ? `${queries.at(-1)}&${part}` : '';
    if (joined !== '' && joined.length <= QUERY) queries.splice(-1, 1, joined);
    else queries.push(part);
  }
  return queries;
}
