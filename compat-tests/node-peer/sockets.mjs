// The chat over Socket.IO and the other servers' events over Redis: realtime.md §8, §9.
import { Server } from 'socket.io';

const CHANNEL = 'MESSAGES';

/** Resolves once the other servers are heard, so that nothing is missed by who waits for the start. */
export async function attachSockets({ server, session, store, client, subscriber, serverId }) {
  const io = new Server(server);

  const publish = (type, data) => client.raw.publish(CHANNEL, JSON.stringify({ serverId, type, data }));

  // §9.2. To everybody, whatever rooms they joined. Text that is no JSON, and reserved types, end the process (§11).
  subscriber.raw.on('message', (_, text) => {
    const { serverId: origin, type, data } = JSON.parse(text);
    if (origin !== serverId) io.emit(type, data);
  });

  // §8.1. Loaded by the first CONNECT from the request that opened the engine connection,
  // and never again; without a response that could end, it is never stored.
  io.use((socket, next) => session(socket.request, {}, next));

  io.on('connection', async (socket) => {
    const { user } = socket.request.session;
    if (!user) return;

    const announce = (type, data) => {
      publish(type, data);
      socket.broadcast.emit(type, data);
    };

    await store.setOnline(user.id, true);
    announce('user.connected', { ...user, online: true });

    // Only now, so what a client sent before is lost (§8.3).
    socket.on('room.join', (id) => socket.join(`room:${id}`));

    // No check of who sends and where to (http-and-redis.md §15.2).
    socket.on('message', async (payload) => {
      const message = await store.takeMessage(payload, (room) => announce('show.room', room));
      publish('message', message);
      io.to(`room:${message.roomId}`).emit('message', message);
    });

    // Also of one of several tabs (§8.6).
    socket.on('disconnect', async () => {
      await store.setOnline(user.id, false);
      announce('user.disconnected', { ...user, online: false });
    });
  });

  await subscriber.subscribe(CHANNEL);
}
