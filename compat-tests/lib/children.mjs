// Child processes that must not outlive the test run: each is ended by its own pid.
import { once } from 'node:events';

const alive = new Set();

function killAll() {
  for (const child of alive) {
    try {
      child.kill('SIGKILL');
    } catch {
      // It ended by itself a moment ago.
    }
  }
}

process.on('exit', killAll);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    killAll();
    process.exit(1);
  });
}

/** Ends `child` together with this process. */
export function adopt(child) {
  alive.add(child);
  child.once('exit', () => alive.delete(child));
  return child;
}

export const hasEnded = (child) => child.exitCode !== null || child.signalCode !== null;

/** Resolves with the exit code, or `{ signal }` if a signal ended the child. */
export async function ended(child) {
  if (!hasEnded(child)) await once(child, 'exit');
  return child.exitCode ?? { signal: child.signalCode };
}

/** Sends `signal`, waits `patience` ms for the end, then kills. */
export async function end(child, signal = 'SIGTERM', patience = 10_000) {
  if (hasEnded(child)) return ended(child);
  const timer = setTimeout(() => child.kill('SIGKILL'), patience);
  // A stopped process takes no SIGTERM until it is continued.
  child.kill(signal);
  child.kill('SIGCONT');
  const code = await ended(child);
  clearTimeout(timer);
  return code;
}
