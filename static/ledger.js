// Counts the bytes of headers: of frames, and of one HTTP request for each message instead.

import { count, digits } from './dom.js';
import { overheadOf } from './frame.js';
import { bytesOf, handshake, poll, post } from './http-cost.js';

/** @import { Frame } from './frame.js' */

export class Ledger {
  #count;
  #rows;
  #costs;
  #messages = 0;
  #bytes = { frames: 0, handshakes: 0, requests: 0 };
  #due = false; // a drawing is scheduled

  /**
   * @param {HTMLElement} section has a row `data-cost` for each sum
   * @param {Location} page the requests would go to its server
   */
  constructor(section, page) {
    this.#count = part(section, '#messages');
    this.#rows = /** @type {NodeListOf<HTMLElement>} */ (section.querySelectorAll('[data-cost]'));
    this.#costs = { sent: bytesOf(post(page)), received: bytesOf(poll(page)), handshake: bytesOf(handshake(page)) };
  }

  addHandshake() {
    this.#bytes.handshakes += this.#costs.handshake;
    this.#showSoon();
  }

  /** @param {Frame} frame */
  addMessage(frame) {
    this.#messages += 1;
    this.#bytes.frames += overheadOf(frame);
    this.#bytes.requests += this.#costs[frame.direction];
    this.#showSoon();
  }

  #showSoon() {
    if (!this.#due) requestAnimationFrame(() => this.#show());
    this.#due = true;
  }

  #show() {
    this.#due = false;
    this.#count.textContent = count(this.#messages, 'message');
    const most = Math.max(...Object.values(this.#bytes));
    for (const row of this.#rows) {
      const cost = /** @type {'frames' | 'handshakes' | 'requests'} */ (row.dataset.cost);
      showRow(row, cost === 'frames' ? '' : 'about ', this.#bytes[cost], most);
    }
  }
}

/**
 * @param {Element} row
 * @param {string} about stands before an estimate
 * @param {number} bytes
 * @param {number} most the bytes of the longest bar
 */
function showRow(row, about, bytes, most) {
  part(row, '.sum').textContent = about + digits(bytes);
  part(row, 'rect').setAttribute('width', String((100 * bytes) / most));
}

/**
 * @param {Element} section
 * @param {string} selector
 */
function part(section, selector) {
  return /** @type {Element} */ (section.querySelector(selector));
}
