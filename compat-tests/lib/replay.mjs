// Plays a recorded step against the target. The format is described in
// fixtures/http/README.md.
//
// Compared are the answer and the EFFECT on Redis, not the commands: the recorded
// commands are run on database 1 of the same Redis, which started from the same content,
// and then both must hold the same.
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { loadDataset, run, UNTOUCHED_TTL } from './dataset.mjs';
import { expectRefusal, headerNames, JSON_TYPE } from './expect.mjs';
import { etagOf, send } from './http.mjs';
import { dump } from './redis.mjs';
import { sidSetBy, signature } from './session.mjs';
import { isUpstream } from './target.mjs';

const WRITES = new Set(['set', 'incr', 'hmset', 'hset', 'sadd', 'srem', 'zadd', 'del']);
const BCRYPT = /^\$2[ab]\$10\$[./A-Za-z0-9]{53}$/;

/**
 * One play of one scenario. `model` is a connection to database 1 of `redis`, `client`
 * the folder that the server serves.
 */
export class Replay {
  #sids = {};

  constructor({ redis, model, server, client }) {
    Object.assign(this, { redis, model, server, client });
  }

  async play(step) {
    const { client } = this.redis;
    if (!step.continues) {
      this.#sids = {};
      await loadDataset(client);
      await run(client, step.setup ?? []);
    }
    // FLUSHALL has emptied database 1 too; it gets what database 0 holds now.
    await this.model.select(1);
    await this.model.flushdb();
    for (const key of await client.keys('*')) await client.copy(key, key, 'DB', '1');
    for (const key of await client.keys('sess:*')) await client.expire(key, UNTOUCHED_TTL);
    const sessions = await this.#sessions();

    const response = await send(this.server, { ...this.#request(step.request) });

    if (step.mayRefuse === response.status) {
      // An HTTP library refuses it before the server sees it, so the body is its own.
      await this.#noWrites();
    } else if (step.recommended && !isUpstream) {
      await this.#expectRecommended(response, step.recommended);
    } else if (step.response) {
      this.#expectResponse(response, step);
      await this.#expectEffect(step.redis, sessions);
    }
    assert.ok(this.server.alive(), 'the server ended');
  }

  #request({ headers = [], body, bodyBase64, bodyFilled, ...rest }) {
    return {
      ...rest,
      headers: headers.map(([name, value]) => [name, this.#signed(value)]),
      body: bodyBase64 ? Buffer.from(bodyBase64, 'base64') : bodyFilled ? filled(bodyFilled) : body,
    };
  }

  /** Fills in `<SID_n>` and the signature behind it. */
  #signed(value) {
    return value.replace(/s%3A(<SID_\d>|[\w-]+)\.<SIGNATURE>/g, (_, named) => {
      const sid = this.#sids[named] ?? named;
      return `s%3A${sid}.${encodeURIComponent(signature(sid))}`;
    });
  }

  #expectResponse(response, { request, response: recorded, file, anyOrder }) {
    const facts = file && fileFacts(join(this.client, file));
    if (recorded.body === '<ERROR_PAGE>') return expectErrorPage(response, recorded, facts);
    const fill = facts ?? ((text) => text);
    const expectedBody = Buffer.from(fill(recorded.body));

    assert.equal(`${response.status} ${response.reason}`, `${recorded.status} ${recorded.reason}`);
    if (anyOrder) assert.deepEqual(sorted(response.json), sorted(JSON.parse(recorded.body)));
    else if (recorded.body === '<CAPITALISED_FIRST_NAME>') assert.match(response.text, /^[A-Z][a-z]+$/);
    else assert.deepEqual(printable(response.body), printable(expectedBody));

    const newSid = sidSetBy(response);
    assert.deepEqual(headerNames(response), recorded.headers.map(([name]) => name.toLowerCase()).sort());
    for (const [name, value] of recorded.headers) {
      const actual = response.get(name);
      if (name === 'Set-Cookie') this.#sids[/<SID_\d>/.exec(value)[0]] = newSid;
      else if (name === 'ETag' && (anyOrder || value.includes('SHA1'))) assert.equal(actual, etagOf(response.body));
      else if (value === '<LENGTH>') assert.equal(actual, String(response.body.length));
      else assert.equal(actual, fill(value).toString(), `${name} of ${request.method} ${request.path}`);
    }
  }

  async #expectRecommended(response, { status, orStatus, body, newSession }) {
    assert.ok([status, orStatus].includes(response.status), `status ${response.status}, not ${status}`);
    assert.equal(response.get('content-type'), JSON_TYPE);
    if (body !== undefined) assert.equal(response.text, JSON.stringify(body));
    if (newSession) assert.ok(await this.redis.client.exists(`sess:${sidSetBy(response)}`), 'no new session');
    await this.#noWrites();
  }

  async #noWrites() {
    assert.deepEqual(await this.redis.dump(), await dump(this.model), 'Redis was changed');
  }

  async #expectEffect(commands, before) {
    const known = commands.map((command) => command.map((word) => this.#named(word)));
    const isSession = ([, key]) => key?.startsWith('sess:');

    await run(this.model, known.filter((command) => WRITES.has(command[0]) && !isSession(command)));
    const actual = await this.redis.dump();
    const expected = await dump(this.model);
    for (const [key, value] of Object.entries(expected)) {
      if (value?.password !== '<BCRYPT>') continue;
      assert.match(actual[key]?.password, BCRYPT);
      value.password = actual[key].password;
    }
    assert.deepEqual(actual, expected, 'content of Redis');

    const writes = new Map();
    for (const [command, key, text, , ttl] of known.filter(isSession)) {
      if (command === 'set') writes.set(key, { text, ttl: Number(ttl) });
      if (command === 'del') writes.set(key, null);
    }
    const after = await this.#sessions(writes);
    for (const key of new Set([...before.keys(), ...after.keys(), ...writes.keys()])) {
      expectSession(key, before.get(key), after.get(key), writes.get(key));
    }
  }

  #named(word) {
    return word.replace(/<SID_\d>/, (name) => this.#sids[name] ?? name);
  }

  /** Stored sessions by key. Waits a moment for those to go that `writes` says are deleted. */
  async #sessions(writes = new Map()) {
    const { client } = this.redis;
    const found = new Map();
    for (const [key, written] of writes) {
      // The answer to a log out does not wait for the deletion (§6).
      for (let n = 0; written === null && n < 100 && (await client.exists(key)); n += 1) await client.ping();
    }
    for (const key of await client.keys('sess:*')) {
      const text = (await client.type(key)) === 'string' ? await client.get(key) : null;
      found.set(key, { text, ttl: await client.ttl(key) });
    }
    return found;
  }
}

function expectSession(key, before, after, written) {
  if (written === null) return assert.equal(after, undefined, `${key} is still there`);
  if (written === undefined) {
    assert.equal(after?.text, before?.text, `${key} was written`);
    // What is no session counts as gone; whether its remains live on does not matter.
    if (!before?.text?.startsWith('{')) return undefined;
    return assert.ok((after?.ttl ?? 0) <= UNTOUCHED_TTL, `the life of ${key} was renewed`);
  }
  assert.ok(after, `${key} is missing`);
  assert.ok(after.ttl > written.ttl - 10 && after.ttl <= written.ttl, `${key} lives ${after.ttl} s, not ${written.ttl}`);
  // Two ways are good (§6): rewritten as the original does, or left as it was.
  if (after.text === before?.text) {
    const user = (text) => JSON.stringify(JSON.parse(text).user);
    return assert.equal(user(after.text), user(written.text), 'the user in the session');
  }
  const { cookie } = JSON.parse(after.text);
  const expires = Date.now() + cookie.originalMaxAge;
  const near = cookie.expires && Math.abs(Date.parse(cookie.expires) - expires) < 10_000;
  assert.equal(after.text, written.text.replace('<ISO_TIME_NOW_PLUS_MAX_AGE>', near ? cookie.expires : '(now + maximum age)'));
}

/**
 * A page with a stack trace in the original, `{"message"}` in a drop-in (§1). For files
 * (412, 416) the headers about the file count as well, the form of the body does not.
 */
function expectErrorPage(response, recorded, facts) {
  if (!facts) return expectRefusal(response, recorded.status);
  assert.equal(response.status, recorded.status);
  assert.doesNotMatch(isUpstream ? '' : response.text, /\bat .*:\d+:\d+/, 'a stack trace');
  const about = new Set(['Accept-Ranges', 'Content-Range', 'X-Powered-By']);
  for (const [name, value] of recorded.headers) {
    if (about.has(name)) assert.equal(response.get(name), facts(value).toString(), name);
  }
}

/** A function that fills in what a recording says about a file of the client. */
function fileFacts(path) {
  const content = readFileSync(path);
  const { mtime } = statSync(path);
  return (text) => {
    const part = /^<FILE(?: (\d*)-(\d+))?>$/.exec(text);
    if (part) {
      const [, first, last] = part;
      if (last === undefined) return content;
      return first === '' ? content.subarray(-Number(last)) : content.subarray(Number(first), Number(last) + 1);
    }
    return text
      .replace('<SIZE_HEX>', content.length.toString(16))
      .replace(/<SIZE(-\d+)?>/g, (_, less = 0) => String(content.length + Number(less)))
      .replace('<MTIME_MS_HEX>', mtime.getTime().toString(16))
      .replace('<MTIME_HTTP_DATE>', mtime.toUTCString());
  };
}

const filled = ({ start, fill, end, length }) => start + fill.repeat(length - start.length - end.length) + end;
const sorted = (list) => list.map((item) => JSON.stringify(item)).sort();
/** Text for a readable difference, or the bytes if it is none. */
const printable = (bytes) => (bytes.equals(Buffer.from(bytes.toString('utf8'))) ? bytes.toString('utf8') : bytes.toString('hex'));
