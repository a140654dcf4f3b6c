// The log, on the page and on the console. It is drawn once per frame of the screen, however many
// lines arrive.

import { count, digits } from './dom.js';
import { LogRow } from './log-row.js';

const MAX_ROWS = 200;
const MAX_PRINTED = 50; // lines on the console at a time: it is slower than the page
const HIDDEN_PACE = 250; // ms between drawings of a hidden page
const NEAR_THE_END = 48; // px
const HAND_REACHES = 1_000; // ms after which a wheel, a finger or a key no longer moves the log
const UPWARD = ['ArrowUp', 'PageUp', 'Home', ' ', 'Tab'];
const ROOMY = matchMedia('(min-width: 36.01rem)'); // for the large drawing of every new frame

/** @import { Line, PlacedLine } from './log-row.js' */

/** A line, and its row after it was drawn. @typedef {PlacedLine & { row: LogRow | null }} Entry */

export class Log {
  #region;
  #list;
  #earlier;
  #newest;
  /** @type {Entry[]} */
  #waiting = [];
  #skipped = 0; // lines that were added and removed between two drawings
  /** @type {LogRow[]} */
  #rows = [];
  #forgotten = 0;
  /** @type {LogRow | null} */
  #unfolded = null;
  #following = ROOMY.matches; // the newest frame is unfolded, until a person picks another one
  #isAtEnd = true;
  #unseen = 0; // lines below the part that a person reads
  #handUntil = 0; // ms, of performance.now(): until then a movement of the log is a person's
  #held = false; // a button of the mouse or a finger is down
  #top = 0;
  /** @type {string | null} */
  #room = null; // the name above the next line
  /** @type {HTMLButtonElement | null} */
  #tabStop = null; // the one button of the log that Tab reaches; the arrow keys reach the others

  /**
   * @param {HTMLElement} region scrolls
   * @param {HTMLElement} list gets the rows
   * @param {HTMLElement} earlier shows the number of rows that were removed
   * @param {HTMLElement} newest a button with the number of lines that were added while a person
   *   reads further up
   */
  constructor(region, list, earlier, newest) {
    this.#region = region;
    this.#list = list;
    this.#earlier = earlier;
    this.#newest = newest;
    this.#watchHands();
    newest.addEventListener('click', () => this.#goToEnd());
    new ResizeObserver(() => this.#stayAtEnd()).observe(region);
    list.addEventListener('click', ({ target }) => this.#pressed(/** @type {Element} */ (target).closest('button')));
    list.addEventListener('keydown', (event) => this.#walk(event));
    // A hidden page may wait for its drawing for ever.
    document.addEventListener('visibilitychange', () => this.#draw());
  }

  /**
   * Adds a line, which appears with the next drawing. Returns a handle for `change` and `remove`.
   * @param {Line} line
   * @returns {Entry}
   */
  add(line) {
    /** @type {Entry} */
    const entry = { ...line, at: new Date(), room: this.#room, row: null };
    this.#room = null;
    if (entry.frame?.direction === 'sent') this.#isAtEnd = true; // a person sees the own message
    if (this.#waiting.length === 0) soon(() => this.#draw());
    this.#waiting.push(entry);
    if (this.#waiting.length > MAX_ROWS) this.#skipped += this.#waiting.splice(0, 1).length;
    return entry;
  }

  /**
   * Replaces the sentence of a line. Returns false if the line was removed.
   * @param {Entry} entry
   * @param {string} lead
   */
  change(entry, lead) {
    if (!this.#has(entry)) return false;
    entry.lead = lead;
    entry.row?.setLead(lead);
    return true;
  }

  /**
   * Removes a line that has no message.
   * @param {Entry} entry
   */
  remove(entry) {
    entry.row?.element.remove();
    this.#waiting = this.#waiting.filter((waiting) => waiting !== entry);
    this.#rows = this.#rows.filter((row) => row !== entry.row);
  }

  /**
   * Begins another room, whose name stands above the next line.
   * @param {string} room
   */
  enter(room) {
    this.#room = room;
    for (const { element } of this.#rows) element.classList.add('elsewhere');
    for (const entry of this.#waiting) entry.elsewhere = true;
  }

  /** @param {Entry} entry */
  #has(entry) {
    return this.#waiting.includes(entry) || (entry.row !== null && this.#rows.includes(entry.row));
  }

  #draw() {
    const entries = this.#waiting.splice(0);
    const hadFocus = this.#list.contains(document.activeElement);
    this.#append(entries.map((entry) => (entry.row = new LogRow(entry))));
    this.#unseen += this.#isAtEnd ? 0 : entries.length + this.#skipped;
    this.#forgetOldest();
    this.#follow();
    this.#stayAtEnd();
    // A row may turn out to be higher than the browser estimated.
    requestAnimationFrame(() => this.#stayAtEnd());
    this.#showUnseen();
    if (hadFocus && !this.#list.contains(document.activeElement)) this.#tabStop?.focus();
    print(entries, this.#skipped);
    this.#skipped = 0;
  }

  /** @param {LogRow[]} rows */
  #append(rows) {
    this.#rows.push(...rows);
    this.#list.append(...rows.map((row) => row.element));
  }

  #forgetOldest() {
    const oldest = this.#rows.splice(0, this.#rows.length - MAX_ROWS);
    oldest.forEach((row) => row.element.remove());
    this.#forgotten += oldest.length + this.#skipped;
    this.#earlier.hidden = this.#forgotten === 0;
    this.#earlier.textContent = `${count(this.#forgotten, 'earlier line')} counted, no longer shown`;
  }

  #follow() {
    const newest = this.#rows.findLast((row) => row.button);
    // The row that a person unfolded was removed.
    if (this.#unfolded && !this.#rows.includes(this.#unfolded)) this.#following = ROOMY.matches;
    if (this.#following && newest) this.#unfold(newest);
    if (!this.#list.contains(document.activeElement)) this.#stopAt(newest?.button);
  }

  /** @param {HTMLButtonElement | null} button */
  #pressed(button) {
    const row = this.#rows.find((row) => row.button === button);
    if (!button || !row) return;
    this.#following = row === this.#rows.findLast((row) => row.button) && !row.isUnfolded;
    this.#stopAt(button);
    this.#unfold(row.isUnfolded ? null : row);
    row.element.classList.toggle('picked', row.isUnfolded);
  }

  /** @param {LogRow | null} row */
  #unfold(row) {
    if (row === this.#unfolded) return;
    this.#unfolded?.fold();
    row?.unfold();
    this.#unfolded = row;
  }

  /**
   * Moves the focus from button to button.
   * @param {KeyboardEvent} event
   */
  #walk(event) {
    const buttons = this.#rows.flatMap((row) => row.button ?? []);
    const here = buttons.indexOf(/** @type {HTMLButtonElement} */ (event.target));
    /** @type {Record<string, number>} */
    const ways = { ArrowUp: here - 1, ArrowDown: here + 1, Home: 0, End: buttons.length - 1 };
    const there = buttons[ways[event.key]];
    if (here < 0 || !there) return;
    event.preventDefault();
    this.#stopAt(there);
    there.focus();
  }

  /** @param {HTMLButtonElement | null} button */
  #stopAt(button = null) {
    if (this.#tabStop) this.#tabStop.tabIndex = -1;
    if (button) button.tabIndex = 0;
    this.#tabStop = button;
  }

  /**
   * Only a person leaves the end. The browser itself moves the log too: when many rows are added
   * and removed, or when a row turns out to be higher than estimated.
   */
  #watchHands() {
    const region = this.#region;
    const moved = () => { this.#handUntil = performance.now() + HAND_REACHES; };
    const held = (/** @type {boolean} */ isHeld) => () => { this.#held = isHeld; moved(); };
    region.addEventListener('wheel', ({ deltaY }) => deltaY < 0 && moved(), { passive: true });
    region.addEventListener('touchmove', moved, { passive: true });
    region.addEventListener('keydown', ({ key }) => UPWARD.includes(key) && moved());
    region.addEventListener('pointerdown', held(true)); // the scroll bar, or an upward selection
    for (const end of ['pointerup', 'pointercancel']) addEventListener(end, () => this.#held && held(false)());
    // A released scroll bar causes no event.
    addEventListener('pointermove', ({ buttons }) => { if (!buttons) this.#held = false; });
    region.addEventListener('scroll', () => this.#scrolled());
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#region;
    const isUp = scrollTop < this.#top;
    this.#top = scrollTop;
    if (scrollHeight - scrollTop - clientHeight < NEAR_THE_END) return this.#arrive();
    if (isUp && (this.#held || performance.now() < this.#handUntil)) this.#isAtEnd = false;
  }

  #arrive() {
    this.#isAtEnd = true;
    this.#showUnseen();
  }

  #goToEnd() {
    this.#isAtEnd = true;
    this.#handUntil = 0;
    this.#stayAtEnd();
    this.#region.focus({ preventScroll: true }); // the button disappears
    this.#showUnseen();
  }

  #stayAtEnd() {
    if (this.#isAtEnd) this.#region.scrollTop = this.#region.scrollHeight;
  }

  #showUnseen() {
    if (this.#isAtEnd) this.#unseen = 0;
    this.#newest.hidden = this.#unseen === 0;
    this.#newest.textContent = `${digits(this.#unseen)} new ↓`;
  }
}

/**
 * @param {Entry[]} entries
 * @param {number} skipped
 */
function print(entries, skipped) {
  const unprinted = skipped + Math.max(0, entries.length - MAX_PRINTED);
  if (unprinted) console.log(`client: ${count(unprinted, 'line')} not printed here`);
  for (const { lead, content } of entries.slice(-MAX_PRINTED)) console.log(lead + content);
}

/**
 * Draws with the next frame of the screen; a hidden page has none.
 * @param {() => void} draw
 */
function soon(draw) {
  if (document.hidden) setTimeout(draw, HIDDEN_PACE);
  else requestAnimationFrame(draw);
}
