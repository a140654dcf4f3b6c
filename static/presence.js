// How many are in the room: asked gently, and only while someone can see the answer.

const ASK_EVERY = 3_000; // ms

export class Presence {
  #show;
  #room = null;
  #timer;
  #asking = new AbortController();

  /** `show` gets the number of clients, or null when it is not known. */
  constructor(show) {
    this.#show = show;
    document.addEventListener('visibilitychange', () => this.#room && this.#ask());
  }

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
    const clients = await clientsIn(this.#room, signal);
    if (signal.aborted) return;
    if (clients === null) return this.stop(); // this server does not tell: no second question
    this.#show(clients);
    this.#timer = setTimeout(() => this.#ask(), ASK_EVERY);
  }
}

async function clientsIn(room, signal) {
  try {
    const answer = await fetch(`rooms/${encodeURIComponent(room)}`, { signal });
    return answer.ok ? (await answer.json()).clients ?? null : null;
  } catch {
    return null;
  }
}
