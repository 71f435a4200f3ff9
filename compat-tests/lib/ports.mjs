// Free TCP ports. Bind port 0, read the number, close. Another process can take the
// port in between, so everybody who starts a server here retries on a conflict.
import { createServer } from 'node:net';

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
