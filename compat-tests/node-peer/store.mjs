// Users, rooms and messages in Redis: the keys of http-and-redis.md §7, the command
// sequences of §8. One command after the other, each awaiting its reply.
import { fits, hash } from './passwords.mjs';

const HTML = [['<', '&lt'], ['>', '&gt']];

/** §9: without semicolons, and nothing but `message` is cleaned. What is no text may throw. */
function cleaned(text) {
  return HTML.reduce((result, [char, escape]) => (result.includes(char) ? result.replaceAll(char, escape) : result), text);
}

export class Store {
  constructor(client) {
    this.client = client;
  }

  async register(username, password) {
    const hashed = await hash(password);
    const id = await this.client.incr('total_users');
    const key = `user:${id}`;
    await this.client.set(`username:${username}`, key);
    await this.client.hmset(key, 'username', username, 'password', hashed);
    await this.client.sadd(`${key}:rooms`, '0');
    return { id, username };
  }

  /** §2 "/login". The id is a number at registration and text ever after. */
  async signIn(username, password) {
    const nameKey = `username:${username}`;
    if (!(await this.client.exists(nameKey))) return { status: 201, user: await this.register(username, password) };
    const key = await this.client.get(nameKey);
    const { password: stored } = await this.client.hgetall(key);
    if (!(await fits(password, stored))) return { status: 404 };
    return { status: 200, user: { id: key.split(':').pop(), username } };
  }

  /** The name in a list, `[null]` for an unknown user. */
  nameOf(id) {
    return this.client.hmget(`user:${id}`, 'username');
  }

  /** §2 "/room". Undefined for two that make no room; `0x` is hexadecimal, hence no radix. Names and sets are in the order asked for. */
  async createRoom(user1, user2) {
    const users = [parseInt(user1), parseInt(user2)];
    if (users.some(Number.isNaN) || users[0] === users[1]) return undefined;
    const id = [Math.min(...users), Math.max(...users)].join(':');
    for (const user of users) await this.client.sadd(`user:${user}:rooms`, id);
    return { id, names: [await this.nameOf(users[0]), await this.nameOf(users[1])] };
  }

  /** §2 "/rooms/:userId". Undefined if one of them is neither named nor between two users. */
  async roomsOf(userId) {
    const rooms = [];
    for (const id of await this.client.smembers(`user:${userId}:rooms`)) {
      const name = await this.client.get(`room:${id}:name`);
      if (name) {
        rooms.push({ id, names: [name] });
      } else if (await this.client.exists(`room:${id}`)) {
        const users = id.split(':');
        if (users.length !== 2) return undefined;
        rooms.push({ id, names: [await this.nameOf(users[0]), await this.nameOf(users[1])] });
      }
    }
    return rooms;
  }

  /** Newest first, both ends included: up to `size` + 1. */
  async messages(roomId, offset, size) {
    const key = `room:${roomId}`;
    if (!(await this.client.exists(key))) return [];
    const members = await this.client.zrevrange(key, offset, offset + size);
    return members.map((member) => JSON.parse(member));
  }

  async preload() {
    const name = await this.client.get('room:0:name');
    return { id: '0', name, messages: await this.messages('0', 0, 20) };
  }

  async users(ids) {
    const users = {};
    for (const id of ids) {
      const { username } = await this.client.hgetall(`user:${id}`);
      users[id] = { id, username, online: Boolean(await this.client.sismember('online_users', id)) };
    }
    return users;
  }

  async usersOnline() {
    const users = {};
    for (const id of await this.client.smembers('online_users')) {
      const { username } = await this.client.hgetall(`user:${id}`);
      users[id] = { id, username, online: true };
    }
    return users;
  }

  setOnline(userId, online) {
    return online ? this.client.sadd('online_users', userId) : this.client.srem('online_users', userId);
  }

  storeMessage(message) {
    return this.client.zadd(`room:${message.roomId}`, `${message.date}`, JSON.stringify(message));
  }

  /**
   * realtime.md §8.5. Gives the message as it is passed on, once it is stored.
   * `showRoom(room)` is called before that for the first message of a private room.
   */
  async takeMessage(payload, showRoom) {
    const message = { ...payload, message: cleaned(payload.message) };
    const { roomId, from } = message;
    await this.setOnline(from, true);
    const isNamed = await this.client.exists(`room:${roomId}:name`);
    const hasMessages = await this.client.exists(`room:${roomId}`);
    if (!isNamed && !hasMessages) {
      const [a, b] = roomId.split(':');
      showRoom({ id: roomId, names: [await this.nameOf(a), await this.nameOf(b)] });
    }
    await this.storeMessage(message);
    return message;
  }
}
