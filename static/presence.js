// Which room this is and how many are in it, and whether the server is there at all: asked gently, and only while
// someone can see the answer.

const ASK_EVERY = 3_000; // ms
const ANSWER_WITHIN = 10_000; // ms
const MAX_MISSES = 2; // bad answers, one after the other, until the server counts as gone

export class Presence {
  #show;
  #lost;
  #misses = 0;
  #room = null; // empty: the one that the server chooses
  #timer;
  #asking = new AbortController();

  /**
   * `show` gets the `room` and its number of `clients`, or null when they are not known; `lost` gets the time, as
   * `performance.now()`, since when the server does not answer, or does not know of us.
   */
  constructor(show, lost) {
    this.#show = show;
    this.#lost = lost;
    const ask = () => this.#room !== null && this.#ask();
    document.addEventListener('visibilitychange', ask);
    addEventListener('online', ask);
  }

  /** Asks about `room`, a name, or empty for the one that the server chooses. */
  watch(room) {
    this.#room = room;
    this.#misses = 0;
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
    const asking = new AbortController();
    this.#asking = asking;
    const asked = performance.now();
    const facts = await factsAbout(this.#room, asking.signal);
    if (asking !== this.#asking || this.#room === null) return; // another question was asked meanwhile, or none is any more
    if (facts === null) return this.stop(); // this server does not tell: no second question
    if (facts.clients) this.#show(facts); // we are one of them
    if (!facts.isBusy) this.#judge(facts, asked);
    if (this.#room !== null) this.#timer = setTimeout(() => this.#ask(), ASK_EVERY);
  }

  #judge({ clients, late }, asked) {
    if (clients || performance.now() - asked > 2 * ANSWER_WITHIN) this.#misses = 0; // or we ourselves stood still
    else this.#misses += late ? MAX_MISSES : 1;
    if (this.#misses < MAX_MISSES) return;
    this.#misses = 0;
    this.#lost(asked);
  }
}

const BUSY = [429, 503]; // it is there, and asks for patience
const NOT_THERE = [502, 504]; // says a proxy

/** The server's answer; null where it answers without telling, and no `clients` where it does not answer. */
async function factsAbout(room, signal) {
  const limit = new AbortController();
  const stop = () => limit.abort();
  signal.addEventListener('abort', stop);
  const deadline = setTimeout(stop, ANSWER_WITHIN);
  try {
    const answer = await fetch(`rooms/${encodeURIComponent(room)}`, { signal: limit.signal });
    if (BUSY.includes(answer.status)) return { isBusy: true };
    if (NOT_THERE.includes(answer.status)) return { late: false };
    return answer.ok ? await answer.json() : null;
  } catch {
    return { late: limit.signal.aborted };
  } finally {
    clearTimeout(deadline);
  }
}
