// The HTTP side: http-and-redis.md §1 (order of processing), §2 (routes), §12 (files).
import express from 'express';
import { readFileSync } from 'node:fs';

const DEFAULT_LINKS = { github: 'https://github.com/redis-developer/basic-redis-chat-demo-nodejs' };
const FIRST_NAMES = ['Alice', 'Boris', 'Clara', 'David', 'Elena', 'Felix', 'Grace', 'Henry', 'Irene', 'Jonas', 'Karen', 'Louis'];

const anyOf = (list) => list[Math.floor(Math.random() * list.length)];

export function createApp({ store, session, env }) {
  const links = env.LINKS_FILE ? JSON.parse(readFileSync(env.LINKS_FILE, 'utf8')) : DEFAULT_LINKS;
  const app = express();
  // A refused body and a file never reach the session (§1).
  app.use(express.json());
  app.use(express.static(env.CLIENT_DIR || 'client/build'));
  app.use(session);

  const signedIn = (req, res, next) => (req.session.user ? next() : res.sendStatus(403));
  /** A body, or a plain-text status where there is none. */
  const json = (res, body, otherwise) => (body ? res.json(body) : res.sendStatus(otherwise));

  app.get('/links', (req, res) => res.json(links));
  app.get('/randomname', (req, res) => res.send(anyOf(FIRST_NAMES)));
  app.get('/me', (req, res) => res.json(req.session.user || null));

  // Express 4 does not look at the promise of a handler: a rejected one ends the process (§14).
  app.post('/login', async (req, res) => {
    const { username, password } = req.body;
    const { status, user } = await store.signIn(username, password);
    if (!user) return res.status(status).json({ message: 'Invalid username or password' });
    // The sid is kept (§15.6).
    req.session.user = user;
    return res.status(status).json(user);
  });

  app.post('/logout', signedIn, (req, res) => {
    // The answer does not wait for it (§6).
    req.session.destroy(() => {});
    res.sendStatus(200);
  });

  app.post('/room', signedIn, async (req, res) => {
    const room = await store.createRoom(req.body.user1, req.body.user2);
    json(res.status(room ? 201 : 400), room, 400);
  });

  app.get('/room/0/preload', async (req, res) => res.json(await store.preload()));

  // Anybody signed in reads any room (§15.1).
  app.get('/room/:id/messages', signedIn, async (req, res) => {
    const { offset, size } = req.query;
    res.json(await store.messages(req.params.id, +offset, +size));
  });

  app.get('/users/online', signedIn, async (req, res) => res.json(await store.usersOnline()));

  app.get('/users', async (req, res) => {
    const { ids } = req.query;
    json(res, Array.isArray(ids) && (await store.users(ids)), 404);
  });

  app.get('/rooms/:userId', signedIn, async (req, res) => json(res, await store.roomsOf(req.params.userId), 400));

  return app;
}
