// One Socket.IO connection over one transport, from its opening to its loss. It never comes back; see
// link.mjs for that.
import { PONG, connectPacket, disconnectPacket, eventPacket, readOpen, readPacket, readSocketPacket } from './packets.mjs';

/** What a late heartbeat may add to what the server promised. */
const GRACE = 1000;

/** A server that does not answer a fence must not keep the page from going on. */
const FENCE_LIMIT = 5000;

export class Socket {
  #transport;
  #onEvent;
  #onLost;
  #patience = 0;
  #heard = 0;
  #watchdog;
  #fences = new Map();
  #fenceCount = 0;
  #state = 'new';
  #joined;

  constructor(transport, { onEvent, onLost }) {
    this.#transport = transport;
    this.#onEvent = onEvent;
    this.#onLost = onLost;
  }

  /** Resolves when the server has let the page in; rejects if it has not within `limit` ms. */
  open(limit) {
    this.#state = 'opening';
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#end('the server does not answer'), limit);
      this.#joined = (why) => {
        clearTimeout(timer);
        if (why === undefined) resolve();
        else reject(new Error(why));
      };
      try {
        this.#transport.start({ onPacket: (text) => this.#packet(text), onClose: (why) => this.#end(why) });
      } catch (why) {
        this.#end(why.message);
      }
    });
  }

  emit(name, ...data) {
    this.#transport.send(eventPacket(name, ...data));
  }

  /**
   * Resolves when the server has dealt with everything emitted before. The chat's server answers no
   * event, but whoever asks for a namespace that does not exist is told so, in order.
   */
  settled() {
    if (this.#state !== 'joined') return Promise.reject(new Error('there is no connection'));
    this.#fenceCount += 1;
    const namespace = `/settled-${this.#fenceCount}`;
    return new Promise((resolve, reject) => {
      this.#fences.set(namespace, { resolve, reject, timer: setTimeout(() => this.#passed(namespace), FENCE_LIMIT) });
      this.#transport.send(connectPacket(namespace));
    });
  }

  #passed(namespace) {
    const fence = this.#fences.get(namespace);
    this.#fences.delete(namespace);
    clearTimeout(fence?.timer);
    fence?.resolve();
  }

  /** Timers stand still while a machine sleeps: looks at the clock instead. */
  check() {
    if (this.#state === 'joined' && Date.now() - this.#heard > this.#patience) this.#end('nothing was heard for too long');
  }

  close() {
    if (this.#state === 'joined') this.#transport.send(disconnectPacket());
    this.#onLost = () => {};
    this.#end('closed');
  }

  #packet(text) {
    if (this.#state === 'ended') return;
    this.#watch();
    const packet = readPacket(text);
    switch (packet?.type) {
      case 'open':
        return this.#opened(readOpen(packet.data));
      case 'ping':
        return this.#transport.send(PONG);
      case 'close':
        return this.#end('the server closed the connection');
      case 'message':
        return this.#message(readSocketPacket(packet.data));
      default:
        // `noop` and whatever a later server may say.
        return undefined;
    }
  }

  #opened(settings) {
    if (!settings) return this.#end('the server speaks another protocol');
    this.#patience = settings.pingInterval + settings.pingTimeout + GRACE;
    this.#watch();
    return this.#transport.send(connectPacket());
  }

  #message(packet) {
    if (!packet) return;
    if (packet.namespace !== '/') {
      this.#passed(packet.namespace);
    } else if (packet.type === 'connect' && this.#state === 'opening') {
      this.#state = 'joined';
      this.#joined();
    } else if (packet.type === 'connect_error') {
      this.#end(packet.data?.message ?? 'the server refused the connection');
    } else if (packet.type === 'disconnect') {
      this.#end('the server ended the connection');
    } else if (packet.type === 'event' && Array.isArray(packet.data)) {
      this.#onEvent(...packet.data);
    }
  }

  /** Any packet is a sign of life. */
  #watch() {
    this.#heard = Date.now();
    clearTimeout(this.#watchdog);
    if (this.#patience > 0) this.#watchdog = setTimeout(() => this.#end('nothing was heard for too long'), this.#patience);
  }

  #end(why) {
    if (this.#state === 'ended') return;
    const opening = this.#state === 'opening';
    this.#state = 'ended';
    clearTimeout(this.#watchdog);
    this.#transport.close();
    for (const { reject, timer } of this.#fences.values()) {
      clearTimeout(timer);
      reject(new Error('the connection was lost'));
    }
    this.#fences.clear();
    if (opening) this.#joined(why);
    else this.#onLost(why);
  }
}
