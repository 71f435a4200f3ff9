// The page of somebody who is signed in: two panes, of which a narrow window shows one. The address
// (`#/room/1:2`) says which room is open, so the browser's own back button and a reload work.
import { LONGEST_MESSAGE } from '../session.mjs';
import { ComposerView } from './composer.mjs';
import { ConnectionView } from './connection.mjs';
import { byId, icon, setText, showAvatar } from './dom.mjs';
import { MessagesView } from './messages.mjs';
import { addressOf, drawRooms } from './rooms.mjs';

const NARROW = matchMedia('(max-width: 720px)');

/** The room that is open when nothing else was said and there is space for one. */
const FIRST_ROOM = '0';

export class View {
  #root = byId('chat');
  #session = null;
  #connection;
  #messages;
  #composer;
  #drawing = false;
  /** Whether the address names a room, and whether one is to get the focus. */
  #named = false;
  #awaited = false;
  #unsubscribe = () => {};

  constructor({ onSignOut }) {
    this.#messages = new MessagesView({
      older: (room) => this.#session.sync.readOlder(room),
      again: (message) => this.#session.sendAgain(message),
      moved: () => this.#watch(),
    });
    this.#composer = new ComposerView(LONGEST_MESSAGE, (text) => {
      this.#messages.followNewest();
      this.#session.send(text);
    });
    byId('back').prepend(icon('back'));
    byId('sign-out').addEventListener('click', onSignOut);
    byId('try-now').addEventListener('click', () => this.#session?.retry());
    byId('read-again').addEventListener('click', () => this.#session?.retry());
    addEventListener('hashchange', () => this.#session && this.#openAddress(true));
    document.addEventListener('visibilitychange', () => this.#session && this.#draw());
    document.addEventListener('keydown', (event) => this.#key(event));
    NARROW.addEventListener('change', () => this.#session && this.#openAddress(false));
  }

  /** Shows a session. `notice` greets whoever has just registered. */
  show(session, notice = '') {
    this.#session = session;
    this.#root.hidden = false;
    this.#connection = new ConnectionView(session);
    this.#unsubscribe = session.chat.subscribe(() => this.#schedule());
    showAvatar(byId('my-avatar'), session.chat.me.username);
    setText(byId('my-name'), session.chat.me.username);
    this.problem('');
    setText(byId('welcome'), notice);
    this.#openAddress(false);
    // The room may not be known yet: then its text box gets the focus as soon as it is there.
    this.#awaited = this.#named || !NARROW.matches;
    if (!this.#awaited) byId('rooms-title').focus();
    this.#focusAwaited();
  }

  #focusAwaited() {
    if (!this.#awaited || !this.#session.chat.rooms.has(this.#session.chat.current)) return;
    this.#awaited = false;
    // Unless the reader is somewhere already.
    if (document.activeElement === document.body) this.#focusRoom();
  }

  #focusRoom() {
    // Not the text box on a phone: its keyboard would hide what the reader came for.
    if (NARROW.matches) byId('room-title').focus();
    else this.#composer.focus();
  }

  hide() {
    this.#drawing = false;
    this.#unsubscribe();
    this.#connection?.end();
    this.#session = null;
    this.#root.hidden = true;
    this.#composer.clear();
    byId('rooms').replaceChildren();
    byId('people').replaceChildren();
    byId('log').replaceChildren();
    history.replaceState(null, '', '#/');
  }

  /** A failure that belongs to no message and no room. */
  problem(words) {
    setText(byId('side-error'), words);
  }

  // The open room

  #openAddress(byReader) {
    const named = /^#\/room\/(.+)$/.exec(location.hash)?.[1];
    let roomId = named === undefined ? null : decode(named);
    if (roomId === null && !NARROW.matches) roomId = this.#session.chat.current ?? FIRST_ROOM;
    this.#session.chat.show(roomId);
    this.#named = named !== undefined;
    this.#draw();
    if (!byReader) return;
    setText(byId('welcome'), '');
    if (named === undefined) this.#focusList();
    else this.#focusRoom();
  }

  #focusList() {
    const { current } = this.#session.chat;
    const rows = [...byId('rooms').querySelectorAll('a')];
    const row = rows.find(({ hash }) => hash === addressOf(current ?? this.#last)) ?? rows[0];
    (row ?? byId('rooms-title')).focus();
  }

  /** The room that was left last, where the list goes on. */
  #last = FIRST_ROOM;

  async #openPerson(userId) {
    const session = this.#session;
    try {
      this.problem('');
      const room = await session.privateRoom(userId);
      if (session === this.#session) location.hash = addressOf(room.id);
    } catch (why) {
      if (why.isSignedOut) session.recheck();
      else this.problem(`The chat could not be opened. ${why.message}`);
    }
  }

  #key(event) {
    if (!this.#session || event.isComposing) return;
    if (event.key === 'Escape' && this.#session.chat.current !== null) {
      if (NARROW.matches) location.hash = '#/';
      else this.#focusList();
    } else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      this.#step(event);
    }
  }

  /** Arrow keys go through the lists. */
  #step(event) {
    const list = event.target.closest('.rooms, .people');
    if (!list) return;
    const rows = [...list.querySelectorAll('a, button')];
    const next = rows[rows.indexOf(event.target) + (event.key === 'ArrowDown' ? 1 : -1)];
    event.preventDefault();
    next?.focus();
  }

  // Drawing

  /** Many changes in one go are drawn once. A hidden page has no frames, but a title. */
  #schedule() {
    if (this.#drawing) return;
    this.#drawing = true;
    const draw = () => this.#drawing && this.#session && this.#draw();
    if (document.visibilityState === 'visible') requestAnimationFrame(draw);
    else setTimeout(draw);
  }

  #draw() {
    this.#drawing = false;
    const { chat, sync } = this.#session;
    // A room that there is not is not shown, on a phone least of all: it would hide the list.
    this.#root.dataset.pane = this.#named && chat.rooms.has(chat.current) ? 'room' : 'list';
    drawRooms({ chat, sync, onPerson: (id) => this.#openPerson(id) });
    this.#drawRoom(chat);
    this.#connection.draw();
    const unread = chat.unread();
    const title = unread > 0 ? `(${unread}) Chat` : 'Chat';
    if (document.title !== title) document.title = title;
    this.#watch();
  }

  #drawRoom(chat) {
    const room = chat.rooms.get(chat.current);
    byId('room').dataset.open = String(room !== undefined);
    if (!room) return;
    this.#last = room.id;
    const other = chat.otherIn(room);
    const title = chat.titleOf(room);
    const online = other === undefined ? undefined : chat.isOnline(other);
    showAvatar(byId('room-avatar'), title, { online, isGroup: other === undefined });
    setText(byId('room-title'), title);
    const count = chat.othersOnline().length + 1;
    const everybody = count === 1 ? 'Only you are online' : `${count} online`;
    setText(byId('room-presence'), other === undefined ? everybody : online ? 'Online' : 'Offline');
    this.#composer.show(room.id, title);
    this.#messages.draw(chat, room);
    this.#focusAwaited();
  }

  /** Whether somebody is looking at the newest messages of the open room. */
  #watch() {
    if (!this.#session) return;
    const shown = !NARROW.matches || this.#root.dataset.pane === 'room';
    this.#session.chat.watch(shown && this.#messages.atEnd && document.visibilityState === 'visible');
  }
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
