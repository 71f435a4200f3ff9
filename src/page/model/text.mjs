// Text as it stands on the wire and as a reader sees it, and what is derived from names and dates.

/** What the server makes of a message's text: it cleans `<` and `>`, without a semicolon. */
export const cleaned = (text) => text.replaceAll('<', '&lt').replaceAll('>', '&gt');

/**
 * The text a reader expects. Only the server's own form is turned back: `&lt;` with a semicolon is
 * what somebody typed, since the server leaves `&` alone.
 */
export const readable = (text) => text.replace(/&lt(?!;)/g, '<').replace(/&gt(?!;)/g, '>');

/** Whether a text holds no half of a character: JSON can carry one, an address can not. */
export const isWellFormed = (text) => !/\p{Surrogate}/u.test(text);

/** One line of a message, for the list of rooms. */
export const preview = (text) => readable(text).slice(0, 200).replace(/\s+/g, ' ').trim();

/** One or two letters that stand for a name. */
export function initials(name) {
  const words = name.trim().split(/[\s._-]+/).filter(Boolean);
  const letters = words.slice(0, 2).map((word) => Array.from(word)[0]);
  return letters.join('').toUpperCase() || '?';
}

/** A colour for a name: the same for everybody, at every visit. */
export function hue(name) {
  let hash = 7;
  for (const char of name) hash = (hash * 31 + char.codePointAt(0)) % 100_003;
  // Steps, so that two colours are either the same or can be told apart.
  return (hash % 15) * 24;
}

const asDate = (seconds) => {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? null : date;
};

const startOfDay = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate());

/** Days from `date` to `now` as the calendar counts them; a day may have 23 or 25 hours. */
const daysBetween = (date, now) => Math.round((startOfDay(now) - startOfDay(date)) / 86_400_000);

/** What two messages of one day have in common; empty for a date that is none. */
export function dayKey(seconds) {
  const date = asDate(seconds);
  return date ? `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}` : '';
}

/** The heading of a day. */
export function dayLabel(seconds, now = new Date(), locale = undefined) {
  const date = asDate(seconds);
  if (!date) return 'Without a date';
  const days = daysBetween(date, now);
  if (days === 0) return 'Today';
  if (days === 1) return 'Yesterday';
  const year = date.getFullYear() === now.getFullYear() ? undefined : 'numeric';
  return date.toLocaleDateString(locale, { weekday: 'long', day: 'numeric', month: 'long', year });
}

/** The time of a message; empty for a date that is none. */
export function timeLabel(seconds, locale = undefined) {
  return asDate(seconds)?.toLocaleTimeString(locale, { hour: '2-digit', minute: '2-digit' }) ?? '';
}

/** The time of a room's last message, as short as it can be. */
export function shortLabel(seconds, now = new Date(), locale = undefined) {
  const date = asDate(seconds);
  if (!date) return '';
  const days = daysBetween(date, now);
  if (days === 0) return timeLabel(seconds, locale);
  if (days === 1) return 'Yesterday';
  if (days > 1 && days < 7) return date.toLocaleDateString(locale, { weekday: 'short' });
  const year = date.getFullYear() === now.getFullYear() ? undefined : 'numeric';
  return date.toLocaleDateString(locale, { day: 'numeric', month: 'short', year });
}

/** The machine-readable form of a date; empty for one that is none. */
export const isoLabel = (seconds) => asDate(seconds)?.toISOString() ?? '';
