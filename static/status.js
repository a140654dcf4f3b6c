// Shows the state of the connection: the dot, the sentence, the countdown, the two buttons.

import { describeEnding } from './close-codes.js';

/**
 * @import { Announcer } from './announcer.js'
 * @import { State } from './connection.js'
 */

/**
 * @type {Record<
 *   State['name'],
 *   { connect: string, close: string, sentence: (state: State) => string }
 * >}
 */
const LOOKS = {
  connecting: { connect: 'Reconnect', close: 'Cancel', sentence: () => 'Connecting…' },
  open: { connect: 'Reconnect', close: 'Close', sentence: () => 'Open' },
  closing: { connect: 'Reconnect', close: 'Close', sentence: () => 'Closing…' },
  waiting: { connect: 'Try now', close: 'Cancel', sentence: describeWaiting },
  closed: { connect: 'Connect', close: 'Close', sentence: describeClosed },
};

export class Status {
  #parts;
  #announcer;
  /** @type {number | undefined} */
  #ticking;

  /**
   * @param {Record<'state' | 'sentence' | 'connect' | 'close', HTMLElement>} parts
   * @param {Announcer} announcer
   */
  constructor(parts, announcer) {
    this.#parts = parts;
    this.#announcer = announcer;
  }

  /** @param {State} state */
  show(state) {
    const { state: mark, connect, close } = this.#parts;
    mark.dataset.state = state.name;
    mark.classList.toggle('bad', state.name === 'closed' && Boolean(state.ending) && !state.byHand);
    connect.textContent = LOOKS[state.name].connect;
    close.textContent = LOOKS[state.name].close;
    close.ariaDisabled = String(['closing', 'closed'].includes(state.name));
    this.#tick(state);
    this.#announcer.announce(this.#parts.sentence.textContent ?? '');
  }

  /** @param {State} state */
  #tick(state) {
    clearTimeout(this.#ticking);
    this.#parts.sentence.textContent = LOOKS[state.name].sentence(state);
    if (state.name === 'waiting') this.#ticking = setTimeout(() => this.#tick(state), 250);
  }
}

/** @param {State} state */
function describeWaiting({ ending, until = 0 }) {
  const seconds = Math.max(1, Math.ceil((until - Date.now()) / 1000));
  return `Lost: ${ending && describeEnding(ending)}. Trying again in ${seconds} s`;
}

/** @param {State} state */
function describeClosed({ byHand, ending }) {
  if (!ending) return 'Not connected';
  return byHand ? `Closed by hand: ${describeEnding(ending)}` : `The server closed: ${describeEnding(ending)}`;
}
