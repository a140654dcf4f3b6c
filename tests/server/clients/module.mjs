// A client of the server at the given address, by static/worldcast.js; it fails unless all is as
// promised.

import assert from 'node:assert/strict';
import { Room } from '../../../static/worldcast.js';

const [address, proxy] = process.argv.slice(2);
const next = (room, name) => new Promise((resolve) => room.addEventListener(name, ({ detail }) => resolve(detail), { once: true }));

// A subscriber whose connection is cut again and again receives each message once and in order.
const publisher = new Room(`ws://${address}/websocket/news`);
await next(publisher, 'open');
const subscriber = new Room(`ws://${proxy}/websocket/news`);
await next(subscriber, 'open');
const who = subscriber.who;
const [received, losses] = [[], []];
subscriber.addEventListener('message', ({ detail }) => received.push(detail));
subscriber.addEventListener('lost', ({ detail }) => losses.push(detail));
subscriber.addEventListener('open', ({ detail }) => assert.equal(detail.recovered, true));
for (let number = 1; losses.length < 3; number++) {
  assert.deepEqual(await publisher.publish(`${number}`), { offset: number });
}
const { offset } = await publisher.publish(new Uint8Array([0, 255]));
while (received.at(-1)?.offset !== offset) await next(subscriber, 'message');
assert.deepEqual(received.map((message) => message.offset), received.map((_, at) => at + received[0].offset));
assert.ok(received.slice(0, -1).every((message) => message.text === `${message.offset}` && message.who === publisher.who));
assert.deepEqual(received.at(-1).bytes, new Uint8Array([0, 255]));
assert.equal(subscriber.who, who, 'the same name after every loss');

// A paused room stays away, and receives the missed messages after it resumes.
const idler = new Room(`ws://${address}/websocket/news`);
await next(idler, 'open');
idler.pause();
assert.equal((await next(idler, 'lost')).wait, Infinity);
const meanwhile = await publisher.publish('are you there?');
idler.resume();
assert.equal((await next(idler, 'message')).offset, meanwhile.offset);
idler.close();

// A refusal has a code, a request an answer, and a closed room stays closed.
assert.ok((await publisher.presence()).clients >= 1);
// Larger than the server accepts: 1009.
await assert.rejects(publisher.publish('x'.repeat(70_000)), /lost/);
assert.equal(publisher.isOpen, false);
await assert.rejects(publisher.publish('too late'), /not connected/);
const ended = next(subscriber, 'end');
subscriber.close();
await ended;
console.log('all is well');
