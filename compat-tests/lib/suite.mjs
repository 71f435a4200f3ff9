// What most files of cases need: one Redis and one server for the file, the recorded
// database before each case, and requests in one line.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach } from 'node:test';
import { cookies, loadDataset } from './dataset.mjs';
import { send } from './http.mjs';
import { startRedis } from './redis.mjs';
import { startServer } from './target.mjs';

/**
 * Registers the hooks and returns the handle. `options` go to `startServer`. Every case
 * ends with the server alive, or fails.
 */
export function useTarget(options = {}) {
  const t = {
    cookies,

    /** The database as recorded, and a server that runs. */
    async reset() {
      await loadDataset(t.redis.client);
      if (!t.server.alive()) t.server = await startServer({ redis: t.redis, ...options });
    },

    request: (request) => send(t.server, request),
    get: (path, request = {}) => send(t.server, { path, ...request }),
    post: (path, request = {}) => send(t.server, { method: 'POST', path, ...request }),
    /** POST of a JSON body; `body` is text, or data to be written as JSON. */
    postJson: (path, body, { headers = {}, ...request } = {}) =>
      send(t.server, {
        method: 'POST',
        path,
        headers: { 'Content-Type': 'application/json', ...headers },
        body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
        ...request,
      }),

    /** The whole database without sessions must be the same after `action`. */
    async unchanged(action) {
      const earlier = await t.redis.dump();
      const result = await action();
      assert.deepEqual(await t.redis.dump(), earlier, 'Redis was changed');
      return result;
    },
  };

  before(async () => {
    t.redis = await startRedis();
    // Without this the first start would seed; the database comes from the recording.
    await loadDataset(t.redis.client);
    t.server = await startServer({ redis: t.redis, ...options });
  });
  beforeEach(() => t.reset());
  afterEach(() => assert.ok(t.server.alive(), `the server ended: ${t.server.stderr()}`));
  after(async () => {
    await t.server?.stop();
    await t.redis?.stop();
  });
  return t;
}
