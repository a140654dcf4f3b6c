// A program that calls static/worldcast.js before its room is open, with all kinds of content; it
// fails unless all is as promised. Takes the address of the server, and one that never answers.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Room } from '../../../static/worldcast.js';

const [address, nobody] = process.argv.slice(2);
const url = `ws://${address}/websocket/news`;
const next = (room, name) => new Promise((resolve) => room.addEventListener(name, ({ detail }) => resolve(detail), { once: true }));

// The example at the head of the module runs as it is written, apart from the address.
const module = new URL('../../../static/worldcast.js', import.meta.url);
const written = readFileSync(module, 'utf8').match(/(?<=^\/\/ {3}).*/gm).join('\n');
const example = written.replace('./worldcast.js', module).replace('wss://example.org/websocket/news', url);
assert.notEqual(example, written);
const printed = [];
const { log } = console;
const all = new Promise((done) => { console.log = (...values) => printed.push(values) === 2 && done(); });
await import(`data:text/javascript,${encodeURIComponent(`${example}\nexport { room };`)}`).then(async ({ room }) => {
  await all;
  room.close();
  await next(room, 'end');
});
console.log = log;
assert.deepEqual(printed, [['hello'], ['published as number', 1]]);

// Calls before the first open keep their order; a listener of `open` publishes after them.
const room = new Room(url.replace('ws:', 'http:'));
const received = [];
room.addEventListener('message', ({ detail }) => received.push(detail.text ?? detail.bytes));
room.addEventListener('open', () => room.publish('in the event listener'), { once: true });
const [first, second, facts] = await Promise.all([room.publish('first'), room.publish('second'), room.presence()]);
assert.deepEqual([first, second], [{ offset: 2 }, { offset: 3 }]);
assert.ok(facts.clients >= 1); // one that left may still be counted

// Objects are JSON, bytes are bytes; any other value is a TypeError and is not delivered.
await room.publish({ answer: [42] });
await room.publish([1]);
await room.publish(Object.create(null));
await room.publish(new Date(0));
const bytes = Uint8Array.of(0, 1, 2, 255);
for (const part of [bytes, bytes.buffer, new DataView(bytes.buffer, 1, 2), bytes.subarray(3), Buffer.from([7])]) await room.publish(part);
const none = [undefined, null, 42, true, 1n, Symbol('x'), () => {}, new Blob(['x']), new Map([[1, 2]]), new Set(), Promise.resolve(), /x/, new Error('x')];
for (const content of none) await assert.rejects(() => room.publish(content), TypeError);
const circle = {};
circle.circle = circle;
await assert.rejects(room.publish(circle), TypeError);
const last = await room.publish('last');
assert.equal(last.offset, 14);
assert.deepEqual(received.splice(0), ['first', 'second', 'in the event listener', '{"answer":[42]}', '[1]', '{}', '"1970-01-01T00:00:00.000Z"',
  bytes, bytes, bytes.subarray(1, 3), bytes.subarray(3), Uint8Array.of(7), 'last']);

// A room that is closed takes no calls, and ends once.
let ends = 0;
room.addEventListener('end', () => { ends += 1; });
const ended = next(room, 'end');
room.close();
room.close();
await ended;
room.close();
assert.equal(ends, 1);
await assert.rejects(room.publish('too late'), /not connected/);

// Waiting calls are bounded in number and in bytes, and rejected when the room ends.
for (const [calls, size] of [[100_000, 1], [100, 100_000]]) {
  const waits = new Room(`ws://${nobody}/`);
  const outcomes = [];
  let bounded = 0;
  for (let call = 0; call < calls; call += 1) {
    const publishing = waits.publish('x'.repeat(size));
    outcomes.push(publishing.catch((error) => { bounded += /not connected yet, and [0-9]+ (calls|bytes) wait/.test(error.message); }));
  }
  const over = next(waits, 'end');
  waits.close();
  await over;
  await Promise.all(outcomes);
  assert.ok(bounded > calls / 2 && bounded < calls, `${bounded} of ${calls}`);
}

// A call that is larger than the bound is sent alone.
const large = new Room(`${url}-large`);
await assert.rejects(large.publish('x'.repeat(2_000_000)), /lost/); // 1009

// An invalid address is refused at once.
for (const wrong of ['/websocket/news', 'news', '', 'ftp://example.org/', 'file:///x']) assert.throws(() => new Room(wrong), TypeError);
console.log('all is well');
