// An outage in the log: one line with a count, however many attempts reconnecting takes.

import { describeEnding } from './close-codes.js';
import { count } from './dom.js';
import { STEADY_AFTER } from './worldcast.js';

/**
 * @import { Ending } from './close-codes.js'
 * @import { Entry, Log } from './log.js'
 */

export class Outage {
  #log;
  #isOn = false;
  #attempts = 0;
  /** @type {Entry | null} */
  #line = null; // the line with the count
  /** @type {Entry | null} */
  #open = null; // the line of a connection that may still be part of the outage
  #openSince = 0; // ms, of performance.now()

  /** @param {Log} log */
  constructor(log) {
    this.#log = log;
  }

  /** True after a loss, until a connection was steady or a message arrived. */
  get isOn() {
    return this.#isOn;
  }

  begin() {
    this.#isOn = true;
    this.#attempts = 0;
    this.#line = this.#open = null;
  }

  /** @param {Entry} line of the log, which says that a connection is open */
  opened(line) {
    this.#open = line;
    this.#openSince = performance.now();
  }

  end() {
    this.#isOn = false;
  }

  /**
   * Counts a failed attempt. Returns false if there is no outage: then the ending deserves a line
   * of its own.
   * @param {Ending} ending
   */
  counts(ending) {
    if (this.#open && performance.now() - this.#openSince > STEADY_AFTER) this.end();
    if (!this.#isOn) return false;
    if (this.#open) this.#log.remove(this.#open);
    this.#open = null;
    this.#attempts += 1;
    const lead = `client: still not connected, ${count(this.#attempts, 'attempt')} failed (${describeEnding(ending)})`;
    if (this.#line && this.#log.change(this.#line, lead)) return true;
    this.#line = this.#log.add({ lead, content: '', frame: null, isBad: true, compressed: false });
    return true;
  }
}
