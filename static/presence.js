// Asks for the name of the room and the number of its clients, and notices a server that does not
// answer. It asks seldom, and only while the page is visible.

const ASK_EVERY = 3_000; // ms
const ANSWER_WITHIN = 10_000; // ms
const MAX_MISSES = 2; // bad answers in a row until the connection counts as lost

/** The answer of the server about a room. @typedef {{ room: string, clients: number }} Facts */

/**
 * `facts` is missing in a bad answer; `isLate` means that no answer came in time, and `isBusy` that
 * the server asks for patience.
 * @typedef {{ facts?: Facts, isLate?: boolean, isBusy?: boolean }} Answer
 */

export class Presence {
  #show;
  #lost;
  #misses = 0;
  /** @type {string | null} */
  #room = null; // empty: the room that the server chooses; null: none
  /** @type {number | undefined} */
  #timer;
  #asking = new AbortController();

  /**
   * @param {(facts: Facts | null) => void} show null if they are not known
   * @param {(since: number) => void} lost the server does not answer, or does not count this page,
   *   since this time, as `performance.now()`
   */
  constructor(show, lost) {
    this.#show = show;
    this.#lost = lost;
    const ask = () => void (this.#room !== null && this.#ask());
    document.addEventListener('visibilitychange', ask);
    addEventListener('online', ask);
  }

  /** @param {string} room a name, or empty for the room that the server chooses */
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
    const answer = await ask(this.#room ?? '', asking.signal);
    // A newer question was asked, or the room was left.
    if (asking !== this.#asking || this.#room === null) return;
    if (answer === null) return this.stop(); // this server has no such answer: no second question
    if (answer.facts?.clients) this.#show(answer.facts); // we are one of them
    if (!answer.isBusy) this.#judge(answer, asked);
    if (this.#room !== null) this.#timer = setTimeout(() => this.#ask(), ASK_EVERY);
  }

  /**
   * @param {Answer} answer
   * @param {number} asked the time of the question, as `performance.now()`
   */
  #judge({ facts, isLate }, asked) {
    // After twice the time, this page itself stood still.
    if (facts?.clients || performance.now() - asked > 2 * ANSWER_WITHIN) this.#misses = 0;
    else this.#misses += isLate ? MAX_MISSES : 1;
    if (this.#misses < MAX_MISSES) return;
    this.#misses = 0;
    this.#lost(asked);
  }
}

const BUSY = [429, 503]; // the server runs, and asks for patience
const UNREACHABLE = [502, 504]; // a proxy cannot reach the server

/**
 * Asks the server about `room`; null if the server has no such answer.
 * @param {string} room
 * @param {AbortSignal} signal
 * @returns {Promise<Answer | null>}
 */
async function ask(room, signal) {
  const limit = new AbortController();
  const stop = () => limit.abort();
  signal.addEventListener('abort', stop);
  const deadline = setTimeout(stop, ANSWER_WITHIN);
  try {
    const answer = await fetch(`rooms/${encodeURIComponent(room)}`, { signal: limit.signal });
    if (BUSY.includes(answer.status)) return { isBusy: true };
    if (UNREACHABLE.includes(answer.status)) return { isLate: false };
    return answer.ok ? { facts: await answer.json() } : null;
  } catch {
    return { isLate: limit.signal.aborted };
  } finally {
    clearTimeout(deadline);
  }
}
