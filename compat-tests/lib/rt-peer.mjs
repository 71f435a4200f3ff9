// The other server of a mixed cluster: PEER_CMD, a command line like TARGET_CMD;
// without it a second one of the target.
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { adopt, end, hasEnded } from './children.mjs';
import { freePort } from './ports.mjs';
import { clientFixture, startServer } from './target.mjs';

const START_TIMEOUT = 20_000;

/** Starts the peer on `redis` and waits until it listens. */
export async function startPeer({ redis }) {
  if (!process.env.PEER_CMD) return startServer({ redis });
  const port = await freePort();
  const [file, ...args] = process.env.PEER_CMD.split(/\s+/).filter(Boolean)
    .map((word) => word.replaceAll('{port}', String(port)).replaceAll('{redis}', redis.url).replaceAll('{client}', clientFixture));
  const env = { ...process.env, PORT: String(port), REDIS_ENDPOINT_URL: redis.url, COMPAT: 'exact', STORE: 'redis', CLIENT_DIR: clientFixture };
  const child = adopt(spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] }));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const deadline = Date.now() + START_TIMEOUT;
  while (!/^Listening on /m.test(output)) {
    if (hasEnded(child) || Date.now() > deadline) throw new Error(`the peer did not start:\n${output}`);
    await sleep(10);
  }
  return { port, base: `http://127.0.0.1:${port}`, alive: () => !hasEnded(child), kill: () => end(child, 'SIGKILL') };
}
