// A second subscriber of the room, cut off by hand: it reconnects, and each message that it missed
// is delivered once.

import { count, digits, element } from './dom.js';
import { cut } from './log-row.js';
import { Room } from './worldcast.js';

/** @import { Message, RoomDetails } from './worldcast.js' */

const MAX_ROWS = 50;

/** @typedef {Record<'cut' | 'subscription' | 'numbered', HTMLElement>} Parts */

export class ResumeDemo {
  #parts;
  #address = '';
  /** @type {Room | null} */
  #room = null;
  #press = () => {};
  /** @type {number | null} */
  #missed = null; // number of missed messages while they arrive, else null

  /** @param {Parts} parts a button, a sentence, and a list for the messages */
  constructor(parts) {
    this.#parts = parts;
    parts.cut.addEventListener('click', () => this.#press());
  }

  /**
   * Subscribes at `address` as soon as a person presses the button. Messages of another address are
   * removed.
   * @param {string} address
   */
  useAddress(address) {
    if (address === this.#address) return;
    this.#address = address;
    this.stop();
    this.#parts.numbered.replaceChildren();
  }

  stop() {
    this.#room?.close();
    this.#room = null;
    this.#show('', 'Subscribe', () => this.#start());
  }

  #start() {
    const room = new Room(this.#address);
    /**
     * @template {keyof RoomDetails} Name
     * @param {Name} name
     * @param {(detail: RoomDetails[Name]) => void} act
     */
    const on = (name, act) => room.addEventListener(name, ({ detail }) => { if (room === this.#room) act(detail); });
    on('open', (welcome) => this.#opened(room, welcome));
    on('message', (message) => this.#received(message));
    on('historyLost', ({ kept }) => this.#subscribed(room, `The server has lost its messages after number ${digits(kept)}.`));
    on('lost', ({ wait }) => this.#lost(room, wait));
    on('end', ({ code, reason }) => this.#show(`Ended: ${code} ${reason}`, 'Subscribe', () => this.#start()));
    this.#room = room;
    this.#show('Connecting…', 'Cancel', () => this.stop());
  }

  /**
   * @param {Room} room
   * @param {RoomDetails['open']} welcome
   */
  async #opened(room, { offset, recovered }) {
    this.#missed = 0;
    const sentence = recovered ? `Subscribed after message ${digits(offset)}.` : 'Resumed, but some missed messages are no longer in the history.';
    this.#subscribed(room, sentence);
    const answer = await room.presence().catch(() => null); // received after all missed messages
    if (room !== this.#room || !answer) return;
    if (this.#missed) this.#subscribed(room, `Resumed, and received ${count(this.#missed, 'missed message')}.`);
    this.#missed = null;
  }

  /**
   * @param {Room} room
   * @param {string} sentence
   */
  #subscribed(room, sentence) {
    this.#show(sentence, 'Cut the connection', () => room.pause());
  }

  /**
   * @param {Room} room
   * @param {number} wait in ms
   */
  #lost(room, wait) {
    const rest = wait === Infinity ? 'Send a message, here or in another window.' : 'It reconnects by itself.';
    this.#show(`Cut off. ${rest}`, 'Reconnect', () => room.resume());
  }

  /** @param {Message} message */
  #received({ offset, text, bytes }) {
    const { numbered } = this.#parts;
    const content = element('bdi', 'content', cut(text ?? `${bytes?.byteLength} bytes (binary)`));
    const row = element('li', '', element('span', 'number', digits(offset)), content);
    if (this.#missed !== null) {
      this.#missed += 1;
      row.append(element('b', 'missed', 'missed'));
    }
    numbered.append(row);
    if (numbered.children.length > MAX_ROWS) numbered.firstElementChild?.remove();
    numbered.scrollTop = numbered.scrollHeight;
  }

  /**
   * @param {string} sentence
   * @param {string} button
   * @param {() => void} press
   */
  #show(sentence, button, press) {
    this.#parts.subscription.textContent = sentence;
    this.#parts.cut.textContent = button;
    this.#press = press;
  }
}
