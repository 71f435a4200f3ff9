// A room: what is known of its history, and what its user has written and is not in it yet.

export class Room {
  /** Stored messages, oldest first, without a hole between the oldest and the newest. */
  messages = [];
  /** Own messages that no echo has come for, in the order they were written. */
  outgoing = [];
  /** Whether `messages` begins with the first message ever. */
  complete = false;
  /** Whether the history has been read at all. */
  loaded = false;
  /** Whether older messages are being read. */
  loading = false;
  /** Why the history can't be read, in words. */
  error = '';
  /**
   * The keys known when the connection was lost, until the history was read back to them. Without
   * it, a message that came after the loss would look as if nothing had been missed before it.
   */
  anchor = null;
  /** When a room without messages was opened, in seconds, so that it is not last in the list. */
  opened = 0;

  #keys = new Set();

  constructor(id, names = []) {
    this.id = id;
    this.names = names;
  }

  has(key) {
    return this.#keys.has(key);
  }

  get last() {
    return this.messages.at(-1);
  }

  /** When something last happened here, in seconds. */
  get activity() {
    const written = this.outgoing.at(-1)?.date ?? 0;
    return Math.max(this.last?.date || 0, written, this.opened);
  }

  get unread() {
    return this.messages.reduce((sum, message) => sum + (message.unread ? 1 : 0), 0);
  }

  /** Puts a stored message where its date belongs. False if it was there already. */
  add(message) {
    // To be in the history or to be echoed is the proof that it is stored.
    this.outgoing = this.outgoing.filter(({ key }) => key !== message.key);
    if (this.#keys.has(message.key)) return false;
    this.#keys.add(message.key);
    let place = this.messages.length;
    while (place > 0 && this.messages[place - 1].date > message.date) place -= 1;
    this.messages.splice(place, 0, message);
    return true;
  }

  /** Forgets what is older than `key`: there is a hole before it that was not filled. */
  forgetBefore(key) {
    const place = this.messages.findIndex((message) => message.key === key);
    for (const { key: old } of this.messages.splice(0, Math.max(place, 0))) this.#keys.delete(old);
    this.complete = false;
  }

  /** What is known now is what the history will be read back to. */
  holdAnchor() {
    if (this.loaded) this.anchor ??= new Set(this.#keys);
  }

  /** From now on nothing is heard. */
  linkLost() {
    this.holdAnchor();
    for (const message of this.outgoing) if (message.state === 'sending') message.state = 'unknown';
  }

  /** After the history was read: what is not in it did not arrive. */
  reconcile() {
    for (const message of this.outgoing) if (message.state === 'unknown') message.state = 'failed';
  }

  /** Marks everything read. False if everything was. */
  read() {
    const unread = this.messages.filter((message) => message.unread);
    for (const message of unread) message.unread = false;
    return unread.length > 0;
  }
}
