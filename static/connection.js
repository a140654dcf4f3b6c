// One WebSocket: opened and closed by hand, and opened again after a loss.

import { comesBackAfter } from './close-codes.js';
import { Backoff } from './worldcast.js';

/** @import { Ending } from './close-codes.js' */

const FIRST_PAUSE = 1_000; // ms: a person reads the countdown
const OPEN_WITHIN = 15_000; // ms from an attempt to the end of its handshake
const CLOSE_WITHIN = 5_000; // ms from our close frame to the end of the connection
// In ms: from a message of ours to any message, in a room that has echoed our messages before.
const ECHO_WITHIN = 30_000;
const NORMAL_CLOSURE = 1000;
const LOST = 1006; // the connection ended without a close frame

/**
 * `until` is the time of the next attempt, in ms since 1970; `ending` led to this state; `byHand`
 * says that a person closed the connection.
 * @typedef {{
 *   name: 'connecting' | 'open' | 'closing' | 'waiting' | 'closed',
 *   until?: number, ending?: Ending, byHand?: boolean,
 * }} State
 */

/**
 * `left` is about a connection that was replaced by another one.
 * @typedef {object} Listener
 * @property {(state: State) => void} changed
 * @property {() => void} opened
 * @property {(data: string | ArrayBuffer) => void} received
 * @property {() => void} failed
 * @property {(ending: Ending) => void} ended
 * @property {(ending: Ending) => void} left
 */

export class Connection {
  #listener;
  #address = '';
  /** @type {WebSocket | undefined} */
  #socket;
  /** @type {State} */
  #state = { name: 'closed' };
  #backoff = new Backoff(FIRST_PAUSE);
  /** @type {number | undefined} */
  #timer; // the one deadline or pause of the present state
  #receivedAt = 0;
  /** @type {string | ArrayBuffer | undefined} */
  #lastSent;
  #echoes = false; // the room has echoed a message of ours
  /** @type {number | undefined} */
  #echoTimer;
  // Resolves after the end of all sockets before: the listener is notified in order.
  #left = Promise.resolve();

  /** @param {Listener} listener */
  constructor(listener) {
    this.#listener = listener;
  }

  get isOpen() {
    return this.#state.name === 'open';
  }

  /** True if the connection is open, or shall be. */
  get isWanted() {
    return ['connecting', 'open', 'waiting'].includes(this.#state.name);
  }

  /** The time of the last message, or of the handshake, as `performance.now()`. */
  get receivedAt() {
    return this.#receivedAt;
  }

  /** Bytes that wait in the socket for the network. */
  get unsent() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** The negotiated extensions, such as `permessage-deflate`; empty for none. */
  get extensions() {
    return this.#socket?.extensions ?? '';
  }

  /**
   * Connects to `address`, and closes the connection before. Throws the browser's objection to the
   * address.
   * @param {string} address
   */
  open(address) {
    const socket = new WebSocket(address);
    this.#leave();
    this.#address = address;
    this.#echoes = false;
    this.#backoff = new Backoff(FIRST_PAUSE);
    this.#connect(socket);
  }

  /** Connects now, if the next attempt is still to come. */
  hurry() {
    if (this.#state.name === 'waiting') this.#connect(new WebSocket(this.#address));
  }

  /** Closes, or gives up connecting or waiting. No attempt follows. */
  close() {
    if (this.#state.name === 'closing' || this.#state.name === 'closed') return;
    this.#forgetDeadlines();
    if (this.#state.name === 'waiting') return this.#become({ name: 'closed' });
    this.#become({ name: 'closing' });
    this.#socket?.close(NORMAL_CLOSURE);
    this.#timer = setTimeout(() => this.giveUp('no answer to the close frame'), CLOSE_WITHIN);
  }

  /**
   * Drops a connection whose other end is silent; the browser itself would notice late or never.
   * @param {string} reason
   */
  giveUp(reason) {
    const socket = this.#socket;
    if (!socket) return;
    forget(socket);
    socket.close();
    this.#ended({ code: LOST, reason });
  }

  /** @param {string | ArrayBuffer} data */
  send(data) {
    this.#socket?.send(data);
    this.#lastSent = data;
    if (this.#echoes) this.#expectEcho();
  }

  /**
   * Our message is echoed over this very connection, or the connection is dead. Unsent bytes get
   * more time.
   */
  #expectEcho() {
    const asked = performance.now();
    clearTimeout(this.#echoTimer);
    this.#echoTimer = setTimeout(() => {
      if (this.#receivedAt > asked || !this.isOpen) return;
      // After twice the time, this page itself stood still.
      if (this.unsent || performance.now() - asked > 2 * ECHO_WITHIN) return this.#expectEcho();
      this.giveUp('no echo of our message');
    }, ECHO_WITHIN);
  }

  /** @param {WebSocket} socket */
  #connect(socket) {
    this.#forgetDeadlines();
    /** @type {<Event>(act: (event: Event) => void) => (event: Event) => void} */
    const inTurn = (act) => (event) => void this.#left.then(() => { if (socket === this.#socket) act(event); });
    socket.binaryType = 'arraybuffer';
    socket.onopen = inTurn(() => this.#opened());
    socket.onmessage = inTurn((/** @type {MessageEvent} */ { data }) => this.#received(data));
    socket.onerror = inTurn(() => this.#listener.failed());
    socket.onclose = inTurn((/** @type {CloseEvent} */ ending) => this.#ended(ending));
    this.#socket = socket;
    this.#timer = setTimeout(() => this.giveUp('no answer'), OPEN_WITHIN);
    this.#become({ name: 'connecting' });
  }

  #opened() {
    clearTimeout(this.#timer);
    this.#receivedAt = performance.now();
    this.#backoff.opened();
    this.#become({ name: 'open' });
    this.#listener.opened();
  }

  /** @param {string | ArrayBuffer} data */
  #received(data) {
    this.#receivedAt = performance.now();
    if (data === this.#lastSent) this.#echoes = true;
    this.#listener.received(data);
  }

  /** @param {Ending} ending */
  #ended(ending) {
    this.#forgetDeadlines();
    const byHand = this.#state.name === 'closing';
    this.#listener.ended(ending);
    if (byHand || !comesBackAfter(ending.code)) return this.#become({ name: 'closed', byHand, ending });
    this.#reconnectLater(ending);
  }

  /** @param {Ending} ending */
  #reconnectLater(ending) {
    this.#backoff.ended();
    const wait = this.#backoff.next();
    this.#timer = setTimeout(() => this.hurry(), wait);
    this.#become({ name: 'waiting', until: Date.now() + wait, ending });
  }

  /** Closes the present socket. The listener is notified of its end and of nothing else. */
  #leave() {
    this.#forgetDeadlines();
    const socket = this.#socket;
    if (!socket || socket.readyState === WebSocket.CLOSED || !socket.onclose) return;
    forget(socket);
    /** @type {Promise<Ending>} */
    const ended = new Promise((end) => {
      socket.onclose = end;
      setTimeout(end, CLOSE_WITHIN, { code: LOST, reason: 'no answer to the close frame' });
    });
    this.#left = this.#left.then(() => ended).then((ending) => this.#listener.left(ending));
    socket.close(NORMAL_CLOSURE);
  }

  #forgetDeadlines() {
    clearTimeout(this.#timer);
    clearTimeout(this.#echoTimer);
  }

  /** @param {State} state */
  #become(state) {
    this.#state = state;
    this.#listener.changed(state);
  }
}

/**
 * Removes all handlers of `socket`.
 * @param {WebSocket} socket
 */
function forget(socket) {
  socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null;
}
