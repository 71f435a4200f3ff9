// Messages that are not known to be stored outlive a reload of the tab. After it they are treated like
// any others: looked for in the history, and sent again only if their author says so.

const keyOf = (userId) => `chat.unsent.${userId}`;

const isMessage = ({ state, wire } = {}) =>
  typeof state === 'string' && typeof wire?.roomId === 'string' && typeof wire.message === 'string' && Number.isFinite(wire.date);

/** `storage` is like sessionStorage; it may refuse. */
export function save(userId, unsent, storage) {
  try {
    if (unsent.length > 0) storage?.setItem(keyOf(userId), JSON.stringify(unsent));
    else storage?.removeItem(keyOf(userId));
  } catch {
    // Then they live as long as the page.
  }
}

export function load(userId, storage) {
  try {
    const stored = JSON.parse(storage?.getItem(keyOf(userId)) ?? '[]');
    return Array.isArray(stored) ? stored.filter((item) => item !== null && isMessage(item)) : [];
  } catch {
    return [];
  }
}
