// A room of a worldcast server, for any page or program with WebSocket: comes back when the connection is lost, and
// then hears what it missed, each message once.
//
//   import { Room } from './worldcast.js';
//   const room = new Room('wss://example.org/websocket/news');
//   room.addEventListener('message', ({ detail }) => console.log(detail.text));
//   room.say('hello').then(({ offset }) => console.log('said as number', offset));
//
// Copy this file; it needs no other. worldcast.d.ts beside it has its types. docs/protocol.md describes worldcast.v1,
// which it speaks.

const FIRST_WAIT = 500; // ms
const LONGEST_WAIT = 30_000; // ms
const STEADY_AFTER = 10_000; // ms open until the next loss counts as the first
const OPEN_WITHIN = 15_000; // ms from a connection attempt to the welcome
const CLOSE_WITHIN = 5_000; // ms from our close frame to the end of the connection
const QUIET_FOR = 30_000; // ms without a word until the server is asked whether it is still there
const ALIVE_WITHIN = 10_000; // ms from that question to any word
const ANSWER_WITHIN = 60_000; // ms from a call to its answer
const MAX_WAITING_CALLS = 1_000; // before the first open
const MAX_WAITING_BYTES = 1024 * 1024; // of requests before the first open
const MAX_UNSENT = 16 * 1024 * 1024; // bytes that the socket holds because the network does not take them
const FOR_GOOD = [1002, 1003, 1007, 1008, 1009]; // another attempt after these ends the same way
const LOST = 1006; // RFC 6455, section 7.4.1: the connection ended without a close frame

const utf8 = new TextEncoder();

/** @typedef {{ resolve: (answer: any) => void, reject: (error: Error) => void, deadline: any, unsent: string | null, bytes: number }} Call */

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
  /** @type {URL} */
  #url;
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {{ session: string, who: number, epoch: string, offset: number } | undefined} */
  #place; // nothing before the first welcome
  #isHere = false; // between a welcome and the loss of its connection
  /** @type {Map<string, Call>} */
  #calls = new Map(); // by ref
  #waiting = { calls: 0, bytes: 0 }; // the calls that have not been sent
  #refs = 0;
  #losses = 0;
  #openSince = Infinity;
  #heardAt = 0;
  #isAsking = false; // a question for a sign of life is on its way
  /** @type {any} */
  #timer; // the one deadline or pause of the present state
  #paused = false;
  #closed = false;
  #ended = false;
  #wakes = new AbortController();

  /**
   * `url` may be relative to the page, and begin with http as well as with ws. `last`: how many of the last messages to
   * begin with; `echo`: whether to hear what we say ourselves.
   * @param {string | URL} url
   * @param {{ last?: number, echo?: boolean }} options
   */
  constructor(url, { last = 0, echo } = {}) {
    super();
    this.#url = addressOf(url);
    const { searchParams } = this.#url;
    if (echo !== undefined || !searchParams.has('echo')) searchParams.set('echo', String(echo ?? true));
    if (last > 0) searchParams.set('last', String(last));
    this.#connect();
    this.#watchThePage();
  }

  /** Our name for the others; undefined before the first `open`. */
  get who() {
    return this.#place?.who;
  }

  get isOpen() {
    return this.#socket?.readyState === 1 && this.#isHere;
  }

  /**
   * Says text, bytes (an ArrayBuffer or a view of one), or an object as JSON; resolves with its `{ offset }`. Before the
   * first `open` it waits, within bounds. Rejects with a TypeError for anything else; with an Error when the server
   * refuses, when the connection is lost before the answer, or when none comes within a minute: what was said has
   * arrived or not, and with `echo` it comes back as a `message` if it has.
   * @param {any} content
   * @returns {Promise<{ offset: number }>}
   */
  async say(content) {
    return this.#call({ type: 'publish', ...payloadOf(content) });
  }

  /**
   * Resolves with `{ clients, who }`; `who` only where the room tells presence.
   * @returns {Promise<{ clients: number, who?: number[] }>}
   */
  presence() {
    return this.#call({ type: 'presence' });
  }

  /** Lets go of the connection and keeps the place: `resume()` brings what was said in between. */
  pause() {
    if (this.#closed) return;
    this.#paused = true;
    this.#hangUp();
  }

  /** Comes back now: after `pause()`, or instead of waiting on. */
  resume() {
    this.#paused = false;
    if (this.#closed || this.#socket) return; // what is still closing comes back when it is lost
    this.#connect();
  }

  /** Leaves for good. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#socket) this.#hangUp();
    else this.#end({ code: 1000, reason: '' });
  }

  // Calls: requests that wait for an answer.

  /**
   * @param {{ type: string, text?: string, base64?: string }} request
   * @returns {Promise<any>}
   */
  #call(request) {
    const ref = String(++this.#refs);
    const text = JSON.stringify({ ...request, ref });
    const refusal = this.#refusalOf(text);
    if (refusal) return Promise.reject(new Error(refusal));
    return new Promise((resolve, reject) => {
      const late = () => this.#take(ref)?.reject(new Error(`no answer within ${ANSWER_WITHIN / 1000} s`));
      const bytes = utf8.encode(text).length;
      this.#calls.set(ref, { resolve, reject, deadline: setTimeout(late, ANSWER_WITHIN), unsent: text, bytes });
      this.#waiting.calls += 1;
      this.#waiting.bytes += bytes;
      if (this.isOpen) this.#sendWaiting();
    });
  }

  /**
   * Why a request can neither go nor wait; empty if it can.
   * @param {string} text
   */
  #refusalOf(text) {
    if (this.isOpen) {
      const { bufferedAmount } = /** @type {WebSocket} */ (this.#socket);
      const isFull = bufferedAmount > 0 && bufferedAmount + text.length > MAX_UNSENT;
      return isFull ? `the network is too slow: ${bufferedAmount} bytes wait to be sent` : '';
    }
    if (this.#closed || this.#place) return 'not connected';
    const { calls, bytes } = this.#waiting;
    if (calls >= MAX_WAITING_CALLS) return `not connected yet, and ${calls} calls wait for it already`;
    if (calls > 0 && bytes + utf8.encode(text).length > MAX_WAITING_BYTES) {
      return `not connected yet, and ${bytes} bytes wait for it already`;
    }
    return '';
  }

  #sendWaiting() {
    for (const call of this.#calls.values()) {
      if (call.unsent === null) continue;
      this.#socket?.send(call.unsent);
      this.#forgetWaiting(call);
    }
  }

  /** @param {Call} call */
  #forgetWaiting(call) {
    if (call.unsent === null) return;
    call.unsent = null;
    this.#waiting.calls -= 1;
    this.#waiting.bytes -= call.bytes;
  }

  /**
   * Removes a call, whose promise the caller settles.
   * @param {string} ref
   */
  #take(ref) {
    const call = this.#calls.get(ref);
    if (!call) return undefined; // its deadline has passed, or it is no call but our own question
    clearTimeout(call.deadline);
    this.#calls.delete(ref);
    this.#forgetWaiting(call);
    return call;
  }

  /**
   * Rejects the calls that were sent, or all of them.
   * @param {string} why
   */
  #rejectCalls(why, all = false) {
    for (const [ref, { unsent }] of [...this.#calls]) {
      if (all || unsent === null) this.#take(ref)?.reject(new Error(why));
    }
  }

  // The connection.

  #connect() {
    const url = new URL(this.#url);
    if (this.#place) {
      const { epoch, offset, session } = this.#place;
      url.searchParams.set('since', `${epoch}-${offset}`);
      url.searchParams.set('session', session);
      url.searchParams.delete('last');
    }
    const socket = new WebSocket(url, 'worldcast.v1');
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#hear(data);
    socket.onclose = ({ code, reason }) => this.#lose(code, reason);
    socket.onerror = () => {}; // `close` follows
    this.#after(OPEN_WITHIN, () => this.#drop('no answer'));
  }

  /** @param {any} data */
  #hear(data) {
    this.#heardAt = performance.now();
    const { type, ...told } = parsed(data);
    if (type !== 'welcome' && !this.#place) return;
    switch (type) {
      case 'welcome':
        return this.#welcome(told);
      case 'message':
        this.#advance(told.offset);
        return this.#tell('message', withBytes(told));
      case 'ack':
        this.#advance(told.offset);
        return this.#take(told.ref)?.resolve({ offset: told.offset });
      case 'presence':
        return this.#take(told.ref)?.resolve({ clients: told.clients, who: told.who });
      case 'error':
        return this.#take(told.ref)?.reject(Object.assign(new Error(told.message), { code: told.code }));
      case 'join':
      case 'leave':
        return this.#tell(type, told);
    }
  }

  /** @param {any} told */
  #welcome({ session, who, epoch, offset, recovered = true }) {
    this.#place = { session, who, epoch, offset };
    if (this.#socket?.readyState !== 1) return; // we are leaving already
    this.#isHere = true;
    this.#openSince = performance.now();
    this.#isAsking = false;
    this.#watch();
    this.#sendWaiting();
    this.#tell('open', { who, offset, recovered });
  }

  /** @param {number} offset */
  #advance(offset) {
    if (this.#place) this.#place.offset = offset;
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #lose(code, reason) {
    clearTimeout(this.#timer);
    this.#socket = null;
    this.#isHere = false;
    this.#rejectCalls('the connection was lost');
    if (this.#closed || FOR_GOOD.includes(code)) return this.#end({ code, reason });
    if (performance.now() - this.#openSince >= STEADY_AFTER) this.#losses = 0;
    this.#openSince = Infinity;
    const wait = this.#paused ? Infinity : backOff(this.#losses++);
    if (!this.#paused) this.#after(wait, () => this.#connect());
    this.#tell('lost', { code, wait });
  }

  /** Says goodbye, and does not wait for ever for the answer. */
  #hangUp() {
    clearTimeout(this.#timer);
    if (!this.#socket) return;
    this.#socket.close(1000);
    this.#after(CLOSE_WITHIN, () => this.#drop('no answer to our goodbye'));
  }

  /**
   * Gives up a connection whose other end is silent: a browser would wait for minutes before it says so.
   * @param {string} reason
   */
  #drop(reason) {
    const socket = this.#socket;
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
    this.#lose(LOST, reason);
  }

  /** @param {{ code: number, reason: string }} detail */
  #end(detail) {
    if (this.#ended) return;
    this.#closed = this.#ended = true;
    clearTimeout(this.#timer);
    this.#wakes.abort();
    this.#rejectCalls('not connected', true);
    this.#tell('end', detail);
  }

  // Liveness: a path can fall silent without anybody being told.

  /** Waits until the server has been quiet for too long. */
  #watch() {
    const quiet = performance.now() - this.#heardAt;
    if (quiet >= QUIET_FOR) this.#ask();
    else this.#after(QUIET_FOR - quiet, () => this.#watch());
  }

  /** Asks for a sign of life; a program that itself stood still in between asks once more before it judges. */
  #ask(mayAskAgain = true) {
    const asked = performance.now();
    this.#isAsking = true;
    this.#socket?.send('{"type":"presence"}');
    this.#after(ALIVE_WITHIN, () => {
      this.#isAsking = false;
      if (this.#heardAt > asked) this.#watch();
      else if (mayAskAgain && performance.now() - asked > 2 * ALIVE_WITHIN) this.#ask(false);
      else this.#drop('the server is silent');
    });
  }

  /** A network that changed, a page that was frozen or out of sight: then nobody knows what became of the connection. */
  #watchThePage() {
    const { signal } = this.#wakes;
    const wake = () => this.#wake();
    globalThis.addEventListener?.('online', wake, { signal });
    globalThis.addEventListener?.('pageshow', wake, { signal });
    const page = globalThis.document;
    page?.addEventListener('visibilitychange', () => page.hidden || wake(), { signal });
  }

  #wake() {
    if (this.isOpen && !this.#isAsking) this.#ask();
    else if (!this.#socket && !this.#paused) this.#after(backOff(0), () => this.#connect()); // not all at once
  }

  /**
   * @param {number} wait
   * @param {() => void} act
   */
  #after(wait, act) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(act, wait);
  }

  /**
   * @param {string} name
   * @param {any} detail
   */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/**
 * Longer after each loss, and left to chance: a crowd does not come back in one instant.
 * @param {number} losses
 */
function backOff(losses) {
  const most = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** losses);
  return Math.round(most * (0.5 + Math.random() / 2));
}

/**
 * The address for WebSocket; what is relative is relative to the page.
 * @param {string | URL} url
 */
function addressOf(url) {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  const address = resolved(url, base);
  if (address.protocol === 'http:') address.protocol = 'ws:';
  if (address.protocol === 'https:') address.protocol = 'wss:';
  if (!['ws:', 'wss:'].includes(address.protocol)) throw new TypeError(`${address} does not begin with ws:// or wss://`);
  address.hash = ''; // an address of WebSocket has none
  return address;
}

/**
 * @param {string | URL} url
 * @param {string | undefined} base
 */
function resolved(url, base) {
  try {
    return new URL(url, base);
  } catch {
    throw new TypeError(`${url} is no address; one looks like wss://example.org/websocket/news`);
  }
}

/**
 * @param {any} content
 * @returns {{ text: string } | { base64: string }}
 */
function payloadOf(content) {
  if (typeof content === 'string') return { text: content };
  if (ArrayBuffer.isView(content)) {
    return { base64: toBase64(new Uint8Array(content.buffer, content.byteOffset, content.byteLength)) };
  }
  if (/^\[object (Shared)?ArrayBuffer\]$/.test(Object.prototype.toString.call(content))) {
    return { base64: toBase64(new Uint8Array(content)) };
  }
  const text = isData(content) ? JSON.stringify(content) : undefined;
  if (text === undefined) throw new TypeError(`${nameOf(content)} is neither text, nor bytes, nor an object for JSON`);
  return { text };
}

/**
 * Whether JSON has words for an object: a Blob, a Map or a Promise would become `{}`.
 * @param {any} content
 */
function isData(content) {
  if (typeof content !== 'object' || content === null) return false;
  if (Array.isArray(content) || typeof content.toJSON === 'function') return true;
  const prototype = Object.getPrototypeOf(content);
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
  return isPlain || Object.keys(content).length > 0;
}

/** @param {any} content */
function nameOf(content) {
  return content?.constructor?.name ?? String(content);
}

/**
 * What the server told; an object without a type where it is not JSON.
 * @param {any} data
 * @returns {any}
 */
function parsed(data) {
  try {
    return Object(JSON.parse(data));
  } catch {
    return {};
  }
}

/** @param {any} told */
function withBytes({ base64, ...message }) {
  if (base64 === undefined) return message;
  return { ...message, bytes: Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)) };
}

/** @param {Uint8Array} bytes */
function toBase64(bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}
