// The page: passes input of a person to the connection, and shows the events of the connection.

import { AddressError, addressOfPage, hashOf, readAddress } from './address.js';
import { Announcer } from './announcer.js';
import { Composer } from './composer.js';
import { Connection } from './connection.js';
import { describeEnding } from './close-codes.js';
import { frameOf } from './frame.js';
import { Ledger } from './ledger.js';
import { ResumeDemo } from './resume-demo.js';
import { Log } from './log.js';
import { Outage } from './outage.js';
import { Presence } from './presence.js';
import { cut } from './log-row.js';
import { Status } from './status.js';

const HELLO = 'from client: hello';
const NOT_ALLOWED = 1008;

/**
 * @import { Destination } from './address.js'
 * @import { Ending } from './close-codes.js'
 * @import { State } from './connection.js'
 * @import { Direction, Frame } from './frame.js'
 * @import { Facts } from './presence.js'
 */

/**
 * An element of index.html; the caller knows its kind.
 * @type {(id: string) => any}
 */
const part = (id) => document.getElementById(id);

/**
 * @template {string} Id
 * @param {...Id} ids
 * @returns {Record<Id, any>}
 */
const parts = (...ids) => /** @type {any} */ (Object.fromEntries(ids.map((id) => [id, part(id)])));

const announcer = new Announcer(part('announcer'));
const log = new Log(part('log'), part('rows'), part('earlier'), part('newest'));
const outage = new Outage(log);
const ledger = new Ledger(part('cost'), location);
const status = new Status(parts('state', 'sentence', 'connect', 'close'), announcer);
const resumeDemo = new ResumeDemo(parts('cut', 'subscription', 'numbered'));
const presence = new Presence(showPresence, lose);
const connection = new Connection({ changed, opened, received, failed, ended, left });
const composer = new Composer(parts('composer', 'message', 'file', 'hint', 'dialog', 'question'), connection, publish);

/** @type {Destination} */
let destination; // unset before the first connection
/** @type {string | null} */
let arriving = null; // the name of another room, until the first line about it
/** @type {'due' | 'sent' | 'over'} */
let greeting = 'due'; // over as soon as a person publishes or connects

if ('WebSocket' in window) start();
else part('unsupported').hidden = false;

function start() {
  part('page').hidden = false;
  part('connect-form').addEventListener('submit', connectAsTyped);
  part('close').addEventListener('click', () => connection.close());
  part('unfold').addEventListener('click', () => unfold(part('unfold').getAttribute('aria-expanded') !== 'true'));
  part('address').addEventListener('input', () => showAddressError(''));
  addEventListener('hashchange', connectToRoomOfPage);
  addEventListener('online', () => connection.hurry());
  closeWithTheWindow();
  fitTheChat();
  takeDroppedFiles();
  connectToRoomOfPage();
}

function connectToRoomOfPage() {
  part('address').value = addressOfPage(location);
  connect();
}

/** @param {Event} event */
function connectAsTyped(event) {
  event.preventDefault();
  connect();
}

function connect() {
  try {
    const typed = readAddress(part('address').value, location);
    connection.open(typed.url);
    outage.end();
    if (destination && destination.url !== typed.url) arriving = typed.room ?? typed.url;
    destination = typed;
    part('address').value = typed.url;
    showDestination();
    showAddressError('');
    unfold(false);
  } catch (error) {
    // Any other error is a fault of the page.
    if (!(error instanceof AddressError || error instanceof DOMException)) throw error;
    showAddressError(error.message);
  }
}

/** @param {string} sentence empty if the address is right */
function showAddressError(sentence) {
  part('address').ariaInvalid = String(sentence !== '');
  part('address-error').textContent = sentence;
  if (sentence) unfold(true);
}

/**
 * On a phone the address is folded away, until a person wants it or must connect by hand.
 * @param {boolean} isUnfolded
 */
function unfold(isUnfolded) {
  part('unfold').setAttribute('aria-expanded', String(isUnfolded)); // the style sheet reads it
}

function showDestination() {
  const link = location.pathname + location.search + hashOf(destination);
  history.replaceState(null, '', link);
  part('second-window').href = link;
  part('invitation').hidden = !destination.ours; // another host may have no page
  resumeDemo.useAddress(destination.url);
  showRoom(destination.room ?? destination.url);
}

/** @param {string} name empty until the server has sent it */
function showRoom(name) {
  part('room').textContent = name;
  document.title = name ? `${name} · worldcast` : 'worldcast';
}

// Events of the connection.

/** @param {State} state */
function changed(state) {
  status.show(state);
  if (state.name !== 'open') presence.stop();
  part('compression').hidden = state.name !== 'open';
  if (state.name === 'closed') unfold(true);
  if (state.name === 'closed' && state.ending?.code === NOT_ALLOWED && destination.ours) subscribeOnly();
}

function opened() {
  arrive();
  outage.opened(logLine({ lead: 'client: ws connection is open' }));
  composer.connected();
  ledger.addHandshake();
  part('compression').textContent = isCompressed() ? 'Compression agreed: permessage-deflate' : 'No compression agreed';
  if (destination.ours) presence.watch(destination.room ?? '');
  if (greeting === 'due' && destination.ours && destination.room === '') greet();
  else greeting = 'over';
}

/**
 * Publishes a greeting: once for each visit, and only in the default room. Pages that reconnect
 * publish none.
 */
function greet() {
  greeting = 'sent';
  send(HELLO);
}

/**
 * The room accepts messages only with a key. A page that was closed for its greeting reconnects
 * without one.
 */
function subscribeOnly() {
  logLine({ lead: 'client: publishing in this room requires a key; receiving does not' });
  if (greeting === 'sent') connection.open(destination.url);
  greeting = 'over';
}

/** @param {string | ArrayBuffer} data */
function received(data) {
  outage.end();
  const { lead, content } = logMessage('client: received ', data, 'received');
  announcer.announce(lead + content);
}

function failed() {
  arrive();
  if (!outage.isOn) logLine({ lead: 'client: ws connection error', isBad: true });
}

/** @param {Ending} ending */
function ended(ending) {
  arrive();
  if (outage.counts(ending)) return;
  left(ending);
  outage.begin();
}

/**
 * A connection that was replaced by another one has ended.
 * @param {Ending} ending
 */
function left(ending) {
  logLine({ lead: `client: ws connection is closed (${describeEnding(ending)})`, isBad: ending.code !== 1000 });
}

/** Lines of the log are about another room from here on. */
function arrive() {
  if (arriving !== null) log.enter(arriving);
  arriving = null;
}

/**
 * The server does not answer, or does not count this page. A message received later than `asked`
 * proves the opposite.
 * @param {number} asked the time of the request, as `performance.now()`
 */
function lose(asked) {
  if (connection.isOpen && connection.receivedAt < asked) connection.giveUp('the server does not answer');
}

// Messages.

/**
 * Publishes a message of a person.
 * @param {string | ArrayBuffer} data
 */
function publish(data) {
  greeting = 'over';
  send(data);
}

/** @param {string | ArrayBuffer} data */
function send(data) {
  connection.send(data);
  logMessage('client: sent ', data, 'sent');
}

/**
 * @param {string} lead
 * @param {string | ArrayBuffer} data
 * @param {Direction} direction
 */
function logMessage(lead, data, direction) {
  const frame = frameOf(data, direction);
  ledger.addMessage(frame);
  return logLine({ lead, content: cut(typeof data === 'string' ? data : `${data.byteLength} bytes (binary)`), frame });
}

/**
 * Adds a line to the log, on the page and on the console.
 * @param {{ lead: string, content?: string, frame?: Frame | null, isBad?: boolean }} line
 */
function logLine({ lead, content = '', frame = null, isBad = false }) {
  return log.add({ lead, content, frame, isBad, compressed: isCompressed() });
}

function isCompressed() {
  return connection.extensions.includes('permessage-deflate');
}

/** @param {Facts | null} facts */
function showPresence(facts) {
  part('presence').hidden = facts === null;
  if (!facts) return;
  part('presence').textContent = `${facts.clients} in the room`;
  showRoom(facts.room);
}

// The window.

/** A page that the browser restores from its cache connects again. */
function closeWithTheWindow() {
  let interrupted = false;
  addEventListener('pagehide', () => {
    interrupted = connection.isWanted;
    connection.close();
    resumeDemo.stop();
  });
  addEventListener('pageshow', () => { if (interrupted) connect(); });
}

/** On a phone the chat takes the height below the parts above it. */
function fitTheChat() {
  const measure = () => document.body.style.setProperty('--above', `${part('chat').offsetTop}px`);
  const observer = new ResizeObserver(measure);
  for (const above of [document.querySelector('header'), part('connection')]) if (above) observer.observe(above);
}

function takeDroppedFiles() {
  const hasFiles = (/** @type {DragEvent} */ { dataTransfer }) => dataTransfer?.types.includes('Files');
  addEventListener('dragover', (event) => { if (hasFiles(event)) event.preventDefault(); });
  addEventListener('drop', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    composer.sendFiles([...event.dataTransfer?.files ?? []]);
  });
}
