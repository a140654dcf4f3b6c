// Speaks to the server at the address that is given, through static/worldcast.js, and fails unless all is as promised.

import assert from 'node:assert/strict';
import { Room } from '../../../static/worldcast.js';

const [address, proxy] = process.argv.slice(2);
const next = (room, name) => new Promise((hear) => room.addEventListener(name, ({ detail }) => hear(detail), { once: true }));

// Somebody speaks; somebody else, whose connection is cut again and again, hears each message once and in order.
const speaker = new Room(`ws://${address}/websocket/news`);
await next(speaker, 'open');
const hearer = new Room(`ws://${proxy}/websocket/news`);
await next(hearer, 'open');
const who = hearer.who;
const [heard, losses] = [[], []];
hearer.addEventListener('message', ({ detail }) => heard.push(detail));
hearer.addEventListener('lost', ({ detail }) => losses.push(detail));
hearer.addEventListener('open', ({ detail }) => assert.equal(detail.recovered, true));
for (let number = 1; losses.length < 3; number++) {
  assert.deepEqual(await speaker.publish(`${number}`), { offset: number });
}
const { offset } = await speaker.publish(new Uint8Array([0, 255]));
while (heard.at(-1)?.offset !== offset) await next(hearer, 'message');
assert.deepEqual(heard.map((message) => message.offset), heard.map((_, at) => at + heard[0].offset));
assert.ok(heard.slice(0, -1).every((message) => message.text === `${message.offset}` && message.who === speaker.who));
assert.deepEqual(heard.at(-1).bytes, new Uint8Array([0, 255]));
assert.equal(hearer.who, who, 'the same speaker after every loss');

// Who pauses stays away, and comes back to what was said meanwhile.
const idler = new Room(`ws://${address}/websocket/news`);
await next(idler, 'open');
idler.pause();
assert.equal((await next(idler, 'lost')).wait, Infinity);
const meanwhile = await speaker.publish('are you there?');
idler.resume();
assert.equal((await next(idler, 'message')).offset, meanwhile.offset);
idler.close();

// A refusal has a code, a question an answer, and who closes stays closed.
assert.ok((await speaker.presence()).clients >= 1);
await assert.rejects(speaker.publish('x'.repeat(70_000)), /lost/); // larger than the server takes: 1009
assert.equal(speaker.isOpen, false);
await assert.rejects(speaker.publish('too late'), /not connected/);
const ended = next(hearer, 'end');
hearer.close();
await ended;
console.log('all is well');
