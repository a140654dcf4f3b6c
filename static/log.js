// The log, on the page and on the console: drawn once per picture of the screen, however many lines arrive.

import { count, digits } from './dom.js';
import { LogRow } from './log-row.js';

const MOST_ROWS = 200;
const MOST_PRINTED = 50; // lines on the console at a time: it is slower than the page
const HIDDEN_PACE = 250; // ms between drawings where nobody looks
const NEAR_THE_END = 48; // px
const HAND_REACHES = 1_000; // ms in which a wheel, a finger or a key may still move the log
const UPWARD = ['ArrowUp', 'PageUp', 'Home', ' ', 'Tab'];
const ROOMY = matchMedia('(min-width: 36.01rem)'); // for the large drawing of every new frame

export class Log {
  #region;
  #list;
  #earlier;
  #newest;
  #waiting = [];
  #skipped = 0; // lines that came and went between two pictures
  #rows = [];
  #forgotten = 0;
  #unfolded = null;
  #following = ROOMY.matches; // the newest frame is the unfolded one, until someone picks another
  #isAtEnd = true;
  #unseen = 0; // lines behind the place where a person reads
  #handUntil = 0; // when a person last moved the log, and for how long that may take
  #held = false; // a button of the mouse, or a finger, is down
  #top = 0;
  #room = null; // the name above the next line
  #tabStop = null; // the one button of the log that Tab reaches; the arrow keys reach the others

  /**
   * `region` scrolls, `list` gets the rows, `earlier` says how many are no longer there, and `newest`, a button, how many
   * came while a person reads further up.
   */
  constructor(region, list, earlier, newest) {
    this.#region = region;
    this.#list = list;
    this.#earlier = earlier;
    this.#newest = newest;
    this.#watchHands();
    newest.addEventListener('click', () => this.#goToEnd());
    new ResizeObserver(() => this.#stayAtEnd()).observe(region);
    list.addEventListener('click', ({ target }) => this.#pressed(target.closest('button')));
    list.addEventListener('keydown', (event) => this.#walk(event));
    document.addEventListener('visibilitychange', () => this.#draw()); // the picture it waits for may never come
  }

  /** Adds a line, of what `LogRow` takes; it appears with the next picture. Returns a handle for `change` and `remove`. */
  add(line) {
    const entry = { ...line, at: new Date(), room: this.#room, row: null };
    this.#room = null;
    if (entry.frame?.direction === 'sent') this.#isAtEnd = true; // one's own words are in sight
    if (this.#waiting.length === 0) soon(() => this.#draw());
    this.#waiting.push(entry);
    if (this.#waiting.length > MOST_ROWS) this.#skipped += this.#waiting.splice(0, 1).length;
    return entry;
  }

  /** Gives a line other words; false if it is no longer there. */
  change(entry, lead) {
    if (!this.#has(entry)) return false;
    entry.lead = lead;
    entry.row?.retell(lead);
    return true;
  }

  /** Takes back a line that no message caused. */
  remove(entry) {
    entry.row?.element.remove();
    this.#waiting = this.#waiting.filter((waiting) => waiting !== entry);
    this.#rows = this.#rows.filter((row) => row !== entry.row);
  }

  /** From the next line on, lines are those of another room, whose name stands above it. */
  enter(room) {
    this.#room = room;
    for (const { element } of this.#rows) element.classList.add('elsewhere');
    for (const entry of this.#waiting) entry.elsewhere = true;
  }

  #has(entry) {
    return this.#waiting.includes(entry) || this.#rows.includes(entry.row);
  }

  #draw() {
    const entries = this.#waiting.splice(0);
    const hadFocus = this.#list.contains(document.activeElement);
    for (const entry of entries) entry.row = new LogRow(entry);
    this.#append(entries.map(({ row }) => row));
    this.#unseen += this.#isAtEnd ? 0 : entries.length + this.#skipped;
    this.#forgetOldest();
    this.#follow();
    this.#stayAtEnd();
    requestAnimationFrame(() => this.#stayAtEnd()); // rows that turned out to be higher
    this.#showUnseen();
    if (hadFocus && !this.#list.contains(document.activeElement)) this.#tabStop?.focus();
    print(entries, this.#skipped);
    this.#skipped = 0;
  }

  #append(rows) {
    this.#rows.push(...rows);
    this.#list.append(...rows.map((row) => row.element));
  }

  #forgetOldest() {
    const oldest = this.#rows.splice(0, this.#rows.length - MOST_ROWS);
    oldest.forEach((row) => row.element.remove());
    this.#forgotten += oldest.length + this.#skipped;
    this.#earlier.hidden = this.#forgotten === 0;
    this.#earlier.textContent = `${count(this.#forgotten, 'earlier line')} counted, no longer shown`;
  }

  #follow() {
    const newest = this.#rows.findLast((row) => row.button);
    if (this.#unfolded && !this.#rows.includes(this.#unfolded)) this.#following = ROOMY.matches; // the picked one is gone
    if (this.#following && newest) this.#unfold(newest);
    if (!this.#list.contains(document.activeElement)) this.#stopAt(newest?.button);
  }

  #pressed(button) {
    if (!button) return;
    const row = this.#rows.find((row) => row.button === button);
    this.#following = row === this.#rows.findLast((row) => row.button) && !row.isUnfolded;
    this.#stopAt(button);
    this.#unfold(row.isUnfolded ? null : row);
    row.element.classList.toggle('picked', row.isUnfolded);
  }

  #unfold(row) {
    if (row === this.#unfolded) return;
    this.#unfolded?.fold();
    row?.unfold();
    this.#unfolded = row;
  }

  #walk(event) {
    const buttons = this.#rows.flatMap((row) => row.button ?? []);
    const here = buttons.indexOf(event.target);
    const there = { ArrowUp: here - 1, ArrowDown: here + 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (here < 0 || !buttons[there]) return;
    event.preventDefault();
    this.#stopAt(buttons[there]);
    buttons[there].focus();
  }

  #stopAt(button = null) {
    if (this.#tabStop) this.#tabStop.tabIndex = -1;
    if (button) button.tabIndex = 0;
    this.#tabStop = button;
  }

  /**
   * Only a person leaves the end: the browser itself moves the log when many rows come and go, or when rows turn out to be
   * higher than they were thought to be.
   */
  #watchHands() {
    const region = this.#region;
    const moved = () => { this.#handUntil = performance.now() + HAND_REACHES; };
    const held = (isHeld) => () => { this.#held = isHeld; moved(); };
    region.addEventListener('wheel', ({ deltaY }) => deltaY < 0 && moved(), { passive: true });
    region.addEventListener('touchmove', moved, { passive: true });
    region.addEventListener('keydown', ({ key }) => UPWARD.includes(key) && moved());
    region.addEventListener('pointerdown', held(true)); // the scroll bar, or a selection that is drawn upward
    for (const end of ['pointerup', 'pointercancel']) addEventListener(end, () => this.#held && held(false)());
    addEventListener('pointermove', ({ buttons }) => { if (!buttons) this.#held = false; }); // a scroll bar tells no end
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
    this.#region.focus({ preventScroll: true }); // the button goes
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

function print(entries, skipped) {
  const unprinted = skipped + Math.max(0, entries.length - MOST_PRINTED);
  if (unprinted) console.log(`client: ${count(unprinted, 'line')} not printed here`);
  for (const { lead, said } of entries.slice(-MOST_PRINTED)) console.log(lead + said);
}

/** With the next picture; a hidden page has none. */
function soon(draw) {
  if (document.hidden) setTimeout(draw, HIDDEN_PACE);
  else requestAnimationFrame(draw);
}
