// Tabs of one browser share a session: what one does to it concerns the others.

const NAME = 'chat.session';

export class Tabs {
  #channel = typeof BroadcastChannel === 'function' ? new BroadcastChannel(NAME) : null;

  /** `onChange` is called when another tab has signed in or out. */
  constructor(onChange) {
    if (this.#channel) this.#channel.onmessage = () => onChange();
  }

  /** Tells the other tabs that somebody has signed in or out here. */
  tell() {
    this.#channel?.postMessage('changed');
  }
}
