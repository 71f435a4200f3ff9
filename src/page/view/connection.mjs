// Says how the connection is, when it is not as it should be.
import { byId, setText } from './dom.mjs';

/** Milliseconds that the first connection may take without being mentioned. */
const PATIENCE = 1500;

/** Milliseconds that good news stay. */
const GOOD_NEWS = 2500;

export class ConnectionView {
  #root = byId('connection');
  #link;
  #sync;
  #started = Date.now();
  #wasUp = false;
  #wasLost = false;
  #recovered = 0;
  #timer;

  constructor({ link, sync }) {
    this.#link = link;
    this.#sync = sync;
    this.#timer = setTimeout(() => this.draw(), PATIENCE);
  }

  end() {
    clearTimeout(this.#timer);
    this.#say('');
  }

  /** The region is always there, if only to be heard: one that appears with its words is not read out. */
  #say(state) {
    this.#root.classList.toggle('hidden-text', state === '');
    setText(byId('connection-state'), state);
  }

  draw() {
    clearTimeout(this.#timer);
    const now = Date.now();
    const { kind, state, retryAt } = this.#news(now);
    this.#root.dataset.kind = kind;
    this.#say(state);
    // Beside the status region: nobody wants to hear the seconds counted.
    const seconds = Math.max(Math.ceil((retryAt - now) / 1000), 1);
    setText(byId('connection-wait'), retryAt > now ? `Trying again in ${seconds} s.` : '');
    byId('try-now').hidden = !(retryAt > now);
    if (state !== '' || now - this.#started < PATIENCE) this.#timer = setTimeout(() => this.draw(), 500);
  }

  #news(now) {
    const { state, retryAt } = this.#link;
    if (state === 'waiting' || (state === 'connecting' && this.#wasLost)) {
      this.#wasLost = true;
      this.#recovered = 0;
      return { kind: 'trouble', state: this.#trouble(state), retryAt: state === 'waiting' ? retryAt : 0 };
    }
    if (state === 'connecting') {
      return { kind: 'trouble', state: now - this.#started > PATIENCE ? 'Connecting…' : '', retryAt: 0 };
    }
    if (state !== 'up') return { kind: 'good', state: '', retryAt: 0 };
    this.#wasUp = true;
    if (this.#sync.error) return { kind: 'trouble', state: this.#sync.error, retryAt: this.#sync.retryAt };
    if (this.#wasLost) {
      this.#wasLost = false;
      this.#recovered = now;
    }
    return { kind: 'good', state: now - this.#recovered < GOOD_NEWS ? 'Connected again.' : '', retryAt: 0 };
  }

  #trouble(state) {
    const what = this.#wasUp ? 'Connection lost.' : 'The server can’t be reached.';
    if (!navigator.onLine) return 'You are offline.';
    return state === 'connecting' ? `${what} Trying again…` : what;
  }
}
