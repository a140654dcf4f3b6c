// Counts what headers cost: as frames, and had every message been an HTTP request.

import { count, digits } from './dom.js';
import { overheadOf } from './frame.js';
import { bytesOf, handshake, poll, post } from './http-cost.js';

export class Ledger {
  #count;
  #rows;
  #costs;
  #messages = 0;
  #bytes = { frames: 0, handshakes: 0, requests: 0 };
  #due = false;

  /** `section` has a row `data-cost` for each sum; requests would go to where `page`, a location, came from. */
  constructor(section, page) {
    this.#count = section.querySelector('#messages');
    this.#rows = section.querySelectorAll('[data-cost]');
    this.#costs = { sent: bytesOf(post(page)), received: bytesOf(poll(page)), handshake: bytesOf(handshake(page)) };
  }

  addHandshake() {
    this.#bytes.handshakes += this.#costs.handshake;
    this.#showSoon();
  }

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
    for (const row of this.#rows) this.#showRow(row, this.#bytes[row.dataset.cost], most);
  }

  #showRow(row, bytes, most) {
    const about = row.dataset.cost === 'frames' ? '' : 'about ';
    row.querySelector('.sum').textContent = about + digits(bytes);
    row.querySelector('rect').setAttribute('width', (100 * bytes) / most);
  }
}
