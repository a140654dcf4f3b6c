// Tells a screen reader what happens, at a pace that can be listened to.

const PACE = 2_000; // ms between two announcements

export class Announcer {
  #region;
  #last;
  #unheard = 0;
  #pause;

  /** `region` is a live region that only this object writes to. */
  constructor(region) {
    this.#region = region;
  }

  say(sentence) {
    this.#last = sentence;
    this.#unheard += 1;
    if (!this.#pause) this.#speak();
  }

  #speak() {
    const before = this.#unheard - 1;
    this.#region.textContent = before ? `${before} more, then ${this.#last}` : this.#last;
    this.#unheard = 0;
    this.#pause = setTimeout(() => this.#resume(), PACE);
  }

  #resume() {
    this.#pause = undefined;
    if (this.#unheard) this.#speak();
  }
}
