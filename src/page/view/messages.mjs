// The messages of one room: what was said, by day and sender, and where the reader is in it.
import { dayKey, dayLabel, isoLabel, readable, timeLabel } from '../model/text.mjs';
import { arrange, byId, copyOf, icon, setText, showAvatar } from './dom.mjs';

/** Messages of one sender within so many seconds stand together. */
const TOGETHER = 300;

/** Pixels from an end within which the reader counts as being there. */
const NEAR_END = 60;
const NEAR_START = 400;

/** Milliseconds that a screen reader gets to see a change that it should not read out. */
const SILENCE = 1000;

const STATES = {
  waiting: 'Not sent yet',
  sending: 'Sending…',
  unknown: 'Not sent yet',
  failed: 'Not sent',
};

export class MessagesView {
  #scroller = byId('history');
  #log = byId('log');
  #toNewest = byId('to-newest');
  #on;
  #drawn = null;
  #first = null;
  #atEnd = true;
  #speaking;

  /** `on`: `older(room)`, `again(message)`, `moved()`. */
  constructor(on) {
    this.#on = on;
    this.#toNewest.prepend(icon('down'));
    this.#toNewest.addEventListener('click', () => this.#toEnd());
    this.#scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    byId('older').addEventListener('click', () => this.#on.older(this.#drawn));
    // The keyboard of a phone, or a longer draft, makes room for itself.
    new ResizeObserver(() => this.#atEnd && this.#toEnd()).observe(this.#scroller);
  }

  /** Whether the newest messages are in sight. */
  get atEnd() {
    return this.#atEnd;
  }

  /** Whoever writes wants to see it. */
  followNewest() {
    this.#atEnd = true;
  }

  draw(chat, room) {
    const isOther = room !== this.#drawn;
    this.#drawn = room;
    if (isOther) this.#atEnd = true;
    const first = room.messages[0]?.key;
    if (isOther || first !== this.#first) this.#hush();
    this.#first = first;

    const held = this.#atEnd ? null : this.#firstInSight();
    arrange(this.#log, rowsOf(chat, room, this.#on.again));
    this.#drawEnds(room);
    if (held?.row.isConnected) this.#scroller.scrollTop += held.row.getBoundingClientRect().top - held.top;
    else if (this.#atEnd) this.#toEnd();
    this.#toNewest.hidden = this.#atEnd || room.unread === 0;
    this.#askForOlder();
  }

  #drawEnds(room) {
    byId('older').hidden = room.complete || !room.loaded;
    setText(byId('older'), room.loading ? 'Loading older messages…' : 'Load older messages');
    byId('beginning').hidden = !room.complete || room.messages.length === 0;
    byId('no-messages').hidden = !room.complete || room.messages.length + room.outgoing.length > 0;
    setText(byId('history-error'), room.error);
    byId('read-again').hidden = room.error === '';
  }

  /** Older messages and other rooms are for reading, not for reading out. */
  #hush() {
    this.#log.setAttribute('aria-live', 'off');
    clearTimeout(this.#speaking);
    this.#speaking = setTimeout(() => this.#log.setAttribute('aria-live', 'polite'), SILENCE);
  }

  /** What must not move under the reader's eyes while rows come and go. */
  #firstInSight() {
    const top = this.#scroller.getBoundingClientRect().top;
    for (const row of this.#log.children) {
      const place = row.getBoundingClientRect();
      if (place.bottom > top && !row.classList.contains('day')) return { row, top: place.top };
    }
    return null;
  }

  #toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END;
    if (atEnd !== this.#atEnd) {
      this.#atEnd = atEnd;
      if (atEnd) this.#toNewest.hidden = true;
      this.#on.moved();
    }
    this.#askForOlder();
  }

  #askForOlder() {
    const room = this.#drawn;
    if (this.#scroller.clientHeight === 0 || this.#scroller.scrollTop > NEAR_START) return;
    if (room?.loaded && !room.complete && !room.loading && !room.error) this.#on.older(room);
  }
}

function rowsOf(chat, room, again) {
  const rows = [];
  const days = new Map();
  let before;
  for (const message of [...room.messages, ...room.outgoing]) {
    const isNewDay = !before || dayKey(before.date) !== dayKey(message.date);
    if (isNewDay) rows.push(dayRow(message, days));
    const isFirst = isNewDay || before.from !== message.from || message.date - before.date > TOGETHER;
    rows.push({
      key: message.key,
      make: () => makeMessage(chat, message),
      update: (row) => drawMessage(row, chat, room, message, isFirst, again),
    });
    before = message;
  }
  return rows;
}

function dayRow(message, days) {
  const day = dayKey(message.date);
  // A message that was not sent stands at the end, so its day may come twice.
  const times = (days.get(day) ?? 0) + 1;
  days.set(day, times);
  return {
    key: `day ${day} ${times}`,
    make: () => copyOf('day-row'),
    update: (row) => setText(row.firstElementChild, dayLabel(message.date)),
  };
}

function makeMessage(chat, message) {
  const row = copyOf('message-row');
  const mine = message.from === chat.myId;
  if (mine) row.classList.add('mine');
  setText(row.querySelector('.text'), readable(message.text));
  const time = row.querySelector('time');
  time.dateTime = isoLabel(message.date);
  setText(time, timeLabel(message.date));
  return row;
}

function drawMessage(row, chat, room, message, isFirst, again) {
  const name = chat.nameOf(message.from);
  const mine = message.from === chat.myId;
  const isGroup = chat.otherIn(room) === undefined;
  row.classList.toggle('first', isFirst);
  row.classList.toggle('named', isGroup && !mine && isFirst);
  setText(row.querySelector('bdi'), mine ? 'You' : name);
  const picture = row.querySelector('.picture');
  if (!mine && isGroup) {
    showAvatar(picture, name);
    row.style.setProperty('--hue', picture.style.getPropertyValue('--hue'));
  }
  const state = STATES[message.state] ?? '';
  row.dataset.state = message.state ?? 'sent';
  setText(row.querySelector('.state'), state);
  const button = row.querySelector('.again');
  button.hidden = message.state !== 'failed';
  button.onclick = () => again(message);
}
