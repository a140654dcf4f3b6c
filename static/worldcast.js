// A room of a worldcast server, for any page or program with WebSocket: comes back when the connection is lost, and
// then hears what it missed, each message once.
//
//   import { Room } from './worldcast.js';
//   const room = new Room('wss://example.org/websocket/news');
//   room.addEventListener('message', ({ detail }) => console.log(detail.text));
//   room.say('hello').then(({ offset }) => console.log('said as number', offset));
//
// Copy this file; it needs no other. docs/protocol.md describes worldcast.v1, which it speaks.

const FIRST_WAIT = 500; // ms
const LONGEST_WAIT = 30_000; // ms
const FOR_GOOD = [1002, 1003, 1007, 1008, 1009]; // whoever comes back after these ends the same way

/**
 * Events, each with a `detail`:
 *
 * - `open`: `{ who, offset, recovered }`; `recovered` is false when messages were missed that are lost
 * - `message`: `{ offset, who, time, text }`, or `bytes` (a Uint8Array) instead of `text`
 * - `join`, `leave`: `{ who }`, where the room tells presence
 * - `lost`: `{ code, wait }`; the connection is lost, and `wait` ms later the room is tried again, Infinity while paused
 * - `end`: `{ code, reason }`; it is over, by `close()` or because the server will not have us
 */
export class Room extends EventTarget {
  #url;
  #socket;
  #place;
  #asked = new Map(); // ref → what waits for the answer
  #refs = 0;
  #losses = 0;
  #retry;
  #paused = false;
  #closed = false;

  /** `last`: how many of the last messages to begin with; `echo`: whether to hear what we say ourselves. */
  constructor(url, { last = 0, echo = true } = {}) {
    super();
    this.#url = new URL(url);
    this.#url.searchParams.set('echo', echo);
    if (last > 0) this.#url.searchParams.set('last', last);
    this.#connect();
  }

  /** What the others see of us; undefined before the first `open`. */
  get who() {
    return this.#place?.who;
  }

  get isOpen() {
    return this.#socket?.readyState === 1 && this.#place?.isHere === true;
  }

  /**
   * Says text, or bytes; resolves with its `{ offset }`. Rejects when the server refuses, or when the connection is lost
   * before the answer: what was said has arrived or not, and with `echo` it comes back as a `message` if it has.
   */
  say(content) {
    const payload = typeof content === 'string' ? { text: content } : { base64: toBase64(content) };
    return this.#ask({ type: 'publish', ...payload });
  }

  /** Resolves with `{ clients, who }`; `who` only where the room tells presence. */
  presence() {
    return this.#ask({ type: 'presence' });
  }

  /** Lets go of the connection and keeps the place: `resume()` brings what was said in between. */
  pause() {
    this.#paused = true;
    clearTimeout(this.#retry);
    this.#socket.close(1000);
  }

  /** Comes back now: after `pause()`, or instead of waiting on. */
  resume() {
    this.#paused = false;
    if (this.#closed || this.#socket.readyState !== 3) return; // what is still closing comes back when it is lost
    clearTimeout(this.#retry);
    this.#connect();
  }

  /** Leaves for good. */
  close() {
    this.#closed = true;
    clearTimeout(this.#retry);
    if (this.#socket && this.#socket.readyState < 2) this.#socket.close(1000);
    else this.#end({ code: 1000, reason: '' });
  }

  #ask(request) {
    if (!this.isOpen) return Promise.reject(new Error('not connected'));
    const ref = String(++this.#refs);
    return new Promise((resolve, reject) => {
      this.#asked.set(ref, { resolve, reject });
      this.#socket.send(JSON.stringify({ ...request, ref }));
    });
  }

  #connect() {
    const url = new URL(this.#url);
    if (this.#place) {
      const { epoch, offset, session } = this.#place;
      url.searchParams.set('since', `${epoch}-${offset}`);
      url.searchParams.set('session', session);
      url.searchParams.delete('last');
      this.#place.isHere = false;
    }
    const socket = new WebSocket(url, 'worldcast.v1');
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    socket.onclose = ({ code, reason }) => this.#lose(code, reason);
    socket.onerror = () => {}; // `close` follows
  }

  #hear({ type, ...told }) {
    switch (type) {
      case 'welcome':
        return this.#welcome(told);
      case 'message':
        this.#place.offset = told.offset;
        return this.#tell('message', withBytes(told));
      case 'ack':
        this.#place.offset = told.offset;
        return this.#answer(told.ref, ({ resolve }) => resolve({ offset: told.offset }));
      case 'presence':
        return this.#answer(told.ref, ({ resolve }) => resolve({ clients: told.clients, who: told.who }));
      case 'error':
        return this.#answer(told.ref, ({ reject }) => reject(Object.assign(new Error(told.message), { code: told.code })));
      case 'join':
      case 'leave':
        return this.#tell(type, told);
    }
  }

  #welcome({ session, who, epoch, offset, recovered = true }) {
    this.#place = { session, who, epoch, offset, isHere: true };
    this.#losses = 0;
    this.#tell('open', { who, offset, recovered });
  }

  #answer(ref, how) {
    const asked = this.#asked.get(ref);
    this.#asked.delete(ref);
    if (asked) how(asked);
  }

  #lose(code, reason) {
    for (const { reject } of this.#asked.values()) reject(new Error('the connection was lost'));
    this.#asked.clear();
    if (this.#closed || FOR_GOOD.includes(code)) return this.#end({ code, reason });
    const wait = this.#paused ? Infinity : backOff(this.#losses++);
    if (!this.#paused) this.#retry = setTimeout(() => this.#connect(), wait);
    this.#tell('lost', { code, wait });
  }

  #end(detail) {
    this.#closed = true;
    this.#tell('end', detail);
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** Longer after each loss, and left to chance: a crowd does not come back in one instant. */
function backOff(losses) {
  const most = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** losses);
  return Math.round(most * (0.5 + Math.random() / 2));
}

function withBytes({ base64, ...message }) {
  if (base64 === undefined) return message;
  return { ...message, bytes: Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)) };
}

function toBase64(bytes) {
  const letters = Array.from(new Uint8Array(bytes.buffer ?? bytes, bytes.byteOffset ?? 0, bytes.byteLength));
  return btoa(letters.map((byte) => String.fromCharCode(byte)).join(''));
}
