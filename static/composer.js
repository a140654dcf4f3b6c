// Sends the text and files of a person, and asks before a message that may end the connection.

import { count } from './dom.js';
import { byteLength } from './frame.js';

const USUAL_LIMIT = 64 * 1024; // bytes of one message: the default of a worldcast server
// Bytes that wait in the socket: the backpressure of a slow network.
const MUCH_UNSENT = 1024 * 1024;

/** @import { Connection } from './connection.js' */

/**
 * @typedef {object} Parts
 * @property {HTMLFormElement} composer
 * @property {HTMLTextAreaElement} message
 * @property {HTMLInputElement} file
 * @property {HTMLElement} hint
 * @property {HTMLDialogElement} dialog
 * @property {HTMLElement} question
 */

export class Composer {
  #parts;
  #connection;
  #send;
  #askedAboutNothing = false;
  #isAboutConnection = false;

  /**
   * @param {Parts} parts
   * @param {Connection} connection
   * @param {(data: string | ArrayBuffer) => void} send gets each message to send
   */
  constructor(parts, connection, send) {
    this.#parts = parts;
    this.#connection = connection;
    this.#send = send;
    parts.composer.addEventListener('submit', (event) => this.#submitted(event));
    parts.message.addEventListener('keydown', (event) => this.#pressed(event));
    parts.message.addEventListener('input', () => this.#hint(''));
    parts.file.addEventListener('change', () => this.#sendChosenFiles());
  }

  /** Removes a sentence about the lost connection. */
  connected() {
    if (this.#isAboutConnection) this.#hint('');
  }

  /**
   * Sends each of `files` as one binary message.
   * @param {File[]} files
   */
  async sendFiles(files) {
    for (const file of files) await this.#sendIfSafe(file.size, () => file.arrayBuffer());
  }

  async #sendChosenFiles() {
    const { file } = this.#parts;
    await this.sendFiles([...file.files ?? []]);
    file.value = ''; // so that the same file can be chosen again
  }

  /**
   * Enter sends, and Shift+Enter begins a line. The Enter that ends a composed character does
   * neither.
   * @param {KeyboardEvent} event
   */
  #pressed(event) {
    // Safari ends the composition before the key.
    const isComposing = event.isComposing || event.keyCode === 229;
    if (event.key === 'Enter' && !event.shiftKey && !isComposing) this.#submitted(event);
  }

  /** @param {Event} event */
  async #submitted(event) {
    event.preventDefault();
    const { message } = this.#parts;
    const text = message.value;
    if (text === '' && !this.#confirmsNothing()) return;
    if (await this.#sendIfSafe(byteLength(text), async () => text)) message.value = '';
  }

  /** An empty message is sent only at the second request. */
  #confirmsNothing() {
    if (this.#askedAboutNothing) return true;
    this.#hint('Nothing is typed. Send once more for an empty message: a frame may have no payload.');
    this.#askedAboutNothing = true;
    return false;
  }

  /**
   * Resolves with true if the message was sent.
   * @param {number} size in bytes
   * @param {() => Promise<string | ArrayBuffer>} read
   */
  async #sendIfSafe(size, read) {
    if (!this.#isConnected() || !(await this.#confirmed(size))) return false;
    const data = await read().catch(() => null);
    if (data === null) return this.#refuse('The file could not be read.');
    if (!this.#isConnected()) return false; // no longer
    this.#send(data);
    this.#hint('');
    return true;
  }

  #isConnected() {
    if (this.#connection.isOpen) return true;
    this.#refuse('Not connected, so nothing was sent.');
    this.#isAboutConnection = true;
    return false;
  }

  /** @param {number} size in bytes */
  async #confirmed(size) {
    const risk = riskOf(size, this.#connection.unsent);
    if (!risk) return true;
    const { dialog, question } = this.#parts;
    question.textContent = risk;
    dialog.returnValue = '';
    dialog.showModal();
    await new Promise((closed) => { dialog.addEventListener('close', closed, { once: true }); });
    return dialog.returnValue === 'send';
  }

  /** @param {string} sentence */
  #refuse(sentence) {
    this.#hint(sentence, 'bad');
    return false;
  }

  /**
   * @param {string} sentence
   * @param {'' | 'bad'} tone
   */
  #hint(sentence, tone = '') {
    this.#askedAboutNothing = false;
    this.#isAboutConnection = false;
    this.#parts.hint.textContent = sentence;
    this.#parts.hint.classList.toggle('bad', tone === 'bad');
  }
}

/**
 * A question to ask before a message; empty for no risk.
 * @param {number} size in bytes
 * @param {number} unsent bytes that wait in the socket
 */
function riskOf(size, unsent) {
  if (size > USUAL_LIMIT) {
    return `This has ${count(size, 'byte')}. By default the server accepts ${count(USUAL_LIMIT, 'byte')} in one message`
      + ', and closes the connection at more (code 1009).';
  }
  if (unsent + size <= MUCH_UNSENT) return '';
  return `The network is slow: ${count(unsent, 'byte')} sent before this still wait in the browser (backpressure).`;
}
