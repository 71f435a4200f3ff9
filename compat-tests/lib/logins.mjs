// People who signed in at some time: their cookies must hold on every server from then on.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { patiently } from './patient.mjs';

const PASSWORD = 'p';

export class Logins {
  /** `{ username, cookie, id }` of each registration that was answered */
  all = [];
  /** What became of the last registration that failed. */
  failure;
  #tried = 0;
  #going = false;
  #loop;

  /** Registers somebody at `base`; false if that failed, as a server that just ends may make it. */
  async register(base) {
    this.#tried += 1;
    const username = `visitor ${this.#tried}`;
    const answer = await patiently(base, login(username)).catch((error) => ({ text: error.message }));
    if (answer.status !== 201) {
      this.failure = `${username}: ${answer.status} ${answer.text}`;
      return false;
    }
    this.all.push({ username, cookie: answer.headers['set-cookie'][0].split(';')[0], id: JSON.parse(answer.text).id });
    return true;
  }

  /** Registers somebody at `base` again and again until `stop()`. */
  keepRegistering(base, every = 400) {
    this.#going = true;
    this.#loop = (async () => {
      for (; this.#going; await sleep(every)) await this.register(base);
    })();
  }

  stop() {
    this.#going = false;
    return this.#loop;
  }

  /** Every cookie is its user's at all `bases`. */
  async hold(bases) {
    for (const base of bases) {
      const names = await Promise.all(this.all.map(({ cookie }) => me(base, cookie)));
      assert.deepEqual(names, this.all.map(({ username }) => username), `logins at ${base}`);
    }
  }

  /** The last one can also sign in at `base` by name and password, and is the same user. */
  async again(base) {
    const { username, id } = this.all.at(-1);
    const answer = await patiently(base, login(username));
    assert.equal(answer.status, 200, answer.text);
    assert.equal(String(JSON.parse(answer.text).id), String(id));
  }
}

function login(username) {
  const headers = { 'content-type': 'application/json' };
  return { method: 'POST', path: '/login', body: JSON.stringify({ username, password: PASSWORD }), headers };
}

async function me(base, cookie) {
  return JSON.parse((await patiently(base, { path: '/me', headers: { cookie } })).text)?.username;
}
