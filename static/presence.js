// Which room this is and how many are in it: asked gently, and only while someone can see the answer.

const ASK_EVERY = 3_000; // ms

export class Presence {
  #show;
  #room = null; // empty: the one that the server chooses
  #timer;
  #asking = new AbortController();

  /** `show` gets the `room` and its number of `clients`, or null when they are not known. */
  constructor(show) {
    this.#show = show;
    document.addEventListener('visibilitychange', () => this.#room !== null && this.#ask());
  }

  /** Asks about `room`, a name, or empty for the one that the server chooses. */
  watch(room) {
    this.#room = room;
    this.#ask();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#asking.abort();
    this.#room = null;
    this.#show(null);
  }

  async #ask() {
    clearTimeout(this.#timer);
    this.#asking.abort();
    if (document.hidden) return;
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    const facts = await factsAbout(this.#room, signal);
    if (signal.aborted) return;
    if (facts === null) return this.stop(); // this server does not tell: no second question
    this.#show(facts);
    this.#timer = setTimeout(() => this.#ask(), ASK_EVERY);
  }
}

async function factsAbout(room, signal) {
  try {
    const answer = await fetch(`rooms/${encodeURIComponent(room)}`, { signal });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}
