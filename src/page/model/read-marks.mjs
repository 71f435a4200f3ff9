// Up to which date the rooms have been read. The server does not know, so the browser keeps it: for
// each user of it, and for all tabs together.

/** `storage` is like localStorage; it may refuse, in private windows for example. */
export class ReadMarks {
  #key;
  #storage;
  #marks = {};

  constructor(userId, storage) {
    this.#key = `chat.read.${userId}`;
    this.#storage = storage;
    this.reload();
  }

  /** Takes what another tab has stored. */
  reload() {
    try {
      const stored = JSON.parse(this.#storage?.getItem(this.#key) ?? '{}');
      if (stored && typeof stored === 'object') this.#marks = { ...stored };
    } catch {
      // Then the marks live as long as the page.
    }
  }

  /** The date up to which a room was read; undefined if it never was. */
  of(roomId) {
    const mark = Object.hasOwn(this.#marks, roomId) ? this.#marks[roomId] : undefined;
    return Number.isFinite(mark) ? mark : undefined;
  }

  set(roomId, date) {
    if (!(date > (this.of(roomId) ?? -Infinity))) return;
    this.#marks[roomId] = date;
    try {
      this.#storage?.setItem(this.#key, JSON.stringify(this.#marks));
    } catch {
      // See above.
    }
  }

  /** Whether a storage event is about these marks. */
  concerns(key) {
    return key === this.#key;
  }
}
