// The built-in page in a headless Chromium: a server that serves it, people without a browser to talk
// to, and pages to look at. One browser and one server per file.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright-core';
import { Ws } from './engine.mjs';
import { startRedis } from './redis.mjs';
import { has } from './capabilities.mjs';
import { root, startServer } from './target.mjs';

/** Limit of every wait in a page. */
const PATIENCE = 10_000;

/** The demo's users, whom a server puts into an empty store, and the password of all. */
export const DEMO_PASSWORD = 'password123';

/**
 * Starts a server with the page, on a store of its own: a file, or with `PAGE_STORE=redis` or without that store a Redis.
 * `restart` brings it back on the same port with the same data. `clientDir`: a client in the place of the
 * page; `commandLine`: another server than the target.
 */
export async function startBackend({ embedded = has('embedded') && process.env.PAGE_STORE !== 'redis', clientDir, commandLine } = {}) {
  const place = await mkdtemp(join(tmpdir(), 'compat-page-'));
  const redis = embedded ? undefined : await startRedis();
  const store = embedded ? { STORE: 'embedded', REDIS_ENDPOINT_URL: undefined, DATA_FILE: join(place, 'chat.db') } : {};
  // Without CLIENT_DIR the server has its own page.
  const options = { redis, clientDir, commandLine, env: { CLIENT_DIR: clientDir, ...store }, cwd: place };
  const backend = {
    server: undefined,
    get base() {
      return this.server.base;
    },
    /** Ends the server and brings it back. `meanwhile()` runs in between. */
    async restart({ signal = 'SIGKILL', meanwhile = () => {} } = {}) {
      await this.server.stop(signal);
      try {
        await meanwhile();
      } finally {
        this.server = await startServer({ ...options, port: this.server.port });
      }
    },
    async stop() {
      await this.server?.kill();
      await redis?.stop('SIGKILL');
      await rm(place, { recursive: true, force: true });
    },
  };
  try {
    backend.server = await startServer(options);
  } catch (why) {
    await backend.stop();
    throw why;
  }
  return backend;
}

export async function startBrowser() {
  const place = await mkdtemp(join(tmpdir(), 'compat-chromium-'));
  // `newContext` gives every user cookies of their own, which a persistent context could not.
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
    env: { ...process.env, HOME: place, XDG_CONFIG_HOME: place, XDG_CACHE_HOME: place },
  });
  return {
    browser,
    async stop() {
      await browser.close();
      await rm(place, { recursive: true, force: true });
    },
  };
}

/** Somebody who chats without a browser. */
export class Peer {
  #backend;
  #date = Date.now();

  constructor(backend, { id, username, cookie }) {
    Object.assign(this, { id, username, cookie });
    this.#backend = backend;
  }

  /** Signs in, or registers. */
  static async enter(backend, username, password = DEMO_PASSWORD) {
    const response = await fetch(`${backend.base}/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ username, password }),
    });
    if (!response.ok) throw new Error(`${username} can't sign in: ${response.status}`);
    const [cookie] = response.headers.getSetCookie()[0].split(';');
    return new Peer(backend, { ...(await response.json()), cookie });
  }

  async get(path) {
    const response = await fetch(this.#backend.base + path, { headers: { cookie: this.cookie } });
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response.json();
  }

  async post(path, body = {}) {
    const options = { method: 'POST', headers: { cookie: this.cookie, 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
    return fetch(this.#backend.base + path, options);
  }

  async connect(...rooms) {
    this.ws = await Ws.open(this.#backend.base, { cookie: this.cookie });
    await this.ws.connectNs();
    for (const room of rooms) await this.ws.emit('room.join', room);
    return this;
  }

  /** Sends messages and waits until the last one has come back, hence is stored. */
  async say(roomId, ...texts) {
    await this.ws.emit('room.join', roomId);
    for (const text of texts) {
      this.#date = Math.max(Date.now(), this.#date + 1);
      await this.ws.emit('message', { roomId, message: text, from: this.id, date: this.#date / 1000 });
    }
    const last = JSON.stringify(texts.at(-1).replaceAll('<', '&lt').replaceAll('>', '&gt'));
    await this.ws.next((frame) => typeof frame === 'string' && frame.startsWith('42["message"') && frame.includes(last));
  }

  /** Texts in a room, oldest first. */
  async texts(roomId) {
    const found = await this.get(`/room/${roomId}/messages?offset=0&size=1000`);
    return found.reverse().map(({ message }) => message);
  }

  leave = () => this.ws?.close();
}

/** Browser pages as their users see them. */
export class Pages {
  #contexts = [];

  constructor(browser, backend) {
    Object.assign(this, { browser, backend });
  }

  /**
   * A page of a browser of its own. `init`: runs in it before anything else. Everything that goes wrong in
   * it is in `page.faults`.
   */
  async open({ init, base = this.backend.base, path = '/', context: options = {} } = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1100, height: 760 }, locale: 'en-GB', ...options });
    this.#contexts.push(context);
    if (init) await context.addInitScript(init);
    return this.tab(context, base + path);
  }

  /** One more tab of the same browser. */
  async tab(context, address = this.backend.base) {
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    await this.watch?.(page);
    page.faults = [];
    page.on('pageerror', (error) => page.faults.push(error.message));
    page.on('dialog', (dialog) => {
      page.faults.push(`dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    page.on('console', (message) => {
      if (/Content Security Policy|Uncaught/.test(message.text())) page.faults.push(message.text());
    });
    await page.goto(address);
    return page;
  }

  async signIn(page, username, password = DEMO_PASSWORD) {
    await page.getByLabel('Name').fill(username);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('button', { name: 'Sign out' }).waitFor();
  }

  /** A page of somebody who is signed in, in the general room. */
  async user(username, options) {
    const page = await this.open(options);
    await this.signIn(page, username);
    return page;
  }

  async closeAll() {
    const contexts = this.#contexts.splice(0);
    await Promise.all(contexts.map((context) => context.close()));
  }
}

// What a page shows, by roles and names alone: so everything that is found here has one.
export const chatLink = (page, name) => page.getByRole('navigation', { name: 'Chats' }).getByRole('link', { name });
export const personButton = (page, name) => page.getByRole('button', { name: `Chat with ${name}` });
export const signedInAs = (page, name) => page.getByText(`Signed in as ${name}`);
export const log = (page) => page.getByRole('log', { name: 'Messages' });
export const message = (page, text) => log(page).getByRole('article').filter({ hasText: text });

export async function say(page, text) {
  await page.getByRole('textbox', { name: /^Message to/ }).fill(text);
  await page.keyboard.press('Enter');
}

/** The room that is open shows its history. */
export const filled = (page) => log(page).getByRole('article').first().waitFor();

/** A message that the server has sent back. */
export const sent = (page, text) => message(page, text).and(page.locator('[data-state="sent"]')).waitFor();

/** Until `check()` holds. (The page's policy forbids the way in which `waitForFunction` polls.) */
export async function eventually(check, what) {
  const over = Date.now() + PATIENCE;
  while (!(await check())) {
    if (Date.now() > over) throw new Error(`not so within ${PATIENCE} ms: ${what}`);
    await sleep(20);
  }
}

export const titled = (page, title) => eventually(async () => (await page.title()) === title, `the title is ${title}`);

/** A picture for whoever looks at the page; the folder is not kept. */
export async function shot(page, name) {
  const folder = join(root, 'compat-tests', 'screenshots');
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}

/**
 * Registers a file's server and browser. A target without the page has nothing registered: `cases(t)` is for the rest of the file.
 */
export function usePage(cases) {
  if (!has('page')) return;
  const t = {};
  before(async () => {
    t.backend = await startBackend();
    t.chromium = await startBrowser();
    t.pages = new Pages(t.chromium.browser, t.backend);
  });
  after(async () => {
    await t.chromium?.stop();
    await t.backend?.stop();
  });
  cases(t);
}
