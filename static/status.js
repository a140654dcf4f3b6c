// Says what the connection is doing: the dot, the sentence, the countdown, the two buttons.

import { sayEnding } from './close-codes.js';

const LOOKS = {
  connecting: { connect: 'Reconnect', close: 'Cancel', sentence: () => 'Connecting…' },
  open: { connect: 'Reconnect', close: 'Close', sentence: () => 'Open' },
  closing: { connect: 'Reconnect', close: 'Close', sentence: () => 'Closing…' },
  waiting: { connect: 'Try now', close: 'Cancel', sentence: sayWaiting },
  closed: { connect: 'Connect', close: 'Close', sentence: sayClosed },
};

export class Status {
  #parts;
  #announcer;
  #ticking;

  /** `parts` are the elements `state`, `sentence`, `connect` and `close`. */
  constructor(parts, announcer) {
    this.#parts = parts;
    this.#announcer = announcer;
  }

  show(state) {
    const { state: place, connect, close } = this.#parts;
    place.dataset.state = state.name;
    place.classList.toggle('bad', state.name === 'closed' && Boolean(state.ending) && !state.byHand);
    connect.textContent = LOOKS[state.name].connect;
    close.textContent = LOOKS[state.name].close;
    close.ariaDisabled = String(['closing', 'closed'].includes(state.name));
    this.#tick(state);
    this.#announcer.say(this.#parts.sentence.textContent);
  }

  #tick(state) {
    clearTimeout(this.#ticking);
    this.#parts.sentence.textContent = LOOKS[state.name].sentence(state);
    if (state.name === 'waiting') this.#ticking = setTimeout(() => this.#tick(state), 250);
  }
}

function sayWaiting({ ending, until }) {
  const seconds = Math.max(1, Math.ceil((until - Date.now()) / 1000));
  return `Lost: ${sayEnding(ending)}. Trying again in ${seconds} s`;
}

function sayClosed({ byHand, ending }) {
  if (!ending) return 'Not connected';
  return byHand ? `Closed by hand: ${sayEnding(ending)}` : `The server closed: ${sayEnding(ending)}`;
}
