// Counts what headers cost: as frames, and had every message been an HTTP request.

import { count } from './element.js';
import { overheadOf } from './frame.js';
import { bytesOf, handshake, poll, post } from './request.js';

export class Ledger {
  #rows;
  #costs;
  #messages = 0;
  #bytes = { frames: 0, handshakes: 0, requests: 0 };
  #due = false;

  /** `table` has a row `data-cost` for each sum; requests would go to where `page`, a location, came from. */
  constructor(table, page) {
    this.#rows = table.querySelectorAll('[data-cost]');
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
    const most = Math.max(...Object.values(this.#bytes));
    for (const row of this.#rows) this.#showRow(row, this.#bytes[row.dataset.cost], most);
  }

  #showRow(row, bytes, most) {
    const about = row.dataset.cost === 'frames' ? '' : '≈ ';
    row.querySelector('.sum').textContent = about + count(bytes, 'byte');
    row.querySelector('rect').setAttribute('width', (100 * bytes) / most);
    row.querySelector('.messages')?.replaceChildren(count(this.#messages, 'message'));
  }
}
