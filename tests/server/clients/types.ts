// A TypeScript program that uses a room, rightly and wrongly. `implementation.js` is a copy of
// static/worldcast.js without its declarations beside it.

import * as implementation from './implementation.js';
import * as declaration from './worldcast.js';
import { Room, type Message, type RoomOptions } from './worldcast.js';

const declared: typeof declaration = implementation; // the implementation has everything that is declared
const options: RoomOptions = { last: 10, echo: false };
const room = new declared.Room(new URL('wss://example.org/websocket/news'), options);

room.addEventListener('open', ({ detail }) => {
  const { who, offset, recovered }: { who: string; offset: number; recovered: boolean } = detail;
  console.log(who.trim(), offset + 1, recovered);
});
room.addEventListener('message', ({ detail }) => {
  const message: Message = detail;
  console.log(message.text === undefined ? message.bytes.byteLength : message.text.length, message.who?.trim());
}, { once: true });
room.addEventListener('historyLost', ({ detail: { kept } }) => console.log(kept + 1));
room.addEventListener('lost', ({ detail: { code, wait } }) => console.log(code + wait));
room.addEventListener('end', ({ detail: { code, reason } }) => console.log(code, reason.trim()));

const { offset } = await room.publish('text');
await room.publish(Uint8Array.of(offset));
await room.publish(new ArrayBuffer(1));
await room.publish({ json: [offset] });
const { clients, who } = await room.presence();
console.log(clients + 1, (who?.[0] ?? room.who ?? "nobody").trim(), room.isOpen);
const { CLOSE_CODES, comesBackAfter, Backoff, STEADY_AFTER } = declared;
const backoff = new Backoff();
console.log(CLOSE_CODES[1009]?.name.trim(), comesBackAfter(1012) ? backoff.next() + STEADY_AFTER : backoff.short());
room.pause();
room.resume();
room.close();

// @ts-expect-error no such event
room.addEventListener('messages', () => {});
// @ts-expect-error a message has no such field
room.addEventListener('message', ({ detail }) => console.log(detail.txt));
// @ts-expect-error a number is no content
room.publish(42);
// @ts-expect-error no such option
new Room('wss://example.org/', { lasts: 1 });
// @ts-expect-error read-only
room.isOpen = true;
