// How the built-in page is served: like static files, http-and-redis.md §12, with a policy of its own.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startBackend } from '../../lib/browser.mjs';
import { has } from '../../lib/capabilities.mjs';
import { send } from '../../lib/http.mjs';
import { root } from '../../lib/target.mjs';

const folder = join(root, 'src', 'page');
const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.path, entry.name).slice(folder.length + 1));

test('there is no way to make markup of text in the page', () => {
  for (const file of files.filter((name) => /\.(mjs|html)$/.test(name))) {
    const source = readFileSync(join(folder, file), 'utf8');
    assert.doesNotMatch(source, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|\beval\(|new Function|setHTML|DOMParser|srcdoc/, file);
    assert.doesNotMatch(source, /\s(on\w+|style)="/, file);
    assert.doesNotMatch(source, /<script>|<style>/, file);
    // Nor does it load anything from elsewhere. (The address of a namespace is only a name.)
    assert.doesNotMatch(source.replaceAll('http://www.w3.org/2000/svg', ''), /https?:\/\//, file);
  }
});

if (has('page')) {
  let backend;
  before(async () => {
    backend = await startBackend();
  });
  after(() => backend?.stop());
  const request = (options) => send(backend.server, options);

  test('every file is served, without a session', async () => {
    assert.ok(files.length > 20);
    for (const file of files) {
      const answer = await request({ path: `/${file}` });
      assert.equal(answer.status, 200, file);
      assert.equal(answer.body.toString(), readFileSync(join(folder, file), 'utf8'), file);
      assert.equal(answer.get('set-cookie'), undefined, file);
      assert.equal(answer.get('cache-control'), 'public, max-age=0');
      assert.equal(answer.get('x-content-type-options'), 'nosniff');
      assert.equal(answer.get('x-powered-by'), 'Express');
    }
  });

  test('the root is the page, with a strict policy', async () => {
    const page = await request({ path: '/' });
    assert.equal(page.get('content-type'), 'text/html; charset=UTF-8');
    const policy = page.get('content-security-policy');
    for (const rule of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]) {
      assert.ok(policy.split('; ').includes(rule), rule);
    }
    assert.doesNotMatch(policy, /unsafe|\*/);
    const again = await request({ path: '/', headers: { 'If-None-Match': page.get('etag') } });
    assert.deepEqual([again.status, again.body.length, again.get('etag')], [304, 0, page.get('etag')]);
    const head = await request({ method: 'HEAD', path: '/' });
    assert.deepEqual([head.status, head.get('content-length'), head.body.length], [200, page.get('content-length'), 0]);
  });

  test('what is not the page’s falls through to the routes and the 404 page', async () => {
    for (const [method, path, status] of [['POST', '/', 404], ['PUT', '/main.mjs', 404], ['GET', '/nope', 404], ['GET', '/view/', 404], ['GET', '/me', 200]]) {
      const answer = await request({ method, path });
      assert.equal(answer.status, status, `${method} ${path}`);
      assert.match(answer.get('set-cookie'), /^connect\.sid=/, `${method} ${path}`);
    }
  });
}
