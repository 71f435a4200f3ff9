// Who may read and make which room over HTTP, with COMPAT=safe (http-and-redis.md §15, 1 and 4).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { has } from '../../lib/capabilities.mjs';
import { message, useSafe } from '../../lib/safe.mjs';

const t = useSafe();
const read = (person, room) => person.ask('GET', `/room/${room}/messages?offset=0&size=5`);

/** A refusal is JSON with a sentence. */
function refused({ status, body }) {
  assert.equal(status, 403);
  assert.equal(typeof body.message, 'string');
}

describe('messages of a room', () => {
  test('both its users read it, a third does not', async () => {
    const [a, b, c] = [await t.newcomer(), await t.newcomer(), await t.newcomer()];
    const room = await t.room(a, b);
    const socket = await t.socket(a);
    socket.emit('message', message(a, room, 'private'));
    await socket.next((frame) => frame.includes?.('private'));
    for (const member of [a, b]) assert.deepEqual(await t.history(member, room), ['private']);
    refused(await read(c, room));
  });
  test('the general room is for everybody who is signed in', async () => {
    assert.equal((await read(await t.newcomer(), '0')).status, 200);
  });
  test('a room of nobody, another form of an own one, and one of others with no messages', async () => {
    const a = await t.newcomer();
    for (const room of ['nowhere', `${a.id}:1`, `0${a.id}:999999`, `1:${a.id}:2`, `${a.id}:${a.id}`, '1:2', `0:name`]) refused(await read(a, encodeURIComponent(room)));
  });
  test('before the check nothing is told of bad numbers', async () => {
    const a = await t.newcomer();
    refused(await a.ask('GET', '/room/1:2/messages?offset=x&size=5'));
    assert.equal((await a.ask('GET', '/room/0/messages?offset=x&size=5')).status, 400);
  });
});

describe('rooms of a user', () => {
  test('one sees one\'s own, not those of others', async () => {
    const [a, b] = [await t.newcomer(), await t.newcomer()];
    assert.deepEqual((await a.get(`/rooms/${a.id}`)).map(({ id }) => id), ['0']);
    refused(await a.ask('GET', `/rooms/${b.id}`));
    refused(await a.ask('GET', '/rooms/1'));
    refused(await a.ask('GET', `/rooms/0${a.id}`));
  });
});

describe('a new private room', () => {
  test('is made by one of its users, in either place, again and again', async () => {
    const [a, b] = [await t.newcomer(), await t.newcomer()];
    for (const [user1, user2] of [[a.id, b.id], [b.id, a.id], [String(a.id), `${b.id}`]]) {
      const { status, body } = await a.ask('POST', '/room', { user1, user2 });
      assert.equal(status, 201);
      assert.equal(body.id, `${a.id}:${b.id}`);
    }
  });
  test('is not made by a third, nor with somebody who does not exist', async () => {
    const [a, b, c] = [await t.newcomer(), await t.newcomer(), await t.newcomer()];
    refused(await c.ask('POST', '/room', { user1: a.id, user2: b.id }));
    refused(await a.ask('POST', '/room', { user1: a.id, user2: 999_999 }));
    if (has('redis')) {
      for (const { id } of [a, b]) assert.deepEqual(await t.redis.client.smembers(`user:${id}:rooms`), ['0']);
      assert.equal(await t.redis.client.exists('user:999999:rooms'), 0);
    }
  });
  test('with oneself or without an id is what it ever was', async () => {
    const a = await t.newcomer();
    for (const body of [{ user1: a.id, user2: a.id }, {}, { user1: a.id }]) assert.equal((await a.ask('POST', '/room', body)).status, 400);
  });
});

test('names and the general room need no session; the rest is refused as ever', async () => {
  const { id } = await t.newcomer();
  for (const path of [`/users?ids[]=${id}`, '/room/0/preload', '/me', '/links', '/randomname']) assert.equal((await t.request(path)).status, 200, path);
  for (const path of ['/users/online', `/rooms/${id}`, '/room/0/messages?offset=0&size=1']) {
    const { status, text } = await t.request(path);
    assert.deepEqual({ status, text }, { status: 403, text: 'Forbidden' }, path);
  }
});
