// A room of a worldcast server, for any page or program with WebSocket. It reconnects after the
// connection is lost, and then receives each message that it missed, once.
//
//   import { Room } from './worldcast.js';
//   const room = new Room('wss://example.org/websocket/news');
//   room.addEventListener('message', ({ detail }) => console.log(detail.text));
//   room.publish('hello').then(({ offset }) => console.log('published as number', offset));
//
// Copy this file; it needs no other. worldcast.d.ts beside it has its types. docs/protocol.md
// describes worldcast.v1, which it uses.

const FIRST_PAUSE = 500; // ms
const MAX_PAUSE = 30_000; // ms
const OPEN_WITHIN = 15_000; // ms from a connection attempt to the welcome
const CLOSE_WITHIN = 5_000; // ms from our close frame to the end of the connection
const QUIET_FOR = 30_000; // ms without a frame until a request for a sign of life
const ALIVE_WITHIN = 15_000; // ms from that request to any frame: a server of several nodes may need its `session.stalled_write`
const ANSWER_WITHIN = 60_000; // ms from a call to its answer
const MAX_WAITING_CALLS = 1_000; // before the first open
const MAX_WAITING_BYTES = 1024 * 1024; // of requests before the first open
// Bytes that wait in the socket for a slow network: backpressure.
const MAX_UNSENT = 16 * 1024 * 1024;
const LOST = 1006; // RFC 6455, section 7.4.1: the connection ended without a close frame

/**
 * A connection that has been open for so many ms is steady: its loss counts as the first of a row.
 */
export const STEADY_AFTER = 10_000;

/**
 * Close codes with their names (RFC 6455, section 7.4.1, and the registry of IANA). `comeBack` is
 * false where the next attempt would end the same way, because the client would break the same rule
 * again. After a code that is missing here, such as 4000 to 4999, a client may come back.
 * @type {Readonly<Record<number, { name: string, comeBack: boolean }>>}
 */
export const CLOSE_CODES = {
  1000: { name: 'normal closure', comeBack: true },
  1001: { name: 'going away', comeBack: true },
  1002: { name: 'protocol error', comeBack: false },
  1003: { name: 'unsupported data', comeBack: false },
  1005: { name: 'no status received', comeBack: true },
  1006: { name: 'abnormal closure', comeBack: true },
  1007: { name: 'invalid payload data', comeBack: false },
  1008: { name: 'policy violation', comeBack: false },
  1009: { name: 'message too big', comeBack: false },
  1010: { name: 'mandatory extension', comeBack: true },
  1011: { name: 'internal error', comeBack: true },
  1012: { name: 'service restart', comeBack: true },
  1013: { name: 'try again later', comeBack: true },
  1014: { name: 'bad gateway', comeBack: true },
};

/**
 * True if a client whose connection was closed with `code` may come back, after a pause.
 * @param {number} code
 */
export function comesBackAfter(code) {
  return CLOSE_CODES[code]?.comeBack ?? true;
}

/**
 * The pauses between attempts to connect: each up to twice as long as the last, until a connection
 * was steady.
 */
export class Backoff {
  #first;
  #losses = 0; // since the last steady connection
  #openSince = Infinity; // ms, of performance.now()

  /** @param {number} first the longest first pause, in ms */
  constructor(first = FIRST_PAUSE) {
    this.#first = first;
  }

  /** A connection is open. */
  opened() {
    this.#openSince = performance.now();
  }

  /** The connection, or an attempt, has ended. */
  ended() {
    if (performance.now() - this.#openSince >= STEADY_AFTER) this.#losses = 0;
    this.#openSince = Infinity;
  }

  /**
   * The pause before the next attempt, in ms: half of the longest to all of it, at random, so that
   * a crowd spreads.
   */
  next() {
    return this.#pause(this.#losses++);
  }

  /** A pause as after a first loss, in ms, which counts for nothing. */
  short() {
    return this.#pause(0);
  }

  /** @param {number} losses */
  #pause(losses) {
    const longest = Math.min(MAX_PAUSE, this.#first * 2 ** losses);
    return Math.round(longest * (0.5 + Math.random() / 2));
  }
}

const utf8 = new TextEncoder();

/**
 * @typedef {{
 *   resolve: (answer: any) => void, reject: (error: Error) => void,
 *   deadline: any, unsent: string | null, bytes: number,
 * }} Call
 */

/**
 * Events, each with a `detail`:
 *
 * - `open`: `{ who, offset, recovered }`; `recovered` is false if missed messages are no longer in
 *   the history
 * - `message`: `{ offset, who, time, text }`, or `bytes` (a Uint8Array) instead of `text`
 * - `join`, `leave`: `{ who }`, in rooms with presence
 * - `historyLost`: `{ kept }`; the server has lost messages after the offset `kept`. Those that this
 *   room has received or published no longer exist, and other messages with the same offsets may
 *   follow; others cannot be delivered
 * - `lost`: `{ code, wait }`; the connection is lost. The next attempt is `wait` ms later, Infinity
 *   while paused
 * - `end`: `{ code, reason }`; the room is closed, by `close()` or by a code that forbids coming
 *   back
 */
export class Room extends EventTarget {
  /** @type {URL} */
  #url;
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {{ session: string, who: string, epoch: string, offset: number } | undefined} */
  #position; // undefined before the first welcome
  #isWelcome = false; // from a welcome to the loss of its connection
  /** @type {Map<string, Call>} */
  #calls = new Map(); // by ref
  #waiting = { calls: 0, bytes: 0 }; // the calls that have not been sent
  #refs = 0;
  #backoff = new Backoff();
  #receivedAt = 0; // ms, of performance.now(): the time of the last frame
  #isAsking = false; // a request for a sign of life is on its way
  /** @type {any} */
  #timer; // the one deadline or pause of the present state
  #paused = false;
  #closed = false;
  #ended = false;
  #wakes = new AbortController();

  /**
   * Connects, and subscribes to the room.
   * @param {string | URL} url may be relative to the page, and begin with http as well as with ws
   * @param {{ last?: number, echo?: boolean }} options `last`: number of the last messages to begin
   *   with; `echo`: true to receive our own messages too
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
    return this.#position?.who;
  }

  get isOpen() {
    return this.#socket?.readyState === 1 && this.#isWelcome;
  }

  /**
   * Publishes text, bytes (an ArrayBuffer or a view of one), or an object as JSON; resolves with
   * its `{ offset }`. Before the first `open` a call waits, within bounds. Rejects with a TypeError
   * for other content. Rejects with an Error if the server refuses, or cannot confirm the message
   * (`code` is `backplane`), if the connection is lost before the answer, or if no answer comes
   * within a minute: the message may have arrived all the same, or arrive later, and with `echo` it
   * is then delivered as a `message`.
   * @param {any} content
   * @returns {Promise<{ offset: number }>}
   */
  async publish(content) {
    return this.#call({ type: 'publish', ...payloadOf(content) });
  }

  /**
   * Resolves with `{ clients, who }`; `who` only in rooms with presence.
   * @returns {Promise<{ clients: number, who?: string[] }>}
   */
  presence() {
    return this.#call({ type: 'presence' });
  }

  /**
   * Closes the connection and keeps the position: `resume()` brings the messages that were missed.
   */
  pause() {
    if (this.#closed) return;
    this.#paused = true;
    this.#closeSocket();
  }

  /** Connects now: after `pause()`, or instead of waiting for the next attempt. */
  resume() {
    this.#paused = false;
    // A socket that is still closing is followed by an attempt.
    if (this.#closed || this.#socket) return;
    this.#connect();
  }

  /** Leaves the room, and does not come back. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#socket) this.#closeSocket();
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
   * The reason for which a request can be neither sent nor kept; empty if there is none.
   * @param {string} text
   */
  #refusalOf(text) {
    if (this.isOpen) {
      const { bufferedAmount } = /** @type {WebSocket} */ (this.#socket);
      const isFull = bufferedAmount > 0 && bufferedAmount + text.length > MAX_UNSENT;
      return isFull ? `the network is too slow: ${bufferedAmount} bytes wait to be sent` : '';
    }
    if (this.#closed || this.#position) return 'not connected';
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
   * Removes a call. The caller settles its promise.
   * @param {string} ref
   */
  #take(ref) {
    const call = this.#calls.get(ref);
    // Its deadline has passed, or the answer is to our request for a sign of life.
    if (!call) return undefined;
    clearTimeout(call.deadline);
    this.#calls.delete(ref);
    this.#forgetWaiting(call);
    return call;
  }

  /**
   * Rejects the calls that were sent, or all calls.
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
    if (this.#position) {
      const { epoch, offset, session } = this.#position;
      url.searchParams.set('since', `${epoch}-${offset}`);
      url.searchParams.set('session', session);
      url.searchParams.delete('last');
    }
    const socket = new WebSocket(url, 'worldcast.v1');
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code, reason }) => this.#lose(code, reason);
    socket.onerror = () => {}; // `close` follows
    this.#after(OPEN_WITHIN, () => this.#drop('no answer'));
  }

  /** @param {any} data */
  #receive(data) {
    this.#receivedAt = performance.now();
    const { type, ...fields } = parsed(data);
    if (type !== 'welcome' && !this.#position) return;
    switch (type) {
      case 'welcome':
        return this.#welcome(fields);
      case 'message':
        this.#advance(fields.offset);
        return this.#dispatch('message', withBytes(fields));
      case 'ack':
        this.#advance(fields.offset);
        return this.#take(fields.ref)?.resolve({ offset: fields.offset });
      case 'presence':
        return this.#take(fields.ref)?.resolve({ clients: fields.clients, who: fields.who });
      case 'error':
        return this.#take(fields.ref)?.reject(Object.assign(new Error(fields.message), { code: fields.code }));
      case 'join':
      case 'leave':
        return this.#dispatch(type, fields);
      case 'epoch':
        return this.#beginEpoch(fields);
    }
  }

  /**
   * The history goes on in another epoch. Messages after `kept` that came before are lost; usually there are none. With
   * an `offset`, the messages between both cannot be delivered.
   * @param {any} fields
   */
  #beginEpoch({ epoch, kept, offset }) {
    if (!this.#position) return;
    const received = this.#position.offset;
    this.#position.epoch = epoch;
    this.#advance(offset ?? Math.min(received, kept));
    if (kept < received || kept < offset) this.#dispatch('historyLost', { kept });
  }

  /** @param {any} fields */
  #welcome({ session, who, epoch, offset, recovered = true }) {
    this.#position = { session, who, epoch, offset };
    if (this.#socket?.readyState !== 1) return; // the close frame is sent already
    this.#isWelcome = true;
    this.#backoff.opened();
    this.#isAsking = false;
    this.#watch();
    this.#sendWaiting();
    this.#dispatch('open', { who, offset, recovered });
  }

  /** @param {number} offset */
  #advance(offset) {
    if (this.#position) this.#position.offset = offset;
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #lose(code, reason) {
    clearTimeout(this.#timer);
    this.#socket = null;
    this.#isWelcome = false;
    this.#rejectCalls(reason ? `the connection was lost: ${reason}` : 'the connection was lost');
    if (this.#closed || !comesBackAfter(code)) return this.#end({ code, reason });
    this.#backoff.ended();
    const wait = this.#paused ? Infinity : this.#backoff.next();
    if (!this.#paused) this.#after(wait, () => this.#connect());
    this.#dispatch('lost', { code, wait });
  }

  /** Sends a close frame; the answer has a deadline. */
  #closeSocket() {
    clearTimeout(this.#timer);
    if (!this.#socket) return;
    this.#socket.close(1000);
    this.#after(CLOSE_WITHIN, () => this.#drop('no answer to the close frame'));
  }

  /**
   * Gives up a connection whose other end is silent; a browser itself would wait for minutes.
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
    this.#dispatch('end', detail);
  }

  // Liveness: a network path can fail without a signal to either end.

  /** Waits until the server has been silent for `QUIET_FOR`. */
  #watch() {
    const quiet = performance.now() - this.#receivedAt;
    if (quiet >= QUIET_FOR) this.#ask();
    else this.#after(QUIET_FOR - quiet, () => this.#watch());
  }

  /**
   * Asks for a sign of life. A program that itself stood still in between asks once more before it
   * judges.
   */
  #ask(mayAskAgain = true) {
    const asked = performance.now();
    this.#isAsking = true;
    this.#socket?.send('{"type":"presence"}');
    this.#after(ALIVE_WITHIN, () => {
      this.#isAsking = false;
      if (this.#receivedAt > asked) this.#watch();
      else if (mayAskAgain && performance.now() - asked > 2 * ALIVE_WITHIN) this.#ask(false);
      else this.#drop('the server is silent');
    });
  }

  /**
   * The network may have changed, or the page may have been frozen or hidden: the state of the
   * connection is unknown.
   */
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
    else if (!this.#socket && !this.#paused) this.#after(this.#backoff.short(), () => this.#connect());
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
  #dispatch(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/**
 * The address for WebSocket. A relative one is resolved against the page.
 * @param {string | URL} url
 */
function addressOf(url) {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  const address = resolved(url, base);
  if (address.protocol === 'http:') address.protocol = 'ws:';
  if (address.protocol === 'https:') address.protocol = 'wss:';
  if (!['ws:', 'wss:'].includes(address.protocol)) throw new TypeError(`${address} does not begin with ws:// or wss://`);
  address.hash = ''; // RFC 6455, section 3: a WebSocket address has no fragment
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
 * True if JSON can represent an object: a Blob, a Map or a Promise would become `{}`.
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
 * The message of the server; an object without a type if it is not JSON.
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

/** @param {any} fields */
function withBytes({ base64, ...message }) {
  if (base64 === undefined) return message;
  return { ...message, bytes: Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)) };
}

/** @param {Uint8Array} bytes */
function toBase64(bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}
