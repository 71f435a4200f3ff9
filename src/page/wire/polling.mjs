// Engine.IO packets over HTTP, for networks that let no WebSocket through: a GET is always waiting for
// what the server has to say, and POSTs carry what the page says, one after the other.
import { CLOSE, joinPayload, readOpen, readPacket, splitPayload } from './packets.mjs';

/** Characters in one POST; the server takes up to a million bytes. */
const LARGEST_POST = 200_000;

export class PollingTransport {
  static name = 'polling';
  #fetch;
  #sid = '';
  #queue = [];
  #posting = false;
  #abort = new AbortController();
  #onPacket;
  #onClose;

  constructor(fetch = globalThis.fetch.bind(globalThis)) {
    this.#fetch = fetch;
  }

  start({ onPacket, onClose }) {
    this.#onPacket = onPacket;
    this.#onClose = onClose;
    this.#poll();
  }

  async #poll() {
    try {
      while (!this.#abort.signal.aborted) {
        const payload = await this.#request('GET');
        for (const text of splitPayload(payload)) {
          const packet = readPacket(text);
          if (packet?.type === 'open') this.#sid = readOpen(packet.data)?.sid ?? '';
          if (!this.#abort.signal.aborted) this.#onPacket(text);
        }
      }
    } catch (why) {
      this.#fail(why);
    }
  }

  send(packet) {
    this.#queue.push(packet);
    // What is said in one go travels in one request.
    if (!this.#posting) queueMicrotask(() => this.#post());
  }

  async #post() {
    if (this.#posting) return;
    this.#posting = true;
    try {
      while (this.#queue.length > 0 && !this.#abort.signal.aborted) {
        await this.#request('POST', joinPayload(this.#take()));
      }
    } catch (why) {
      this.#fail(why);
    } finally {
      this.#posting = false;
    }
  }

  #take() {
    let size = 0;
    const fits = this.#queue.findIndex((packet) => (size += packet.length + 1) > LARGEST_POST);
    return this.#queue.splice(0, fits === -1 ? this.#queue.length : Math.max(fits, 1));
  }

  async #request(method, body) {
    const response = await this.#fetch(this.#address(), { method, body, cache: 'no-store', signal: this.#abort.signal });
    const text = await response.text();
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    return text;
  }

  #address() {
    return `/socket.io/?EIO=4&transport=polling${this.#sid && `&sid=${encodeURIComponent(this.#sid)}`}`;
  }

  #fail(why) {
    if (this.#abort.signal.aborted) return;
    this.#abort.abort();
    this.#onClose(why.message);
  }

  close() {
    if (this.#abort.signal.aborted) return;
    this.#abort.abort();
    // Without this the server would wait for the next GET. `keepalive`: also while the page goes.
    if (this.#sid) this.#fetch(this.#address(), { method: 'POST', body: CLOSE, keepalive: true }).catch(() => {});
  }
}
