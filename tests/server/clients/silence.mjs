// A program whose peers fall silent; it fails unless static/worldcast.js notices. Takes the
// addresses of the server, of a proxy that falls silent when a message in the room says so, of a
// server that is mute after the handshake, and of one that closes with 1013 right after it.

import assert from 'node:assert/strict';

// Time runs fast for the module, and it sees a page.
const FAST = 20;
const { setTimeout: wait } = globalThis;
const now = performance.now.bind(performance);
globalThis.setTimeout = (act, ms) => wait(act, ms / FAST);
performance.now = () => now() * FAST;
const windowEvents = new EventTarget();
globalThis.addEventListener = windowEvents.addEventListener.bind(windowEvents);
const page = Object.assign(new EventTarget(), { hidden: false });
globalThis.document = page;
const { Room } = await import('../../../static/worldcast.js');

const [address, quiet, mute, full] = process.argv.slice(2);
const next = (room, name) => new Promise((resolve) => room.addEventListener(name, ({ detail }) => resolve(detail), { once: true }));

// A silent path is noticed, and the missed messages are received.
const publisher = new Room(`ws://${address}/websocket/news`);
await next(publisher, 'open');
const subscriber = new Room(`ws://${quiet}/websocket/news`);
await next(subscriber, 'open');
const received = [];
subscriber.addEventListener('message', ({ detail }) => received.push(detail.text));
const lost = next(subscriber, 'lost');
await publisher.publish('fall silent');
assert.equal((await lost).code, 1006);
await publisher.publish('are you there?');
while (received.at(-1) !== 'are you there?') await next(subscriber, 'message');
assert.deepEqual(received, ['fall silent', 'are you there?']);

// An idle connection that is well lives on.
let losses = 0;
publisher.addEventListener('lost', () => { losses += 1; });
await new Promise((done) => wait(done, 3 * 40_000 / FAST));
assert.equal(losses, 0);

// A server without a welcome is given up, and the room tried again; waiting calls have a deadline.
const unanswered = new Room(`ws://${mute}/websocket/news`);
const call = assert.rejects(unanswered.publish('hello'), /no answer within 60 s/);
assert.equal((await next(unanswered, 'lost')).code, 1006);
await call;
unanswered.close();

// A client that is closed right after the handshake waits longer each time.
const crowded = new Room(`ws://${full}/websocket/news`);
const waits = [];
while (waits.length < 6) waits.push(await next(crowded, 'lost'));
assert.ok(waits.every(({ code, wait }, loss) => code === 1013 && wait >= 250 * 2 ** loss), JSON.stringify(waits));

// A network or a page that returns is reason enough to try a room that waits.
for (const [target, name] of [[windowEvents, 'online'], [windowEvents, 'pageshow'], [page, 'visibilitychange']]) {
  const soon = now();
  const tried = next(crowded, 'lost');
  target.dispatchEvent(new Event(name));
  waits.push(await tried);
  assert.ok(now() - soon < waits.at(-2).wait / FAST / 2, `${name}: tried at once`);
}
crowded.close();

const ends = Promise.all([next(publisher, 'end'), next(subscriber, 'end')]);
publisher.close();
subscriber.close();
await ends;
console.log('all is well');
process.exit(); // dropped sockets may still be closing
