// The clusters of two servers on one Redis that the mixed cases run on.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isUpstream, root, startServer } from './target.mjs';

const folder = join(root, 'compat-tests', 'node-peer');
// `node`: it keeps only what the original promises.
const target = { name: 'target', node: isUpstream };
/** The double of the original, if its packages are installed. */
export const nodePeer = existsSync(join(folder, 'node_modules')) && { name: 'node peer', node: true, commandLine: `${process.execPath} ${join(folder, 'server.mjs')}` };

/**
 * Pairs of `cand` and `ref`, as the recordings call them. PEER_CMD, a command line like
 * TARGET_CMD, names the only peer; else the target runs beside itself and beside the
 * double of the original, and that beside itself, which tells whose fault a failure is.
 */
export function clusters() {
  if (process.env.PEER_CMD) return [{ cand: target, ref: { name: 'PEER_CMD', node: true, commandLine: process.env.PEER_CMD } }];
  const beside = [{ cand: target, ref: target }];
  if (nodePeer) return [...beside, { cand: target, ref: nodePeer }, { cand: nodePeer, ref: nodePeer }];
  console.error('The mixed cases run without the node peer: `npm ci --ignore-scripts` in compat-tests/node-peer installs it.');
  return beside;
}

/** Starts one server of a cluster on `redis` and waits until it listens; `options` as of `startServer`. */
export const startOne = ({ commandLine }, redis, options) => startServer({ redis, commandLine, ...options });
