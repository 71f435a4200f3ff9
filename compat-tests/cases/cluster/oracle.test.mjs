// The judge of the cluster cases must see faults. Here they are made on purpose: in the
// book, on the way to one client, and in Redis.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Run } from '../../lib/cluster-run.mjs';
import { ROOM } from '../../lib/crowd.mjs';
import { Ledger } from '../../lib/ledger.mjs';
import { clusters } from '../../lib/rt-peer.mjs';

const SENDER = '1';
const ours = { name: 'ours', node: false, died: false };
const other = { name: 'other', node: false, died: false };
const deadNode = { name: 'node', node: true, died: true };

/** A book in which five messages went through `taker`, all stored, and one client at `ours` got `numbers`. */
function book(numbers, { taker = other, server = ours, echoed = [0, 1, 2, 3, 4], stored = [0, 1, 2, 3, 4], change = () => {} } = {}) {
  const ledger = new Ledger();
  ledger.addSender(SENDER);
  const stay = ledger.begin('client', server);
  ledger.join(stay);
  for (let n = 0; n < 5; n += 1) ledger.send(SENDER, taker);
  for (const n of echoed) ledger.echo(SENDER, n);
  change(ledger, stay);
  for (const n of numbers) stay.receive(SENDER, n);
  return ledger.judge(stored.map((n) => ({ sender: SENDER, n })));
}

const ALL = [0, 1, 2, 3, 4];
const verdict = (...args) => book(...args).faults.map((fault) => fault.replace('client on ours, message ', ''));

describe('the book', () => {
  test('of a whole stream has no fault', () => assert.deepEqual(verdict(ALL), []));

  test('tells a lost, a doubled and a late message', () => {
    assert.deepEqual(verdict([0, 1, 3, 4]), ['1 2: not delivered']);
    assert.deepEqual(verdict([0, 1, 2, 3]), ['1 4: not delivered']);
    assert.deepEqual(verdict([0, 1, 2, 2, 3, 4]), ['1 2: delivered twice']);
    assert.deepEqual(verdict([0, 2, 1, 3, 4]), ['1 1: came after 2']);
  });

  test('tells what is wrong in the store', () => {
    assert.deepEqual(verdict([0, 1, 2, 3], { stored: [0, 1, 2, 3] }), ['1 4: accepted, not stored']);
    assert.deepEqual(verdict(ALL, { stored: [...ALL, 3] }), ['1 3: stored 2 times']);
    assert.deepEqual(verdict(ALL, { stored: [...ALL, 9] }), ['1 9: stored, never sent']);
    assert.deepEqual(verdict(ALL, { echoed: [0, 1, 2, 3], stored: [0, 1, 2, 3] }), ['1 4: delivered, not stored']);
  });

  test('wants what is stored delivered, echo or not, but not what is neither', () => {
    assert.deepEqual(verdict([0, 1, 2, 3], { echoed: [0, 1, 2, 3] }), ['1 4: not delivered']);
    assert.deepEqual(verdict([0, 1, 2, 3], { echoed: [0, 1, 2, 3], stored: [0, 1, 2, 3] }), []);
  });

  test('forgives the end of a connection that broke, not a gap before it', () => {
    const change = (ledger, stay) => ledger.end(stay);
    assert.deepEqual(verdict([0, 1, 2], { change }), []);
    assert.deepEqual(verdict([0, 2, 3], { change }), ['1 1: not delivered']);
  });

  test('wants everything from the re-join on', () => {
    const late = (ledger, stay) => {
      ledger.join(stay);
      ledger.send(SENDER, other);
    };
    assert.deepEqual(verdict([5], { change: late, stored: [...ALL, 5] }), []);
    assert.deepEqual(verdict([], { change: late, stored: [...ALL, 5] }), ['1 5: not delivered']);
  });

  test('counts the last words of a dead Node server apart, not a gap before them', () => {
    const { faults, figures } = book([0, 1, 2], { taker: deadNode });
    assert.deepEqual([faults, figures.lostByNode], [[], 2]);
    assert.deepEqual(verdict([0, 1, 2, 4], { taker: deadNode }), ['1 3: not delivered']);
    assert.deepEqual(verdict([0, 1, 2], { taker: { ...deadNode, died: false } }), ['1 3: not delivered', '1 4: not delivered']);
  });

  test('counts its last words apart also if they are found in the store, later', () => {
    const more = { taker: deadNode, change: (ledger) => ledger.send(SENDER, other), stored: [...ALL, 5] };
    const { faults, figures } = book([0, 1, 2, 3, 5, 4], more);
    assert.deepEqual([faults, figures.lateByNode], [[], 1]);
    assert.deepEqual(verdict([0, 1, 2, 4, 5, 3], more), ['1 3: came after 5']);
    assert.deepEqual(verdict([0, 1, 2, 3, 5, 4], { ...more, taker: { ...deadNode, died: false } }), ['1 4: came after 5']);
  });

  test('counts apart what a Node server without Redis did not announce, and nothing else', () => {
    const node = { name: 'node', node: true, died: false };
    const change = (ledger) => {
      const back = ledger.cutOff(node);
      ledger.send(SENDER, node);
      back();
      ledger.send(SENDER, node);
      for (const n of [5, 6]) ledger.echo(SENDER, n);
    };
    const stored = [...ALL, 5, 6];
    const { faults, figures } = book([...ALL, 6], { taker: node, change, stored });
    assert.deepEqual([faults, figures.lostByNode], [[], 1]);
    assert.equal(book([...ALL, 6, 5], { taker: node, change, stored }).figures.lateByNode, 1);
    assert.deepEqual(verdict([0, 1, 2, 4, 3, 5, 6], { taker: node, change, stored }), ['1 3: came after 4']);
    assert.deepEqual(verdict([0, 1, 2, 3, 5, 6], { taker: node, change, stored }), ['1 4: not delivered']);
    assert.deepEqual(verdict([...ALL, 5], { taker: node, change, stored }), ['1 6: not delivered']);
  });

  test('forgives what a Node server without Redis could not hear, and nothing else', () => {
    // With the name of ours, for the verdict.
    const server = { name: 'ours', node: true, died: false };
    const cut = (of) => (ledger) => {
      const back = ledger.cutOff(of);
      back();
      ledger.send(SENDER, other);
    };
    const stored = [...ALL, 5];
    const { faults, figures } = book([5], { server, change: cut(server), stored });
    assert.deepEqual([faults, figures.missedWhileDeaf], [[], 5]);
    assert.deepEqual(verdict(ALL, { server, change: cut(server), stored }), ['1 5: not delivered']);
    assert.deepEqual(verdict([0, 1, 3, 4, 5], { taker: ours, change: cut(ours), stored }), ['1 2: not delivered']);
    assert.deepEqual(verdict([0, 1, 3, 4, 5], { change: cut(ours), stored }), ['1 2: not delivered']);
  });
});

/** Everybody chats for a moment on two of the first kind; `spoil(run)` happens on the way. Then the judge must object with `objection`. */
function rejected(name, objection, spoil, filter) {
  test(name, { timeout: 60_000 }, async (t) => {
    const [{ cand }] = clusters();
    let run;
    run = await Run.start(t, [cand, cand], { filter: filter && ((link) => filter(link, run)) });
    await run.crowd.gather();
    run.crowd.chat();
    await run.crowd.heard();
    await spoil(run);
    await assert.rejects(run.judge({ patience: 1000 }), objection);
  });
}

/** Changes, once, what goes to one client, if it holds messages of others. */
const once = (change) => ({ chunk, cookie }, run) => {
  const [{ cookieValue, user }] = run?.crowd?.members ?? [{}];
  const wanted = run?.spoilt === false && cookie === cookieValue && chunk.includes('42["message"') && !chunk.includes(`"from":"${user.id}"`);
  if (!wanted) return chunk;
  run.spoilt = true;
  return change(chunk);
};

const untilSpoilt = async (run) => {
  run.spoilt = false;
  await run.cluster.world.eventually(() => run.spoilt, 'spoilt');
  await sleep(200);
};

describe('the judge objects', { concurrency: 2 }, () => {
  rejected('to a message dropped on the way to one client', /not delivered/, untilSpoilt, once(() => Buffer.alloc(0)));
  rejected('to a message that comes twice', /delivered twice|came after/, untilSpoilt, once((chunk) => Buffer.concat([chunk, chunk])));

  rejected('to a message missing in the store', /accepted, not stored/, async ({ crowd, cluster }) => {
    await crowd.settle();
    await cluster.world.client.zpopmin(`room:${ROOM}`);
  });

  rejected('to somebody online who is not there', /online_users/, ({ cluster }) => cluster.world.client.sadd('online_users', '4711'));

  rejected('to somebody there who is not online', /online_users/, async ({ crowd, cluster }) => {
    await crowd.settle();
    await cluster.world.client.srem('online_users', String(crowd.members[0].user.id));
  });
});
