// Announces events to a screen reader, at a pace that a person can follow.

const PACE = 2_000; // ms between two announcements

export class Announcer {
  #region;
  #last = '';
  #pending = 0; // sentences since the last announcement
  /** @type {number | undefined} */
  #pause;

  /** @param {HTMLElement} region a live region that only this object writes to */
  constructor(region) {
    this.#region = region;
  }

  /** @param {string} sentence */
  announce(sentence) {
    this.#last = sentence;
    this.#pending += 1;
    if (!this.#pause) this.#write();
  }

  #write() {
    const before = this.#pending - 1;
    this.#region.textContent = before ? `${before} more, then ${this.#last}` : this.#last;
    this.#pending = 0;
    this.#pause = setTimeout(() => this.#resume(), PACE);
  }

  #resume() {
    this.#pause = undefined;
    if (this.#pending) this.#write();
  }
}
