// A message, as it is stored and as it travels. What others wrote into the store or sent may have any
// form, so everything is looked at before it is used.
import { cleaned } from './text.mjs';

/** Whether an id has the form that ids have: a number or a text. */
export const isId = (value) => typeof value === 'string' || Number.isFinite(value);

/** A stored or received message; null if it is nothing that can be shown. */
export function readMessage(raw) {
  if (raw === null || typeof raw !== 'object' || Array.isArray(raw)) return null;
  const { roomId, from, message, date } = raw;
  if (typeof message !== 'string' || !isId(from) || !isId(roomId)) return null;
  return stored({ roomId: String(roomId), from: String(from), text: message, date: Number(date) });
}

const stored = (message) => ({ ...message, key: keyOf(message), unread: false });

/**
 * Messages have no id. Two with the same room, sender, text and date are one: the store keeps them
 * once.
 */
export const keyOf = ({ roomId, from, text, date }) => JSON.stringify([roomId, from, text, date]);

/**
 * A message that is to be sent. `state` tells how far it is:
 *
 *   waiting   never handed to a connection
 *   sending   handed over; the echo, which proves that it is stored, has not come yet
 *   unknown   the connection was lost before the echo
 *   failed    it is not in the history: only its author may send it again
 */
export function outgoing({ roomId, from, text, date }) {
  // The key is that of the echo, whose text the server has cleaned.
  const message = stored({ roomId, from: String(from), text: cleaned(text), date });
  return { ...message, state: 'waiting', wire: { roomId, message: text, from, date } };
}

/**
 * Dates for messages of one page, in seconds with milliseconds. Never the same twice, since the
 * store orders equal dates by text and takes equal messages for one.
 */
export function dateSource(now = () => Date.now()) {
  let last = 0;
  return () => {
    last = Math.max(now(), last + 1);
    return last / 1000;
  };
}
