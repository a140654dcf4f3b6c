// The log, on the page and on the console: drawn once per picture of the screen, however many lines arrive.

import { count } from './element.js';
import { Row } from './row.js';

const MOST_ROWS = 200;
const MOST_PRINTED = 50; // lines on the console at a time: it is slower than the page
const HIDDEN_PACE = 250; // ms between drawings where nobody looks
const NEAR_THE_END = 48; // px
const ROOMY = matchMedia('(min-width: 36.01rem)'); // for the large drawing of every new frame

export class Log {
  #region;
  #list;
  #earlier;
  #waiting = [];
  #skipped = 0; // lines that came and went between two pictures
  #rows = [];
  #forgotten = 0;
  #unfolded = null;
  #following = ROOMY.matches; // the newest frame is the unfolded one, until someone picks another
  #isAtEnd = true;
  #tabStop = null; // the one button of the log that Tab reaches; the arrow keys reach the others

  /** `region` scrolls, `list` gets the rows, `earlier` says how many are no longer there. */
  constructor(region, list, earlier) {
    this.#region = region;
    this.#list = list;
    this.#earlier = earlier;
    region.addEventListener('scroll', () => this.#scrolled());
    new ResizeObserver(() => this.#stayAtEnd()).observe(region);
    list.addEventListener('click', ({ target }) => this.#pressed(target.closest('button')));
    list.addEventListener('keydown', (event) => this.#walk(event));
    document.addEventListener('visibilitychange', () => this.#draw()); // the picture it waits for may never come
  }

  /** Adds a line, of what `Row` takes; it appears with the next picture. */
  add(entry) {
    if (this.#waiting.length === 0) soon(() => this.#draw());
    this.#waiting.push({ ...entry, at: new Date() });
    if (this.#waiting.length > MOST_ROWS) this.#skipped += this.#waiting.splice(0, 1).length;
  }

  #draw() {
    const entries = this.#waiting.splice(0);
    const hadFocus = this.#list.contains(document.activeElement);
    this.#append(entries.map((entry) => new Row(entry)));
    this.#forgetOldest();
    this.#follow();
    this.#stayAtEnd();
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

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#region;
    this.#isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_THE_END;
  }

  #stayAtEnd() {
    if (this.#isAtEnd) this.#region.scrollTop = this.#region.scrollHeight;
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
