// A test double of the original chat server, written from docs/contract/ and run on the
// libraries that the original runs on. It has the original's weaknesses too: what ends
// that process (http-and-redis.md §14, realtime.md §11) ends this one.
import dotenv from 'dotenv';
import expressSession from 'express-session';
import connectRedis from 'connect-redis';
import { createServer } from 'node:http';
import { networkInterfaces } from 'node:os';
import { createApp } from './http.mjs';
import { connect } from './redis.mjs';
import { attachSockets } from './sockets.mjs';
import { Store } from './store.mjs';
import { seed } from './seeding.mjs';

dotenv.config();

/** http-and-redis.md §10: only compared for equality, so any text of its own will do. */
function serverId(port) {
  const external = Object.values(networkInterfaces()).flat().find(({ family, internal }) => family === 'IPv4' && !internal);
  return process.env.SERVER_ID || `${external?.address ?? '127.0.0.1'}:${port}`;
}

// §13. Redis errors that nobody handles end the process: a lost Redis does too.
const port = process.env.PORT || parseInt(process.argv[2], 10) || 4000;
const client = connect(process.env);
const subscriber = connect(process.env);

const RedisStore = connectRedis(expressSession);
// §6. Stored by every request, changed or not: that is how updates get lost.
const session = expressSession({
  store: new RedisStore({ client: client.raw }),
  secret: process.env.SESSION_SECRET || 'keyboard cat',
  resave: true,
  saveUninitialized: true,
});

const store = new Store(client);
// §11. Before anything is listened to.
if (!(await client.exists('total_users'))) await seed(store);

const server = createServer(createApp({ store, session, env: process.env }));
await attachSockets({ server, session, store, client, subscriber, serverId: serverId(port) });

const listening = () => console.log(`Listening on ${port}...`);
if (process.env.PORT) server.listen({ port, host: '0.0.0.0' }, listening);
else server.listen({ port }, listening);
