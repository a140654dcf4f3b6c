// One WebSocket: opened by hand, closed by hand, and opened again by itself when it was lost.

import { mayComeBack } from './close-codes.js';

const FIRST_WAIT = 1_000; // ms
const LONGEST_WAIT = 30_000; // ms
const STEADY_AFTER = 10_000; // ms open until the next loss counts as the first
const OPEN_WITHIN = 15_000; // ms from an attempt to the end of its handshake
const CLOSE_WITHIN = 5_000; // ms from our close frame to the end of the connection
const ECHO_WITHIN = 30_000; // ms from our words to any word, where the room has returned our words before
const NORMAL_CLOSURE = 1000;
const LOST = 1006;

/**
 * Tells its listener: `changed(state)`, `opened()`, `heard(data)`, `failed()`, `ended(closeEvent)`, and
 * `left(closeEvent)` of a connection that made way for another.
 * A state has a `name` (connecting, open, closing, waiting, closed); waiting also says `until` when,
 * in ms since 1970, and waiting and closed may have the `ending` that led there.
 */
export class Connection {
  #listener;
  #address;
  #socket;
  #state = { name: 'closed' };
  #losses = 0;
  #openSince = Infinity;
  #timer; // the one deadline or pause of the present state
  #heardAt = 0;
  #said; // last
  #echoes = false; // whether the room has returned our words
  #echoTimer;
  #left = Promise.resolve(); // once the sockets before have ended: who listens hears of one after the other

  constructor(listener) {
    this.#listener = listener;
  }

  get isOpen() {
    return this.#state.name === 'open';
  }

  /** It is open, or tries to be. */
  get isWanted() {
    return ['connecting', 'open', 'waiting'].includes(this.#state.name);
  }

  /** When it last heard anything, as `performance.now()`. */
  get heardAt() {
    return this.#heardAt;
  }

  /** Bytes said that the socket has not taken yet. */
  get unsent() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** What the handshake agreed on, such as `permessage-deflate`; empty for nothing. */
  get extensions() {
    return this.#socket?.extensions ?? '';
  }

  /** Connects to `address` and leaves whatever was open. Throws what the browser says against the address. */
  open(address) {
    const socket = new WebSocket(address);
    this.#leave();
    this.#address = address;
    this.#echoes = false;
    this.#losses = 0;
    this.#connect(socket);
  }

  /** Comes back now instead of waiting on. */
  hurry() {
    if (this.#state.name === 'waiting') this.#connect(new WebSocket(this.#address));
  }

  /** Closes, or gives up connecting or waiting; does not come back by itself. */
  close() {
    if (this.#state.name === 'closing' || this.#state.name === 'closed') return;
    this.#forgetDeadlines();
    if (this.#state.name === 'waiting') return this.#become({ name: 'closed' });
    this.#become({ name: 'closing' });
    this.#socket.close(NORMAL_CLOSURE);
    this.#timer = setTimeout(() => this.giveUp('no answer to our goodbye'), CLOSE_WITHIN);
  }

  /** Lets go of a connection whose other end is silent, which the browser itself notices late or never. */
  giveUp(reason) {
    const socket = this.#socket;
    forget(socket);
    socket.close();
    this.#ended({ code: LOST, reason });
  }

  say(data) {
    this.#socket.send(data);
    this.#said = data;
    if (this.#echoes) this.#expectEcho();
  }

  /** Our own words come back over this very connection, or it is dead; what still waits to leave needs its time. */
  #expectEcho() {
    const asked = performance.now();
    clearTimeout(this.#echoTimer);
    this.#echoTimer = setTimeout(() => {
      if (this.#heardAt > asked || !this.isOpen) return;
      if (this.unsent || performance.now() - asked > 2 * ECHO_WITHIN) return this.#expectEcho(); // or we stood still
      this.giveUp('our words did not come back');
    }, ECHO_WITHIN);
  }

  #connect(socket) {
    this.#forgetDeadlines();
    const inTurn = (act) => (event) => this.#left.then(() => socket === this.#socket && act(event));
    socket.binaryType = 'arraybuffer';
    socket.onopen = inTurn(() => this.#opened());
    socket.onmessage = inTurn(({ data }) => this.#heard(data));
    socket.onerror = inTurn(() => this.#listener.failed());
    socket.onclose = inTurn((ending) => this.#ended(ending));
    this.#socket = socket;
    this.#timer = setTimeout(() => this.giveUp('no answer'), OPEN_WITHIN);
    this.#become({ name: 'connecting' });
  }

  #opened() {
    clearTimeout(this.#timer);
    this.#heardAt = performance.now();
    this.#openSince = Date.now();
    this.#become({ name: 'open' });
    this.#listener.opened();
  }

  #heard(data) {
    this.#heardAt = performance.now();
    if (data === this.#said) this.#echoes = true;
    this.#listener.heard(data);
  }

  #ended(ending) {
    this.#forgetDeadlines();
    const byHand = this.#state.name === 'closing';
    this.#listener.ended(ending);
    if (byHand || !mayComeBack(ending)) return this.#become({ name: 'closed', byHand, ending });
    this.#comeBackLater(ending);
  }

  #comeBackLater(ending) {
    if (Date.now() - this.#openSince > STEADY_AFTER) this.#losses = 0;
    this.#openSince = Infinity;
    const wait = jittered(Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#losses++));
    this.#timer = setTimeout(() => this.hurry(), wait);
    this.#become({ name: 'waiting', until: Date.now() + wait, ending });
  }

  /** Lets go of the present socket, which is heard once more: when it has ended. */
  #leave() {
    this.#forgetDeadlines();
    const socket = this.#socket;
    if (!socket || socket.readyState === WebSocket.CLOSED || !socket.onclose) return;
    forget(socket);
    const ended = new Promise((end) => {
      socket.onclose = end;
      setTimeout(end, CLOSE_WITHIN, { code: LOST, reason: 'no answer to our goodbye' });
    });
    this.#left = this.#left.then(() => ended).then((ending) => this.#listener.left(ending));
    socket.close(NORMAL_CLOSURE);
  }

  #forgetDeadlines() {
    clearTimeout(this.#timer);
    clearTimeout(this.#echoTimer);
  }

  #become(state) {
    this.#state = state;
    this.#listener.changed(state);
  }
}

/** Hears no more of it. */
function forget(socket) {
  socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null;
}

/** Between half and all of `wait`: a crowd that lost its server does not come back in one instant. */
function jittered(wait) {
  return wait * (0.5 + Math.random() / 2);
}
