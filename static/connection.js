// One WebSocket: opened by hand, closed by hand, and opened again by itself when it was lost.

import { mayComeBack } from './ending.js';

const FIRST_WAIT = 1_000; // ms
const LONGEST_WAIT = 30_000; // ms
const STEADY_AFTER = 10_000; // ms open until the next loss counts as the first
const NORMAL_CLOSURE = 1000;

/**
 * Tells its listener: `changed(state)`, `opened()`, `heard(data)`, `failed()`, `ended(closeEvent)`.
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
  #retry;
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
    this.#losses = 0;
    this.#connect(socket);
  }

  /** Comes back now instead of waiting on. */
  hurry() {
    if (this.#state.name === 'waiting') this.#connect(new WebSocket(this.#address));
  }

  /** Closes, or gives up connecting or waiting; does not come back by itself. */
  close() {
    clearTimeout(this.#retry);
    if (this.#state.name === 'waiting') return this.#become({ name: 'closed' });
    if (this.#state.name === 'closed') return;
    this.#become({ name: 'closing' });
    this.#socket.close(NORMAL_CLOSURE);
  }

  say(data) {
    this.#socket.send(data);
  }

  #connect(socket) {
    clearTimeout(this.#retry);
    const inTurn = (act) => (event) => this.#left.then(() => socket === this.#socket && act(event));
    socket.binaryType = 'arraybuffer';
    socket.onopen = inTurn(() => this.#opened());
    socket.onmessage = inTurn(({ data }) => this.#listener.heard(data));
    socket.onerror = inTurn(() => this.#listener.failed());
    socket.onclose = inTurn((ending) => this.#ended(ending));
    this.#socket = socket;
    this.#become({ name: 'connecting' });
  }

  #opened() {
    this.#openSince = Date.now();
    this.#become({ name: 'open' });
    this.#listener.opened();
  }

  #ended(ending) {
    const byHand = this.#state.name === 'closing';
    this.#listener.ended(ending);
    if (byHand || !mayComeBack(ending)) return this.#become({ name: 'closed', byHand, ending });
    this.#comeBackLater(ending);
  }

  #comeBackLater(ending) {
    if (Date.now() - this.#openSince > STEADY_AFTER) this.#losses = 0;
    this.#openSince = Infinity;
    const wait = jittered(Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#losses++));
    this.#retry = setTimeout(() => this.hurry(), wait);
    this.#become({ name: 'waiting', until: Date.now() + wait, ending });
  }

  /** Lets go of the present socket, which is heard once more: when it has ended. */
  #leave() {
    clearTimeout(this.#retry);
    const socket = this.#socket;
    if (!socket || socket.readyState === WebSocket.CLOSED) return;
    socket.onopen = socket.onmessage = socket.onerror = null;
    const ended = new Promise((end) => { socket.onclose = end; });
    this.#left = this.#left.then(() => ended).then((ending) => this.#listener.ended(ending));
    socket.close(NORMAL_CLOSURE);
  }

  #become(state) {
    this.#state = state;
    this.#listener.changed(state);
  }
}

/** Between half and all of `wait`: a crowd that lost its server does not come back in one instant. */
function jittered(wait) {
  return wait * (0.5 + Math.random() / 2);
}
