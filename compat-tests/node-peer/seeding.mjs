// The demo data of an empty database: http-and-redis.md §11.
const NAMES = ['Pablo', 'Joe', 'Mary', 'Alex'];
const GREETINGS = ['Hello', 'Hi', 'Yo', 'Hola'];
const GENERAL = [
  'Hello!',
  'Hi, How are you? What about our next meeting?',
  'Yeah everything is fine',
  'Next meeting tomorrow 10.00AM',
  "Wow that's great",
];

const anyOf = (list) => list[Math.floor(Math.random() * list.length)];
const now = () => Math.floor(Date.now() / 1000);

/** What is missing after an end midway is never made up for: only `total_users` is looked at. */
export async function seed(store) {
  await store.client.set('total_users', 0);
  await store.client.set('room:0:name', 'General');
  const users = [];
  for (const name of NAMES) users.push(await store.register(name, 'password123'));

  const pairs = new Set();
  for (const user of users) {
    for (const other of users) {
      if (other === user) continue;
      const roomId = [user.id, other.id].sort((a, b) => a - b).join(':');
      if (!pairs.has(roomId)) await store.createRoom(user.id, other.id);
      pairs.add(roomId);
      await store.storeMessage({ from: other.id, date: now() - Math.random() * 222, message: anyOf(GREETINGS), roomId });
    }
  }
  for (const [n, message] of GENERAL.entries()) {
    const date = now() - 200 * (GENERAL.length - n);
    await store.storeMessage({ from: anyOf(users).id, date, message, roomId: '0' });
  }
}
