// One line of the log: when, what, and the frame that carried it, which unfolds into the large drawing.

import { describe, drawing, strip } from './frame-drawing.js';
import { digits, element } from './dom.js';

const LONGEST = 1_000; // characters of one message that are shown

export class LogRow {
  #frame;
  #compressed;
  #lead;
  #button = null;
  #drawing = null;

  /**
   * `lead` are our words, `said` are theirs; `frame` is null for what no message caused. `isBad` lines are warnings;
   * `room` is the name of another room, which begins here, and `elsewhere` says that the line is of a room before.
   */
  constructor({ lead, said, frame, compressed, at, isBad = false, room = null, elsewhere = false }) {
    this.#frame = frame;
    this.#compressed = compressed;
    this.#lead = element('span', 'lead', lead);
    const line = element('p', 'line', this.#lead, element('bdi', 'words', said));
    this.element = element('li', frame ? frame.direction : 'event', clock(at), way(frame), line);
    this.element.classList.toggle('bad', isBad);
    this.element.classList.toggle('elsewhere', elsewhere);
    if (room !== null) this.element.prepend(element('p', 'entered', room ? `Room ${room}` : 'Default room'));
    if (frame) this.#addButton();
  }

  /** Says something else from now on. */
  retell(lead) {
    this.#lead.textContent = lead;
  }

  /** What a person presses to see the frame; null where there is none. */
  get button() {
    return this.#button;
  }

  get isUnfolded() {
    return this.#drawing !== null;
  }

  unfold() {
    this.#drawing ??= drawing(this.#frame, this.#compressed);
    this.element.append(this.#drawing);
    this.#button.ariaExpanded = 'true';
  }

  fold() {
    this.element.classList.remove('picked');
    this.#drawing?.remove();
    this.#drawing = null;
    this.#button.ariaExpanded = 'false';
  }

  #addButton() {
    const drawn = strip(this.#frame);
    drawn.ariaHidden = 'true'; // the sentence says it to who cannot see it
    this.#button = element('button', 'frame', drawn, element('span', 'unseen', describe(this.#frame)));
    this.#button.type = 'button';
    this.#button.tabIndex = -1;
    this.#button.ariaExpanded = 'false';
    this.element.append(this.#button);
  }
}

/** `text`, or its beginning and how much is left out. */
export function cut(text) {
  if (text.length <= LONGEST) return text;
  return `${text.slice(0, LONGEST)} … ${digits(text.length - LONGEST)} more characters`;
}

/** An arrow for the direction, which the sentence says to who cannot see it. */
function way(frame) {
  const arrow = element('span', 'way', { sent: '↑', received: '↓' }[frame?.direction] ?? '');
  arrow.ariaHidden = 'true';
  return arrow;
}

function clock(at) {
  const time = element('time', '', at.toLocaleTimeString('en-GB'));
  time.dateTime = at.toISOString();
  return time;
}
