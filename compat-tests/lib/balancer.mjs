// A small TCP load balancer: clients keep one address while servers come and go behind it.
import { once } from 'node:events';
import net from 'node:net';

const HEAD_LIMIT = 16_384;

/**
 * Each connection goes to the port that `route({ cookie, sid })` gives for its first
 * request: `cookie` is the value of connect.sid, `sid` the Engine.IO session that the
 * request belongs to, if any. Without a port the connection is refused.
 * `filter({ chunk, cookie })` may change what a server sends (an empty chunk: swallow it).
 */
export async function startBalancer({ route, filter }) {
  const links = new Set();

  const listener = net.createServer({ noDelay: true }, (client) => {
    let head = Buffer.alloc(0);
    client.on('error', () => {});
    client.on('data', function collect(chunk) {
      head = Buffer.concat([head, chunk]);
      if (!head.includes('\r\n\r\n') && head.length < HEAD_LIMIT) return;
      client.off('data', collect);
      client.pause();
      const asked = about(head.toString('latin1'));
      const port = route(asked);
      if (port === undefined) client.destroy();
      else forward(client, head, port, asked);
    });
  });

  function forward(client, head, port, { cookie }) {
    const server = net.connect({ port, host: '127.0.0.1', noDelay: true });
    const link = { client, server };
    links.add(link);
    server.on('error', () => {});
    server.write(head);
    client.pipe(server);
    if (filter) {
      server.on('data', (chunk) => {
        const kept = filter({ chunk, cookie });
        if (kept.length > 0) client.write(kept);
      });
      server.on('end', () => client.end());
    } else {
      server.pipe(client);
    }
    client.on('close', () => {
      links.delete(link);
      server.destroy();
    });
    // What the server said last still reaches the client; a dead server has no more to say.
    server.on('close', () => (client.writableEnded ? undefined : client.destroy()));
  }

  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    base: `http://127.0.0.1:${listener.address().port}`,
    stop() {
      listener.close();
      for (const { client, server } of links) {
        client.destroy();
        server.destroy();
      }
    },
  };
}

function about(head) {
  return {
    cookie: /^cookie:.*?\bconnect\.sid=([^;\s]+)/im.exec(head)?.[1],
    sid: /^\S+ \S*[?&]sid=([^&\s]+)/.exec(head)?.[1],
  };
}
