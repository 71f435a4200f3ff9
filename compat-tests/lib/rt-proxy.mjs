// A small TCP proxy to break links with: it can cut them, in the middle of what goes
// over them if wanted, hold everything back, or refuse connections.
import { once } from 'node:events';
import net from 'node:net';

/**
 * Forwards to `port`. "up" is towards that port, "down" is back from it.
 * `filter({ direction, chunk, link })` may change what passes (null: swallow it).
 */
export async function startProxy(port, { filter } = {}) {
  const links = new Set();
  let refusing = false;
  let stalled = false;
  /** `{ left, direction, resolve, all }` while `cutAfterBytes` waits. */
  let armed;
  let opened = 0;
  let destination = port;

  const server = net.createServer({ noDelay: true }, (client) => {
    if (refusing) return client.destroy();
    const target = net.connect({ port: destination, host: '127.0.0.1', noDelay: true });
    const link = { up: target, down: client, heldBack: [], total: { up: 0, down: 0 } };
    links.add(link);
    opened += 1;
    client.on('data', (chunk) => pass(link, 'up', chunk));
    target.on('data', (chunk) => pass(link, 'down', chunk));
    for (const side of [client, target]) {
      side.on('error', () => {});
      // A link that ends while it is held back loses what it held, as on a broken network.
      side.on('close', () => drop(link));
    }
  });

  function drop(link) {
    if (!links.delete(link)) return;
    link.up.destroy();
    link.down.destroy();
  }

  function pass(link, direction, chunk) {
    if (stalled) {
      link.heldBack.push([direction, chunk]);
      return;
    }
    const kept = filter ? filter({ direction, chunk, link }) : chunk;
    link.total[direction] += chunk.length;
    if (!kept || kept.length === 0) return;
    if (armed?.direction !== direction || kept.length < armed.left) {
      if (armed?.direction === direction) armed.left -= kept.length;
      link[direction].write(kept);
      return;
    }
    // The last bytes get through to the other end, then the link is gone.
    const { left, all, resolve } = armed;
    armed = undefined;
    const doomed = all ? [...links] : [link];
    link[direction].write(kept.subarray(0, left), () => {
      doomed.forEach(drop);
      resolve();
    });
    for (const other of doomed) {
      other.up.pause();
      other.down.pause();
    }
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: server.address().port,
    url: `127.0.0.1:${server.address().port}`,
    base: `http://127.0.0.1:${server.address().port}`,
    links,
    /** How many links there have been. */
    opened: () => opened,

    /** Sends new links to another port; those there are stay where they are. */
    forward(to) {
      destination = to;
    },

    /** Ends all links now. */
    cut: () => [...links].forEach(drop),

    /** Ends all links and refuses new ones until `accept()`. */
    refuse() {
      refusing = true;
      [...links].forEach(drop);
    },
    accept() {
      refusing = false;
    },

    /** Holds back everything, both ways, until `resume()`. */
    stall() {
      stalled = true;
    },
    resume() {
      stalled = false;
      for (const link of links) for (const [direction, chunk] of link.heldBack.splice(0)) pass(link, direction, chunk);
    },

    /**
     * Lets `bytes` more pass in `direction`, over whatever link, then ends that link
     * (`all`: every link). Resolves when that has happened; `disarm()` calls it off.
     */
    cutAfterBytes(bytes, direction = 'up', { all = true } = {}) {
      return new Promise((resolve) => {
        armed = { left: Math.max(1, bytes), direction, resolve, all };
      });
    },
    disarm() {
      armed?.resolve();
      armed = undefined;
    },

    async stop() {
      [...links].forEach(drop);
      server.close();
    },
  };
}
