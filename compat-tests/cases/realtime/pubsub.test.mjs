// Envelopes from elsewhere on the channel MESSAGES (realtime.md §9).
import assert from 'node:assert/strict';
import { suite } from '../../lib/rt-world.mjs';

const { scenario, shared } = suite('chat');

/** Publishes `text`; what a signed-in socket that joined nothing and an anonymous one get. */
async function heard(world, text) {
  const a = await world.user('a');
  const [joinedNothing, anon] = [await world.ws({ user: a }), await world.ws()];
  await world.startCounting(joinedNothing, anon);
  await world.client.publish('MESSAGES', text);
  await world.fence(joinedNothing, anon);
  return { joinedNothing: joinedNothing.events(), anon: anon.events(), state: anon.state };
}

const envelope = (type, data) => JSON.stringify({ serverId: 'x', type, data });
const envelopes = {
  'message': envelope('message', { from: '1', date: 1, message: 'remote <b>', roomId: '0' }),
  'user.connected': envelope('user.connected', { id: 1, username: 'u', online: true }),
  'user.disconnected': envelope('user.disconnected', { id: 1, username: 'u', online: false }),
  'show.room': envelope('show.room', { id: '1:2', names: [['a'], ['b']] }),
  'data-missing': '{"serverId":"x","type":"t"}',
  'data-string': envelope('t', 's'),
  'data-array': envelope('t', []),
  'data-deep': envelope('t', { a: [{ b: [[], {}, null, true] }] }),
  'serverid-missing': '{"type":"t","data":1}',
  'serverid-number': '{"serverId":5,"type":"t","data":1}',
  'type-empty': envelope('', 1),
  'type-utf8': envelope('é"\\', 'é\u2028'),
  'other-keys': '{"x":[1],"data":1,"type":"t","y":{},"serverId":"x"}',
  'placeholder': envelope('t', { _placeholder: true, num: 0 }),
  'number-format': '{"serverId":"x","type":"t","data":{"a":1.0,"b":1e2,"c":12345678901234567890,"d":-0,"10":1,"2":2}}',
  'dup-keys': '{"serverId":"x","type":"t","data":{"a":1,"a":2}}',
};
for (const [name, text] of Object.entries(envelopes)) {
  scenario(`pubsub.${name}`, async (world) => {
    const observed = await heard(world, text);
    const { type, data = null } = JSON.parse(text);
    const plain = observed.joinedNothing.map((frame) => JSON.stringify(JSON.parse(frame.slice(2))));
    assert.deepEqual(plain, [JSON.stringify([type, data])]);
    return observed;
  });
}

// No usable name: nothing, or what the original sends (§9.3).
const nameless = {
  'type-missing': '{"serverId":"x","data":1}',
  'type-null': '{"serverId":"x","type":null,"data":1}',
  'json-array': '[1,2]',
  'json-number': '5',
  'json-string': '"x"',
};
for (const [name, text] of Object.entries(nameless)) {
  scenario(`pubsub.${name}`, (world) => heard(world, text), {
    or: ({ joinedNothing, anon, state }) => joinedNothing.length === 0 && anon.length === 0 && state === 'open',
  });
}

scenario('pubsub.type-number', async (world) => {
  const { joinedNothing, state } = await heard(world, '{"serverId":"x","type":5,"data":1}');
  assert.ok(joinedNothing.length === 0 || joinedNothing[0] === '42[5,1]');
  assert.equal(state, 'open');
});

scenario('pubsub.own-id', async (world) => {
  const [a, b] = [await world.user('a'), await world.user('b')];
  const watcher = await world.ws({ user: a });
  const since = world.bus.mark();
  await world.ws({ user: b });
  const { text, ...first } = await world.bus.presence('user.connected', b.id, since);
  assert.deepEqual(Object.keys(JSON.parse(text)), ['serverId', 'type', 'data']);
  // First non-internal IPv4 address, or 127.0.0.1, and the port (§9.1).
  assert.match(first.serverId, new RegExp(`^\\d+\\.\\d+\\.\\d+\\.\\d+:${shared.server.port}$`));
  await world.startCounting(watcher);
  await world.publish('mine', 1, first.serverId);
  await world.publish('theirs', 1);
  await watcher.next((frame) => frame.includes('theirs'));
  const { type, data } = first;
  return { got: watcher.events(), first: { type, data: { ...data, id: '<b>' } } };
});

scenario('pubsub.other-channel', async (world) => {
  const ws = await world.ws();
  await world.startCounting(ws);
  for (const channel of ['messages', 'MESSAGES2', 'OTHER']) await world.client.publish(channel, envelope('t', 1));
  await world.fence(ws);
  return { f: ws.events() };
});

scenario('pubsub.polling', async (world) => {
  const client = await world.polling();
  for (let i = 0; i < 200; i += 1) await world.publish('n', i);
  await world.fence(client);
  assert.deepEqual(client.events(), Array.from({ length: 200 }, (_, i) => `42["n",${i}]`));
});

scenario('pubsub.before-connect', async (world) => {
  // What was published before `40` does not reach a socket (§7.1).
  const ws = await world.ws({ ns: false });
  await world.publish('early', 1);
  await world.fence(await world.ws());
  await ws.connectNs();
  await world.fence(ws);
  assert.deepEqual(ws.frames.filter((frame) => frame.includes('early')), []);
});

scenario('mixed.envelope-bytes', async (world) => {
  const a = await world.user('a');
  const since = world.bus.mark();
  const ws = await world.ws({ user: a });
  ws.send(`42["message",{"from":"${a.id}","date":1700000000,"message":"é<","roomId":"0"}]`);
  await world.bus.next(({ type }) => type === 'message', since);
  await ws.close();
  await world.bus.presence('user.disconnected', a.id, since);
  const texts = world.bus.since(since).map(({ text, serverId }) => text.replaceAll(String(a.id), '<id>').replace(serverId, '<server>'));
  const user = `"id":<id>,"username":"${a.username}"`;
  assert.deepEqual(texts, [
    `{"serverId":"<server>","type":"user.connected","data":{${user},"online":true}}`,
    '{"serverId":"<server>","type":"message","data":{"from":"<id>","date":1700000000,"message":"é&lt","roomId":"0"}}',
    `{"serverId":"<server>","type":"user.disconnected","data":{${user},"online":false}}`,
  ]);
});
