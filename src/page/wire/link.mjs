// The connection that comes back: tries a WebSocket, then polling, and again after a while.
import { delayBefore } from '../model/backoff.mjs';
import { PollingTransport } from './polling.mjs';
import { Socket } from './socket.mjs';
import { WebSocketTransport } from './websocket.mjs';

/**
 * Each try in order: what opens a transport, and the ms it may take until the server has let the page in.
 * A WebSocket that opens proves nothing: some proxies pass no frames.
 */
const WAYS = [
  { open: () => new WebSocketTransport(), limit: 6000 },
  // The server itself may hold an entry for ten seconds while its store is away.
  { open: () => new PollingTransport(), limit: 14_000 },
];

/** A connection that held for so long starts the waiting times anew. */
const STABLE = 5000;

export class Link {
  /** `connecting`, `up`, `waiting` (until `retryAt`) or `stopped`. */
  state = 'stopped';
  retryAt = 0;
  /** Counts the connections there have been. */
  generation = 0;

  #ways;
  #delay;
  #on;
  #socket = null;
  #attempt = 0;
  #upSince = 0;
  #timer;

  /** `on`: `up()`, `lost()`, `event(name, data)`, `changed()`. */
  constructor(on, { ways = WAYS, delay = delayBefore } = {}) {
    this.#on = on;
    this.#ways = ways;
    this.#delay = delay;
  }

  get isUp() {
    return this.state === 'up';
  }

  start() {
    if (this.state === 'stopped') this.#connect();
  }

  stop() {
    clearTimeout(this.#timer);
    this.state = 'stopped';
    this.#socket?.close();
    this.#socket = null;
  }

  /** Ends the waiting; looks after a connection that should be there. */
  tryNow() {
    if (this.state === 'waiting') this.#connect();
    else if (this.state === 'up') this.#socket.check();
  }

  emit(name, ...data) {
    this.#socket?.emit(name, ...data);
  }

  settled() {
    return this.isUp ? this.#socket.settled() : Promise.reject(new Error('there is no connection'));
  }

  async #connect() {
    clearTimeout(this.#timer);
    this.#set('connecting');
    for (const { open, limit } of this.#ways) {
      const socket = new Socket(open(), { onEvent: this.#on.event, onLost: () => this.#lost(socket) });
      this.#socket = socket;
      try {
        await socket.open(limit);
      } catch {
        // The next way, unless somebody stopped it all meanwhile.
        if (this.#socket === socket) continue;
        return;
      }
      if (this.#socket !== socket) return socket.close();
      this.generation += 1;
      this.#upSince = Date.now();
      this.#set('up');
      return this.#on.up();
    }
    this.#wait();
  }

  #lost(socket) {
    if (this.#socket !== socket) return;
    if (Date.now() - this.#upSince > STABLE) this.#attempt = 0;
    // Before anything is drawn, so that what is under way is known to be so.
    this.#on.lost();
    this.#wait();
  }

  #wait() {
    const ms = this.#delay(this.#attempt);
    this.#attempt += 1;
    this.retryAt = Date.now() + ms;
    this.#timer = setTimeout(() => this.#connect(), ms);
    this.#set('waiting');
  }

  #set(state) {
    this.state = state;
    this.#on.changed();
  }
}
