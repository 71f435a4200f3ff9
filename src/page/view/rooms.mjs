// The list of rooms, and of the people to start one with.
import { isoLabel, preview, shortLabel } from '../model/text.mjs';
import { arrange, byId, copyOf, setText, showAvatar } from './dom.mjs';

export const addressOf = (roomId) => `#/room/${encodeURIComponent(roomId)}`;

export function drawRooms({ chat, sync, onPerson }) {
  const rooms = chat.sortedRooms();
  arrange(byId('rooms'), rooms.map((room) => ({ key: room.id, make: () => makeRoom(room), update: (row) => drawRoom(row, chat, room) })));
  byId('rooms-empty').hidden = rooms.length > 0 || sync.error !== '';
  const people = chat.othersOnline();
  arrange(byId('people'), people.map((user) => ({ key: user.id, make: () => makePerson(user, onPerson), update: (row) => drawPerson(row, user) })));
  byId('people-empty').hidden = people.length > 0;
}

function makeRoom(room) {
  const row = copyOf('room-row');
  row.querySelector('a').href = addressOf(room.id);
  return row;
}

function drawRoom(row, chat, room) {
  const other = chat.otherIn(room);
  const title = chat.titleOf(room);
  const link = row.querySelector('a');
  if (room.id === chat.current) link.setAttribute('aria-current', 'page');
  else link.removeAttribute('aria-current');
  const online = other === undefined ? undefined : chat.isOnline(other);
  showAvatar(row.querySelector('.picture'), title, { online, isGroup: other === undefined });
  setText(row.querySelector('.name'), title);
  drawLast(row, chat, room, other !== undefined);
  drawUnread(row.querySelector('.unread'), room);
}

function drawLast(row, chat, room, isPrivate) {
  const last = room.outgoing.at(-1) ?? room.last;
  const when = row.querySelector('.when');
  when.dateTime = last ? isoLabel(last.date) : '';
  setText(when, last ? shortLabel(last.date) : '');
  let words = '';
  if (last) {
    const mine = last.from === chat.myId;
    const sender = mine ? 'You' : isPrivate ? '' : chat.nameOf(last.from);
    words = (sender && `${sender}: `) + preview(last.text);
  } else if (room.error) words = room.error;
  else if (room.loaded) words = 'No messages yet';
  setText(row.querySelector('.preview'), words);
}

function drawUnread(node, room) {
  const count = room.unread;
  node.hidden = count === 0;
  // The list has no column for more than two digits.
  setText(node, count > 99 ? '99+' : String(count));
  node.setAttribute('aria-label', `${count} unread`);
  node.setAttribute('role', 'img');
}

function makePerson(user, onPerson) {
  const row = copyOf('person-row');
  row.querySelector('button').addEventListener('click', () => onPerson(user.id));
  return row;
}

function drawPerson(row, user) {
  showAvatar(row.querySelector('.picture'), user.username, { online: true });
  setText(row.querySelector('.name'), user.username);
}
