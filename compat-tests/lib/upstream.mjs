// The original's own client in a headless Chromium: the backends it is tried on, and what its users see.
// Without a copy of it (upstream-client/) nothing is registered.
import { existsSync } from 'node:fs';
import { after, afterEach, before, describe } from 'node:test';
import { BUILD, differences } from '../../upstream-client/sums.mjs';
import { has } from './capabilities.mjs';
import { DEMO_PASSWORD, Pages, Peer, eventually, startBackend, startBrowser } from './browser.mjs';
import { Ws } from './engine.mjs';
import { startRedis } from './redis.mjs';
import { nodePeer } from './rt-peer.mjs';
import { startProxy } from './rt-proxy.mjs';
import { isUpstream, startServer } from './target.mjs';

/** `safe` in the handle: what the original gets wrong for its users is right there (COMPAT=safe). */
/** `node`: the original's server, with two weaknesses that we don't have: a second CONNECT, and what is sent right after one. */
const onRedis = { name: 'target on Redis', node: isUpstream };
const onFile = { name: 'target on its file', node: false, embedded: true };
const node = nodePeer;
// What a Node server does is told once, beside a target of its own degree.
export const allBackends = () => [onRedis, has('embedded') && onFile, !has('safe') && node].filter(Boolean);

/** Registers `cases(t)` with a browser, `t.chromium`. */
export function useClient(cases) {
  if (!existsSync(BUILD)) return;
  // One that somebody has changed would tell nothing.
  const wrong = differences(BUILD);
  if (wrong.length > 0) throw new Error(`upstream-client/build is not the pinned build; get it anew:\n${wrong.join('\n')}`);
  const t = {};
  before(async () => {
    t.chromium = await startBrowser();
  });
  after(() => t.chromium?.stop());
  cases(t);
}

/** Registers `cases(t)` for every backend, each with a server of its own. */
export function useBackends(cases) {
  useClient((file) => {
    for (const { name, node: isNode, embedded = false, commandLine } of allBackends()) describe(name, () => {
      const t = { name, node: isNode, safe: has('safe') };
      before(async () => {
        t.backend = await startBackend({ embedded, commandLine, clientDir: BUILD });
        t.pages = new ClientPages(file.chromium.browser, t.backend, { late: isNode });
      });
      afterEach(() => t.pages.closeAll());
      after(() => t.backend?.stop());
      cases(t);
    });
  });
}

/**
 * Registers `cases(t)` for the two kinds of server on one Redis, `t.first` and `t.second`, each in either
 * place. `t.link` is a proxy to the first, for pages whose server is to be swapped.
 */
export function usePairs(cases) {
  if (!node) return;
  useClient((file) => {
    for (const [first, second] of [[onRedis, node], [node, onRedis]]) describe(`${first.name}, then ${second.name}`, () => {
      const t = { name: `${first.name} first`, safe: has('safe') };
      before(async () => {
        t.redis = await startRedis();
        t.first = await startServer({ redis: t.redis, clientDir: BUILD, commandLine: first.commandLine });
        t.second = await startServer({ redis: t.redis, clientDir: BUILD, commandLine: second.commandLine });
        t.ours = first === onRedis ? t.first : t.second;
        t.link = await startProxy(t.first.port);
        t.pages = new ClientPages(file.chromium.browser, t.link, { late: true });
      });
      afterEach(() => t.pages.closeAll());
      after(async () => {
        await t.link?.stop();
        await t.first?.kill();
        await t.second?.kill();
        await t.redis?.stop('SIGKILL');
      });
      cases(t);
    });
  });
}

export class ClientPages extends Pages {
  /** `late`: for a server that loses what a page sends right after CONNECT, as the original does (realtime.md §8.3). */
  constructor(browser, backend, { late = false } = {}) {
    super(browser, backend);
    this.late = late;
  }

  /**
   * Notes in `page.traffic` what the page sends and receives: `events` over the socket, by whatever transport,
   * CONNECTs since it was loaded, WebSockets that were `closed`, `refused` requests, and what is `open`, on its way.
   */
  async watch(page) {
    const traffic = { events: [], connects: 0, closed: 0, joined: false, refused: [], open: new Set(), last: Date.now() };
    page.traffic = traffic;
    const packets = (direction, payload) => {
      for (const packet of String(payload).split('\x1e')) {
        if (direction === 'sent' && packet === '40') traffic.connects += 1;
        if (packet.startsWith('40{')) traffic.joined = true;
        if (packet === '41') traffic.joined = false;
        if (packet.startsWith('42')) traffic.events.push([direction, ...JSON.parse(packet.slice(2))]);
      }
    };
    page.on('websocket', (socket) => {
      socket.on('framesent', ({ payload }) => packets('sent', payload));
      socket.on('framereceived', ({ payload }) => packets('received', payload));
      socket.on('close', () => (traffic.closed += 1));
    });
    const isSocket = (request) => new URL(request.url()).pathname === '/socket.io/';
    const begun = (request) => {
      if (!isSocket(request)) traffic.open.add(request);
      traffic.last = Date.now();
    };
    const ended = (request) => {
      if (traffic.open.delete(request)) traffic.last = Date.now();
    };
    page.on('request', begun);
    page.on('requestfinished', ended);
    page.on('requestfailed', ended);
    page.on('framenavigated', () => {
      // Of what a page that is left had asked for no end is told.
      traffic.open.clear();
      traffic.connects = 0;
      traffic.joined = false;
    });
    page.on('request', (request) => {
      if (isSocket(request) && request.method() === 'POST') packets('sent', request.postData());
    });
    page.on('response', async (response) => {
      const request = response.request();
      const { pathname } = new URL(request.url());
      if (response.status() >= 400) traffic.refused.push(`${response.status()} ${request.method()} ${pathname}`);
      if (isSocket(request) && request.method() === 'GET' && response.status() === 200) {
        // A page that is left takes the body with it.
        packets('received', await response.text().catch(() => ''));
      }
    });
    if (this.late) {
      // It joins its rooms when it knows them. By then the server has long taken its socket in.
      await page.route('**/rooms/*', async (route) => {
        await eventually(() => traffic.joined, 'the socket is there').catch(() => {});
        // The page may have been left.
        await route.continue().catch(() => {});
      });
    }
  }

  async signIn(page, username) {
    await submit(page, username);
    await signedIn(page);
  }

  /**
   * A page of somebody who is signed in, with a session that was made beside it: that is quicker than the form,
   * which offers the four demo users alone.
   */
  async user(username, { base = this.backend.base, ...options } = {}) {
    const { cookie } = await Peer.enter({ base }, username);
    const { hostname } = new URL(base);
    const [name, value] = cookie.split('=');
    const storageState = { cookies: [{ name, value, domain: hostname, path: '/', httpOnly: true, expires: -1, secure: false, sameSite: 'Lax' }], origins: [] };
    return signedIn(await this.open({ ...options, base, context: { storageState } }));
  }

  /** One more tab of the same browser. */
  further = async (page) => signedIn(await this.tab(page.context(), page.url()));
}

/**
 * Until nothing is on its way. While it loads, the client asks for the messages of a room many times over, and
 * every answer replaces what is shown, so what is heard before the last one may be lost, on any backend.
 */
export function settled({ traffic }) {
  const still = () => traffic.connects > 0 && traffic.open.size === 0 && Date.now() - traffic.last > 200;
  return eventually(still, 'the page has loaded everything');
}

/**
 * Until the chats are there, with one socket. Now and then the page sends a second CONNECT, of which the original
 * makes a second one, that hears what the first one hears: that has a case of its own (second-connect.test.mjs).
 */
async function signedIn(page) {
  for (;;) {
    await page.getByText('Log out').waitFor();
    await settled(page);
    if (page.traffic.connects === 1) return page;
    await page.reload();
  }
}

export async function reload(page) {
  await page.reload();
  await signedIn(page);
}

/** Fills in the form. Its list of names is no form element: a box with a name, which opens. */
export async function submit(page, username, password = DEMO_PASSWORD) {
  const box = page.getByText('Name', { exact: true }).locator('xpath=following-sibling::div[1]');
  await box.click();
  // The name that is chosen stands there twice, the second time in the list.
  await box.getByText(username, { exact: true }).last().click();
  await page.getByPlaceholder('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** A row of the list of chats, the last text in it, and the dot of somebody who is online. */
export const chat = (page, name) => page.getByRole('heading', { level: 5, name, exact: true }).locator('xpath=../..');
export const preview = (page, name) => chat(page, name).getByRole('paragraph');
export const onlineDot = (page, name) => chat(page, name).locator('.bg-success');
/** Names of the chats, from the top. The last heading of that level is the user's own name. */
export const chats = async (page) => (await page.getByRole('heading', { level: 5 }).allInnerTexts()).slice(0, -1);

/** Everything below the name of the open room. */
const conversation = (page) => page.getByRole('heading', { level: 2 }).locator('xpath=../following-sibling::div[1]');
/** A message in the open room, of `author` if one is given; or a line in between, such as "Joe connected". */
export const message = (page, text, author = '') =>
  conversation(page).getByText(text, { exact: true }).locator('xpath=..').filter({ hasText: author });
export const authorIn = (page, text) => message(page, text).getByText(/./).first();
/** All texts in the open room, oldest first, without their times. */
export const texts = async (page) =>
  (await conversation(page).getByRole('paragraph').allInnerTexts()).map((text) => text.trim()).filter((text) => !/^\d{1,2}:\d{2} [AP]M$/.test(text));

export async function open(page, name) {
  await chat(page, name).click();
  await page.getByRole('heading', { level: 2, name, exact: true }).waitFor();
  await settled(page);
}

export async function say(page, text) {
  await page.getByPlaceholder('Enter Message...').fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
}

/** Somebody without a browser, whose events are served from the start: the original loses the first ones. */
export async function enter(backend, username, ...rooms) {
  const peer = await Peer.enter(backend, username);
  const bystander = await Ws.open(backend.base);
  await bystander.connectNs();
  await peer.connect();
  const came = bystander.next((frame) => typeof frame === 'string' && frame.startsWith('42["user.connected"') && frame.includes(JSON.stringify(username)), has('safe') ? 1000 : undefined);
  // With COMPAT=safe a bystander hears nothing, and nothing is lost.
  await (has('safe') ? came.catch(() => {}) : came);
  await bystander.close();
  for (const room of rooms) await peer.ws.emit('room.join', room);
  return peer;
}
