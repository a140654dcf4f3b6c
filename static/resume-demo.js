// A second listener in the room, to be cut off and to come back: then it hears what it missed, each message once.

import { count, digits, element } from './dom.js';
import { cut } from './log-row.js';
import { Room } from './worldcast.js';

const MOST_ROWS = 50;

export class ResumeDemo {
  #parts;
  #address;
  #room = null;
  #press;
  #missed = null; // how many, while they arrive

  /** `parts` are the elements `cut`, a button, `hearing`, a sentence, and `numbered`, which gets what is heard. */
  constructor(parts) {
    this.#parts = parts;
    parts.cut.addEventListener('click', () => this.#press());
  }

  /** Will listen at `address` when somebody presses the button; forgets what was heard at another. */
  goTo(address) {
    if (address === this.#address) return;
    this.#address = address;
    this.stop();
    this.#parts.numbered.replaceChildren();
  }

  stop() {
    this.#room?.close();
    this.#room = null;
    this.#show('', 'Listen', () => this.#start());
  }

  #start() {
    const room = new Room(this.#address);
    const on = (name, act) => room.addEventListener(name, ({ detail }) => room === this.#room && act(detail));
    on('open', (welcome) => this.#opened(welcome));
    on('message', (message) => this.#heard(message));
    on('lost', ({ wait }) => this.#lost(wait));
    on('end', ({ code, reason }) => this.#show(`Ended: ${code} ${reason}`, 'Listen', () => this.#start()));
    this.#room = room;
    this.#show('Connecting…', 'Cancel', () => this.stop());
  }

  async #opened({ offset, recovered }) {
    const room = this.#room;
    this.#missed = 0;
    this.#listens(recovered ? `Listening, behind message ${digits(offset)}.` : 'Back, but the room no longer remembers all of it.');
    const answer = await room.presence().catch(() => null); // it comes behind all that was missed
    if (room !== this.#room || !answer) return;
    if (this.#missed) this.#listens(`Back, and told ${count(this.#missed, 'message')} that were missed.`);
    this.#missed = null;
  }

  #listens(sentence) {
    this.#show(sentence, 'Cut the connection', () => this.#room.pause());
  }

  #lost(wait) {
    const rest = wait === Infinity ? 'Say something, here or in another window.' : 'It comes back by itself.';
    this.#show(`Cut off. ${rest}`, 'Reconnect', () => this.#room.resume());
  }

  #heard({ offset, text, bytes }) {
    const { numbered } = this.#parts;
    const words = element('bdi', 'words', cut(text ?? `${bytes.byteLength} bytes (binary)`));
    const row = element('li', '', element('span', 'number', digits(offset)), words);
    if (this.#missed !== null) {
      this.#missed += 1;
      row.append(element('b', 'missed', 'missed'));
    }
    numbered.append(row);
    if (numbered.children.length > MOST_ROWS) numbered.firstElementChild.remove();
    numbered.scrollTop = numbered.scrollHeight;
  }

  #show(sentence, button, press) {
    this.#parts.hearing.textContent = sentence;
    this.#parts.cut.textContent = button;
    this.#press = press;
  }
}
