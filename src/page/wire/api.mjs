// The server's REST interface. Every failure is an ApiError with a sentence for the reader.

const LIMIT = 15_000;

/** Ids in one request for names: the server reads up to a thousand. */
const IDS = 200;

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
  for (let start = 0; start < ids.length; start += IDS) {
    const query = ids.slice(start, start + IDS).map((id) => `ids[]=${encodeURIComponent(id)}`);
    Object.assign(found, await get(`/users?${query.join('&')}`));
  }
  return found;
}
