// Sign in or register, which is one form: the server registers names that it does not know.
import { byId, copyOf, setText, showAvatar } from './dom.mjs';

/** The users that a server puts into an empty store, for show. Their ids are their places, from 1. */
const DEMO = ['Pablo', 'Joe', 'Mary', 'Alex'];
const DEMO_PASSWORD = 'password123';

export class SignInView {
  #root = byId('sign-in');
  #form = byId('sign-in-form');
  #error = byId('sign-in-error');
  #api;
  #onSignedIn;
  #busy = false;

  constructor(api, onSignedIn) {
    this.#api = api;
    this.#onSignedIn = onSignedIn;
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    for (const input of this.#inputs()) input.addEventListener('input', () => this.#fault(''));
  }

  #inputs() {
    return [this.#form.elements.username, this.#form.elements.password];
  }

  /** `notice` says why somebody has to sign in. */
  show(notice = '') {
    setText(byId('sign-in-notice'), notice);
    this.#offerDemo();
    // Nothing is taken from somebody who is typing already.
    if (!this.#root.hidden) return;
    this.#root.hidden = false;
    document.title = 'Sign in · Chat';
    this.#fault('');
    this.#form.elements.username.focus();
  }

  hide() {
    this.#root.hidden = true;
    this.#form.reset();
  }

  #submit() {
    const [username, password] = this.#inputs();
    const missing = [username, password].filter((input) => input.value === '');
    if (missing.length > 0) {
      const words = missing.map((input) => (input === username ? 'name' : 'password')).join(' and ');
      return this.#fault(`Please enter a ${words}.`, missing);
    }
    return this.#signIn(username.value, password.value);
  }

  async #signIn(username, password) {
    if (this.#busy) return;
    this.#busy = true;
    this.#fault('');
    this.#root.setAttribute('aria-busy', 'true');
    try {
      const { user, isNew } = await this.#api.login(username, password);
      this.#onSignedIn(user, isNew);
    } catch (why) {
      // 404 is the server's answer to a password that does not fit the name.
      this.#fault(why.message, why.status === 404 ? [this.#form.elements.password] : []);
    } finally {
      this.#busy = false;
      this.#root.removeAttribute('aria-busy');
    }
  }

  #fault(message, inputs = []) {
    setText(this.#error, message);
    for (const input of this.#inputs()) {
      const wrong = inputs.includes(input);
      input.setAttribute('aria-invalid', String(wrong));
      if (wrong) input.setAttribute('aria-describedby', 'sign-in-error');
      else input.removeAttribute('aria-describedby');
    }
    inputs[0]?.focus();
    inputs[0]?.select();
  }

  /** Only where the demo's users are those of this server. */
  async #offerDemo() {
    const ids = DEMO.map((_, index) => String(index + 1));
    let found = {};
    try {
      found = await this.#api.users(ids);
    } catch {
      // Without an answer there is no offer; signing in will say what is wrong.
    }
    const isDemo = DEMO.every((name, index) => found[ids[index]]?.username === name);
    byId('demo').hidden = !isDemo;
    if (isDemo) byId('demo-users').replaceChildren(...DEMO.map((name) => this.#demoRow(name)));
  }

  #demoRow(name) {
    const row = copyOf('person-row');
    showAvatar(row.querySelector('.picture'), name);
    row.querySelector('.hidden-text').textContent = 'Sign in as ';
    row.querySelector('.name').textContent = name;
    row.querySelector('button').addEventListener('click', () => this.#signIn(name, DEMO_PASSWORD));
    return row;
  }
}
