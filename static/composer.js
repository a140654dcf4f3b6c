// What a person says: words and files, with a question before what may end the connection.

import { count } from './dom.js';
import { byteLength } from './frame.js';

const USUAL_LIMIT = 64 * 1024; // bytes in one message that a worldcast server takes unless told otherwise
const MUCH_UNSENT = 1024 * 1024; // bytes that the socket has not taken yet

export class Composer {
  #parts;
  #connection;
  #say;
  #askedAboutNothing = false;
  #isAboutConnection = false;

  /** `parts` are the elements `composer`, `words`, `file`, `hint`, `dialog` and `question`; `say` takes what may go. */
  constructor(parts, connection, say) {
    this.#parts = parts;
    this.#connection = connection;
    this.#say = say;
    parts.composer.addEventListener('submit', (event) => this.#submitted(event));
    parts.words.addEventListener('keydown', (event) => this.#pressed(event));
    parts.words.addEventListener('input', () => this.#hint(''));
    parts.file.addEventListener('change', () => this.#sayFiles());
  }

  /** A sentence about the lost connection is no longer true. */
  connected() {
    if (this.#isAboutConnection) this.#hint('');
  }

  /** Says each of `files` as one binary message. */
  async sayFiles(files) {
    for (const file of files) await this.#sayIfSafe(file.size, () => file.arrayBuffer());
  }

  async #sayFiles() {
    const { file } = this.#parts;
    await this.sayFiles([...file.files]);
    file.value = ''; // so that the same file can be chosen again
  }

  /** Enter sends, Shift+Enter begins a line; the Enter that ends a composed character does neither. */
  #pressed(event) {
    const isComposing = event.isComposing || event.keyCode === 229; // Safari ends the composition before the key
    if (event.key === 'Enter' && !event.shiftKey && !isComposing) this.#submitted(event);
  }

  async #submitted(event) {
    event.preventDefault();
    const { words } = this.#parts;
    const text = words.value;
    if (text === '' && !this.#meansNothing()) return;
    if (await this.#sayIfSafe(byteLength(text), async () => text)) words.value = '';
  }

  /** An empty message is allowed, but only when it is asked for twice. */
  #meansNothing() {
    if (this.#askedAboutNothing) return true;
    this.#hint('Nothing is typed. Send once more to say just that: a frame may be empty.');
    this.#askedAboutNothing = true;
    return false;
  }

  /** Whether it was said. `read` promises the text or the bytes. */
  async #sayIfSafe(size, read) {
    if (!this.#isConnected() || !(await this.#confirmed(size))) return false;
    const said = await read().catch(() => null);
    if (said === null) return this.#refuse('The file could not be read.');
    if (!this.#isConnected()) return false; // any more
    this.#say(said);
    this.#hint('');
    return true;
  }

  #isConnected() {
    if (this.#connection.isOpen) return true;
    this.#refuse('Not connected, so nothing was sent.');
    this.#isAboutConnection = true;
    return false;
  }

  async #confirmed(size) {
    const risk = riskOf(size, this.#connection.unsent);
    if (!risk) return true;
    const { dialog, question } = this.#parts;
    question.textContent = risk;
    dialog.returnValue = '';
    dialog.showModal();
    await new Promise((closed) => dialog.addEventListener('close', closed, { once: true }));
    return dialog.returnValue === 'send';
  }

  #refuse(sentence) {
    this.#hint(sentence, 'bad');
    return false;
  }

  #hint(sentence, tone = '') {
    this.#askedAboutNothing = false;
    this.#isAboutConnection = false;
    this.#parts.hint.textContent = sentence;
    this.#parts.hint.classList.toggle('bad', tone === 'bad');
  }
}

function riskOf(size, unsent) {
  if (size > USUAL_LIMIT) {
    return `This has ${count(size, 'byte')}. Unless told otherwise, the server takes ${count(USUAL_LIMIT, 'byte')}`
      + ' in one message and ends the connection at more (code 1009).';
  }
  if (unsent + size <= MUCH_UNSENT) return '';
  return `The network is slow: ${count(unsent, 'byte')} said before this have not left yet.`;
}
