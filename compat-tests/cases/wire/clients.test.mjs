// The unmodified Socket.IO clients, each version by each transport (realtime.md §12, §13.1).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connected, once, stock, transports, versions } from '../../lib/rt-stock.mjs';
import { cameOnline, messageIn, useWire, wentOffline } from '../../lib/wire.mjs';

const t = useWire();

for (const version of Object.keys(versions)) {
  for (const transport of Object.keys(transports)) {
    test(`${version} by ${transport}`, { timeout: 30_000 }, async () => {
      const { a, b, room, atA, atB } = await t.pair();
      const witness = await t.witness();
      await t.onlyOne(a, atA, witness);
      const client = stock(t.server.base, { version, transport, cookie: a.cookie });
      t.keep({ close: client.shut });
      await connected(client);
      await witness.next(cameOnline(a));
      client.emit('room.join', room);

      const mine = t.message(a, room, 'from the client é😀\n"');
      client.emit('message', mine);
      assert.deepEqual((await once(client, 'message'))[0], mine);
      await atB.next(messageIn(room, mine.message));
      const theirs = t.message(b, room, 'to the client');
      atB.emit('message', theirs);
      assert.deepEqual((await once(client, 'message'))[0], theirs);

      const last = transport === 'polling' ? 'polling' : 'websocket';
      for (let n = 0; n < 250 && client.transportName() !== last; n += 1) await sleep(20);
      assert.equal(client.transportName(), last);
      client.emit('message', t.message(a, room, 'after the upgrade'));
      assert.equal((await once(client, 'message'))[0].message, 'after the upgrade');
      client.close();
      await witness.next(wentOffline(a));
    });
  }
}
