// Where messages are written. Each room keeps its draft.
import { byId, icon, setText } from './dom.mjs';

/** Pixels that the box may grow to. */
const TALLEST = 160;

export class ComposerView {
  #text = byId('text');
  #error = byId('composer-error');
  #drafts = new Map();
  #roomId = null;
  #longest;
  #onSend;

  constructor(longest, onSend) {
    this.#longest = longest;
    this.#onSend = onSend;
    byId('send').prepend(icon('send'));
    byId('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#text.addEventListener('input', () => this.#edited());
    this.#text.addEventListener('keydown', (event) => {
      // Enter may also choose a word in an input method.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    });
  }

  show(roomId, title) {
    setText(byId('text-label'), `Message to ${title}`);
    this.#text.placeholder = `Message to ${title}`;
    if (roomId === this.#roomId) return;
    this.#roomId = roomId;
    this.#text.value = this.#drafts.get(roomId) ?? '';
    this.#edited();
  }

  focus() {
    this.#text.focus();
  }

  /** Forgets the drafts of somebody who has signed out. */
  clear() {
    this.#drafts.clear();
    this.#roomId = null;
    this.#text.value = '';
  }

  #edited() {
    this.#drafts.set(this.#roomId, this.#text.value);
    setText(this.#error, '');
    this.#text.style.height = 'auto';
    this.#text.style.height = `${Math.min(this.#text.scrollHeight, TALLEST)}px`;
  }

  #send() {
    const text = this.#text.value.trim();
    if (text === '') return this.focus();
    if (text.length > this.#longest) {
      const [has, may] = [text.length, this.#longest].map((count) => count.toLocaleString());
      return setText(this.#error, `This message is too long: it has ${has} characters, ${may} are possible.`);
    }
    this.#text.value = '';
    this.#edited();
    this.focus();
    return this.#onSend(text);
  }
}
