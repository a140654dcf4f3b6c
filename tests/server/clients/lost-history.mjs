// A program whose server loses messages; it fails unless static/worldcast.js says so. Takes the address of a server that
// does what its messages say, and whose welcome has the position of the client as `who`.

import assert from 'node:assert/strict';
import { Room } from '../../../static/worldcast.js';

const room = new Room(`ws://${process.argv[2]}/websocket/news`);
const events = [];
for (const name of ['message', 'historyLost']) {
  room.addEventListener(name, ({ detail }) => events.push(detail.text ?? { [name]: detail }));
}
const next = (name) => new Promise((resolve) => room.addEventListener(name, ({ detail }) => resolve(detail), { once: true }));

// Messages that came before are lost: the program is told between those and the next ones.
assert.deepEqual(await room.publish('three messages'), { offset: 3 });
assert.deepEqual(await room.publish('lose two'), { offset: 2 });
assert.deepEqual(events.splice(0), ['one', 'two', 'three', { historyLost: { kept: 1 } }, 'another two']);

// A message that is not confirmed is rejected with its code, and the room goes on.
await assert.rejects(room.publish('unconfirmed'), { message: 'not confirmed', code: 'backplane' });
assert.ok(room.isOpen);

// The position is of the present epoch, and never beyond what was received.
let resumed = next('open');
room.publish('close').catch(() => {});
assert.equal((await resumed).who, 'b-2');

// An epoch that loses nothing is nobody's concern, and belongs to the position.
assert.deepEqual(await room.publish('three messages'), { offset: 3 });
assert.deepEqual(await room.publish('lose none'), { offset: 3 });
assert.deepEqual(events, ['one', 'two', 'three']);
resumed = next('open');
room.publish('close').catch(() => {});
assert.equal((await resumed).who, 'c-3');

// Messages that cannot be delivered are no silent hole.
events.length = 0;
room.publish('three messages');
assert.deepEqual(await room.publish('skip two'), { offset: 6 });
assert.deepEqual(events, ['one', 'two', 'three', { historyLost: { kept: 3 } }]);

const end = next('end');
room.close();
await end;
console.log('all is well');
process.exit();
