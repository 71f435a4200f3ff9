// What a connection has received so far, and waiting for more of it.

const PATIENCE = 10_000;

export class Inbox {
  /** Everything received, in order. WebSocket binary frames are `{ bin: hex }`. */
  frames = [];
  /** Frames that `events()` leaves out; set by the world of a case. */
  isNoise = () => false;
  /** Answer the server's pings? Off where a case is about silence. */
  answersPings = true;
  closed = undefined;

  #read = 0;
  #mark = 0;
  #waiting = new Set();

  push(frame) {
    this.frames.push(frame);
    for (const check of [...this.#waiting]) check();
  }

  /** The connection is over; `code` is the close code or an error's name. */
  end(code) {
    if (this.closed) return;
    this.closed = { closed: code };
    for (const check of [...this.#waiting]) check();
  }

  /**
   * The next frame that `accept` takes, those before it are passed over. Resolves with
   * `{ closed }` if the connection ends first, rejects after `ms`.
   */
  next(accept = () => true, ms = PATIENCE) {
    return this.#until(() => {
      while (this.#read < this.frames.length) {
        const frame = this.frames[this.#read];
        this.#read += 1;
        if (accept(frame)) return frame;
      }
      return this.closed;
    }, ms);
  }

  /** Resolves once `frames` satisfies `enough(this)`, or the connection ended. */
  async waitFor(enough, ms = PATIENCE) {
    await this.#until(() => (enough(this) || this.closed ? true : undefined), ms);
    return this;
  }

  /** Resolves with `{ closed: code }` when the connection has ended. */
  closing(ms = PATIENCE) {
    return this.#until(() => this.closed, ms);
  }

  /** From here on `events()` counts. */
  mark() {
    this.#mark = this.frames.length;
    this.#read = this.frames.length;
  }

  /** What came since `mark()`, without noise. */
  events() {
    return this.frames.slice(this.#mark).filter((frame) => !this.isNoise(frame));
  }

  #until(attempt, ms) {
    return new Promise((resolve, reject) => {
      const finish = (settle, value) => {
        clearTimeout(timer);
        this.#waiting.delete(check);
        settle(value);
      };
      const check = () => {
        const got = attempt();
        if (got !== undefined) finish(resolve, got);
      };
      const timer = setTimeout(() => {
        const last = this.frames.slice(-5).map((frame) => JSON.stringify(frame).slice(0, 200));
        finish(reject, new Error(`not seen within ${ms} ms; last of ${this.frames.length} frames: ${last.join(' ')}`));
      }, ms);
      this.#waiting.add(check);
      check();
    });
  }
}
