// Reading the history of a room in pages. `fetchPage(offset)` gives `{count, messages}`: what stands
// from the `offset`-th newest message on, up to PAGE, newest first. `count` includes what can't be
// shown. `keep(message, missed)` puts a message into the room; one is missed if it was sent while
// the connection was lost.

/** Messages in a page: the server takes the end of the range as included. */
export const PAGE = 31;

/** Pages that are read to close a gap. A longer gap is left to whoever scrolls up. */
const CATCH_UP_PAGES = 8;

/** Pages by which the place of the oldest message may differ from what was counted. */
const SEARCHES = 8;

/**
 * Reads from the newest message back to what was known when the connection was lost (the room's
 * anchor), or the newest page if nothing is known.
 */
export async function catchUp(room, fetchPage, keep) {
  const anchor = room.anchor ?? new Set(room.loaded ? room.messages.map(({ key }) => key) : []);
  const lost = room.anchor !== null;
  let offset = 0;
  for (let pages = 1; ; pages += 1) {
    const page = await fetchPage(offset);
    for (const message of page.messages) keep(message, lost && !anchor.has(message.key));
    const oldest = page.messages.at(-1);
    if (page.count < PAGE) {
      room.complete = true;
      break;
    }
    if (anchor.size === 0 || (oldest && anchor.has(oldest.key))) break;
    if (pages === CATCH_UP_PAGES) {
      if (oldest) room.forgetBefore(oldest.key);
      break;
    }
    offset += page.count;
  }
  room.anchor = null;
  room.loaded = true;
}

/** Reads one page of what is older than what is known. */
export async function loadOlder(room, fetchPage, keep) {
  const known = new Set(room.messages.map(({ key }) => key));
  // One message of overlap shows that nothing is left out in between.
  let offset = Math.max(room.messages.length - 1, 0);
  for (let searches = 1; ; searches += 1) {
    const page = await fetchPage(offset);
    const joined = offset === 0 || page.messages.some(({ key }) => known.has(key));
    if (joined || searches === SEARCHES) {
      for (const message of page.messages) keep(message, false);
      room.complete = page.count < PAGE;
      room.loaded = true;
      return;
    }
    // Fewer messages are stored than were counted here, for example since a twin is stored once.
    offset = Math.max(offset - (PAGE - 1), 0);
  }
}
