// The unmodified Socket.IO clients that a user of the chat may have.
import { io as io40 } from 'sio-client-4';
import io31 from 'sio-client-31';
import io30 from 'socket.io-client';

export const versions = { '3.0': io30, '3.1': io31, '4': io40 };
export const transports = { websocket: ['websocket'], polling: ['polling'], upgrading: ['polling', 'websocket'] };
/**
 * A stock client. `log` gets what happens to it: `connect`, `disconnect:<reason>`,
 * and the events it is told to listen for.
 */
export function stock(base, { version = '3.0', transport = 'upgrading', cookie, events = [], path = '/', ...options } = {}) {
  const socket = versions[version](`${base}${path === '/' ? '' : path}`, {
    transports: transports[transport], extraHeaders: cookie ? { Cookie: cookie } : {}, forceNew: true,
    reconnectionDelay: 50, reconnectionDelayMax: 200, ...options,
  });
  socket.log = [];
  socket.on('connect', () => socket.log.push('connect'));
  socket.on('disconnect', (reason) => socket.log.push(`disconnect:${reason}`));
  for (const event of events) socket.on(event, (data) => socket.log.push([event, data]));
  /** The transport in use, once the upgrade is over. */
  socket.transportName = () => socket.io.engine?.transport?.name;
  /** Ends it for good: a socket that was refused its namespace does not end its connection by itself. */
  socket.shut = () => {
    socket.close();
    socket.io._close();
  };
  return socket;
}

/** Resolves with the arguments of the next `event`. */
export function once(emitter, event, ms = 10_000) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${event} within ${ms} ms`)), ms);
    emitter.once(event, (...values) => {
      clearTimeout(timer);
      resolve(values);
    });
  });
}

export const connected = (socket, ms) => (socket.connected ? Promise.resolve() : once(socket, 'connect', ms));
