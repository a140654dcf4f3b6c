// An outage in the log: one line with a count, however many attempts it takes to come back.

import { count } from './dom.js';
import { sayEnding } from './close-codes.js';

const STEADY_AFTER = 10_000; // ms open until an outage is over, if nothing was heard

export class Outage {
  #log;
  #isOn = false;
  #attempts = 0;
  #line = null; // the one that counts
  #open = null; // the one of a connection that has not proved itself
  #openSince = 0;

  constructor(log) {
    this.#log = log;
  }

  /** A connection was lost, and none since has held or brought a word. */
  get isOn() {
    return this.#isOn;
  }

  begin() {
    this.#isOn = true;
    this.#attempts = 0;
    this.#line = this.#open = null;
  }

  /** `line` of the log says that a connection is open. */
  opened(line) {
    this.#open = line;
    this.#openSince = performance.now();
  }

  end() {
    this.#isOn = false;
  }

  /** Counts an attempt that failed; false if there is no outage, and the ending deserves a line of its own. */
  counts(ending) {
    if (this.#open && performance.now() - this.#openSince > STEADY_AFTER) this.end();
    if (!this.#isOn) return false;
    if (this.#open) this.#log.remove(this.#open);
    this.#open = null;
    this.#attempts += 1;
    const lead = `client: still not connected, ${count(this.#attempts, 'attempt')} failed (${sayEnding(ending)})`;
    if (this.#line && this.#log.change(this.#line, lead)) return true;
    this.#line = this.#log.add({ lead, said: '', frame: null, isBad: true });
    return true;
  }
}
