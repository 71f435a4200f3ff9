// The two protocols inside each other: Engine.IO 4 packets, and Socket.IO 5 packets in those of type
// `message`. Only what a client without acks and attachments needs.

const SEPARATOR = '\x1e';

const ENGINE_TYPES = ['open', 'close', 'ping', 'pong', 'message', 'upgrade', 'noop'];
const SOCKET_TYPES = ['connect', 'disconnect', 'event', 'ack', 'connect_error', 'binary_event', 'binary_ack'];

/** What polling carries in one body, and back. */
export const joinPayload = (packets) => packets.join(SEPARATOR);
export const splitPayload = (payload) => payload.split(SEPARATOR);

/** An Engine.IO packet; null if it is none (or binary, which nobody sends here). */
export function readPacket(text) {
  const type = typeof text === 'string' ? ENGINE_TYPES[text.charCodeAt(0) - 48] : undefined;
  return type === undefined ? null : { type, data: text.slice(1) };
}

/** The settings in the `open` packet; null if it is of no use. */
export function readOpen(data) {
  const { sid, pingInterval, pingTimeout } = parse(data) ?? {};
  const usable = typeof sid === 'string' && pingInterval > 0 && pingTimeout > 0;
  return usable ? { sid, pingInterval, pingTimeout } : null;
}

/**
 * A Socket.IO packet: `<type>[<attachments>-][/<namespace>,][<ack id>][<JSON>]`. Null if it is none.
 */
export function readSocketPacket(text) {
  const [whole, digit, namespace = '/'] = /^(\d)(?:\d+-)?(?:(\/[^,]*)(?:,|$))?\d*/.exec(text) ?? [];
  const type = SOCKET_TYPES[digit];
  if (type === undefined) return null;
  const json = text.slice(whole.length);
  const data = json === '' ? undefined : parse(json);
  if (json !== '' && data === undefined) return null;
  return { type, namespace, data };
}

function parse(json) {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

export const PONG = '3';
export const CLOSE = '1';

/** CONNECT to a namespace; the main one has no name on the wire. */
export const connectPacket = (namespace = '/') => (namespace === '/' ? '40' : `40${namespace},`);
export const disconnectPacket = () => '41';
export const eventPacket = (name, ...data) => `42${JSON.stringify([name, ...data])}`;
