// One line of the log: the time, the text, and the frame that carried it, which unfolds into the
// large drawing.

import { digits, element } from './dom.js';
import { describe, drawing, strip } from './frame-drawing.js';

/** @import { Frame } from './frame.js' */

const MAX_CHARACTERS = 1_000; // of one message that are shown

/**
 * `lead` is a sentence of the page, `content` is the text of a message. `frame` is null for a line
 * about the connection. `compressed` says that permessage-deflate was negotiated. `isBad` marks a
 * warning.
 * @typedef {{
 *   lead: string, content: string, frame: Frame | null, compressed: boolean, isBad?: boolean,
 * }} Line
 */

/**
 * `room` is the name of another room that begins with this line; `elsewhere` says that the line
 * belongs to a room before.
 * @typedef {Line & { at: Date, room: string | null, elsewhere?: boolean }} PlacedLine
 */

export class LogRow {
  #frame;
  #compressed;
  #lead;
  /** @type {HTMLButtonElement | null} */
  #button = null;
  /** @type {HTMLElement | null} */
  #drawing = null;

  /** @param {PlacedLine} line */
  constructor({ lead, content, frame, compressed, at, isBad = false, room = null, elsewhere = false }) {
    this.#frame = frame;
    this.#compressed = compressed;
    this.#lead = element('span', 'lead', lead);
    const line = element('p', 'line', this.#lead, element('bdi', 'content', content));
    this.element = element('li', frame ? frame.direction : 'event', clock(at), arrow(frame), line);
    this.element.classList.toggle('bad', isBad);
    this.element.classList.toggle('elsewhere', elsewhere);
    if (room !== null) this.element.prepend(element('p', 'entered', room ? `Room ${room}` : 'Default room'));
    if (frame) this.#addButton(frame);
  }

  /**
   * Replaces the sentence of the page.
   * @param {string} lead
   */
  setLead(lead) {
    this.#lead.textContent = lead;
  }

  /** The button that unfolds the frame; null without a frame. */
  get button() {
    return this.#button;
  }

  get isUnfolded() {
    return this.#drawing !== null;
  }

  unfold() {
    if (!this.#frame || !this.#button) return;
    this.#drawing ??= drawing(this.#frame, this.#compressed);
    this.element.append(this.#drawing);
    this.#button.ariaExpanded = 'true';
  }

  fold() {
    this.element.classList.remove('picked');
    this.#drawing?.remove();
    this.#drawing = null;
    if (this.#button) this.#button.ariaExpanded = 'false';
  }

  /** @param {Frame} frame */
  #addButton(frame) {
    const drawn = strip(frame);
    drawn.ariaHidden = 'true'; // a screen reader reads the sentence instead
    this.#button = element('button', 'frame', drawn, element('span', 'unseen', describe(frame)));
    this.#button.type = 'button';
    this.#button.tabIndex = -1;
    this.#button.ariaExpanded = 'false';
    this.element.append(this.#button);
  }
}

/**
 * `text`, or its beginning and the number of characters that are left out.
 * @param {string} text
 */
export function cut(text) {
  if (text.length <= MAX_CHARACTERS) return text;
  return `${text.slice(0, MAX_CHARACTERS)} … ${digits(text.length - MAX_CHARACTERS)} more characters`;
}

/**
 * An arrow for the direction; a screen reader reads the sentence instead.
 * @param {Frame | null} frame
 */
function arrow(frame) {
  const drawn = element('span', 'way', frame ? { sent: '↑', received: '↓' }[frame.direction] : '');
  drawn.ariaHidden = 'true';
  return drawn;
}

/** @param {Date} at */
function clock(at) {
  const time = element('time', '', at.toLocaleTimeString('en-GB'));
  time.dateTime = at.toISOString();
  return time;
}
