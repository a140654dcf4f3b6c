// The page: brings together what a person does, what the connection hears and what is shown.

import { AddressError, addressOfPage, hashOf, readAddress } from './address.js';
import { Announcer } from './announcer.js';
import { Composer } from './composer.js';
import { Connection } from './connection.js';
import { sayEnding } from './close-codes.js';
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

/** @type {(id: string) => any} */
const part = (id) => document.getElementById(id);
const parts = (...ids) => Object.fromEntries(ids.map((id) => [id, part(id)]));

const announcer = new Announcer(part('announcer'));
const log = new Log(part('log'), part('rows'), part('earlier'), part('newest'));
const outage = new Outage(log);
const ledger = new Ledger(part('cost'), location);
const status = new Status(parts('state', 'sentence', 'connect', 'close'), announcer);
const resumeDemo = new ResumeDemo(parts('cut', 'hearing', 'numbered'));
const presence = new Presence(showPresence, lose);
const connection = new Connection({ changed, opened, heard, failed, ended, left });
const composer = new Composer(parts('composer', 'words', 'file', 'hint', 'dialog', 'question'), connection, speak);

let destination; // what readAddress made of the address
let arriving = null; // the name of another room, until the first line about it
let greeting = 'due'; // then 'said', and 'over' as soon as a person speaks or goes on

if ('WebSocket' in window) start();
else part('unsupported').hidden = false;

function start() {
  part('page').hidden = false;
  part('connect-form').addEventListener('submit', connectAsTyped);
  part('close').addEventListener('click', () => connection.close());
  part('unfold').addEventListener('click', () => unfold(part('unfold').getAttribute('aria-expanded') !== 'true'));
  part('address').addEventListener('input', () => complain(''));
  addEventListener('hashchange', connectToRoomOfPage);
  addEventListener('online', () => connection.hurry());
  leaveWithTheWindow();
  leaveTheRestToTheTalk();
  takeDroppedFiles();
  connectToRoomOfPage();
}

function connectToRoomOfPage() {
  part('address').value = addressOfPage(location);
  connect();
}

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
    complain('');
    unfold(false);
  } catch (error) {
    if (!(error instanceof AddressError || error instanceof DOMException)) throw error;
    complain(error.message);
  }
}

function complain(sentence) {
  part('address').ariaInvalid = String(sentence !== '');
  part('address-error').textContent = sentence;
  if (sentence) unfold(true);
}

/** On a phone the address is folded away until someone wants it, or must connect by hand. */
function unfold(isUnfolded) {
  part('unfold').setAttribute('aria-expanded', String(isUnfolded)); // the style sheet reads it
}

function showDestination() {
  const link = location.pathname + location.search + hashOf(destination);
  history.replaceState(null, '', link);
  part('second-window').href = link;
  part('invitation').hidden = !destination.ours; // the page may not be where the room is
  resumeDemo.goTo(destination.url);
  showRoom(destination.room ?? destination.url);
}

/** An empty name is one that the server has not told yet. */
function showRoom(name) {
  part('room').textContent = name;
  document.title = name ? `${name} · worldcast` : 'worldcast';
}

// What the connection tells.

function changed(state) {
  status.show(state);
  if (state.name !== 'open') presence.stop();
  part('compression').hidden = state.name !== 'open';
  if (state.name === 'closed') unfold(true);
  if (state.name === 'closed' && state.ending?.code === NOT_ALLOWED && destination.ours) listen();
}

function opened() {
  arrive();
  outage.opened(tell({ lead: 'client: ws connection is open' }));
  composer.connected();
  ledger.addHandshake();
  part('compression').textContent = isCompressed() ? 'Compression agreed: permessage-deflate' : 'No compression agreed';
  if (destination.ours) presence.watch(destination.room);
  if (greeting === 'due' && destination.ours && destination.room === '') greet();
  else greeting = 'over';
}

/** Once for each visit, and only in the room for everybody: a crowd that comes back does not greet itself. */
function greet() {
  greeting = 'said';
  say(HELLO);
}

/** Nobody asked for the greeting: who is sent away for it comes back and is silent. Others connect when they like. */
function listen() {
  tell({ lead: 'client: in this room only who has a key may speak; everybody may listen' });
  if (greeting === 'said') connection.open(destination.url);
  greeting = 'over';
}

function heard(data) {
  outage.end();
  const { lead, said } = tellMessage('client: received ', data, 'received');
  announcer.say(lead + said);
}

function failed() {
  arrive();
  if (!outage.isOn) tell({ lead: 'client: ws connection error', isBad: true });
}

function ended(ending) {
  arrive();
  if (outage.counts(ending)) return;
  left(ending);
  outage.begin();
}

/** A connection that made way for another has ended. */
function left(ending) {
  tell({ lead: `client: ws connection is closed (${sayEnding(ending)})`, isBad: ending.code !== 1000 });
}

/** From here on the lines of the log are about another room. */
function arrive() {
  if (arriving !== null) log.enter(arriving);
  arriving = null;
}

/** The server does not answer, or does not know of us, since `asked`; words that came since then say that it is there. */
function lose(asked) {
  if (connection.isOpen && connection.heardAt < asked) connection.giveUp('the server does not answer');
}

// What is said and shown.

/** What a person wants to say. */
function speak(data) {
  greeting = 'over';
  say(data);
}

function say(data) {
  connection.say(data);
  tellMessage('client: sent ', data, 'sent');
}

function tellMessage(lead, data, direction) {
  const frame = frameOf(data, direction);
  ledger.addMessage(frame);
  return tell({ lead, said: cut(typeof data === 'string' ? data : `${data.byteLength} bytes (binary)`), frame });
}

/** Tells it on the page and on the console, and returns the line of the log. */
function tell({ lead, said = '', frame = null, isBad = false }) {
  return log.add({ lead, said, frame, isBad, compressed: isCompressed() });
}

function isCompressed() {
  return connection.extensions.includes('permessage-deflate');
}

function showPresence(facts) {
  part('presence').hidden = facts === null;
  if (!facts) return;
  part('presence').textContent = `${facts.clients} in the room`;
  showRoom(facts.room);
}

// The window.

/** A window that is put aside, not closed, resumes what it left. */
function leaveWithTheWindow() {
  let interrupted = false;
  addEventListener('pagehide', () => {
    interrupted = connection.isWanted;
    connection.close();
    resumeDemo.stop();
  });
  addEventListener('pageshow', () => interrupted && connect());
}

/** On a phone the talk takes the height that what stands above it leaves. */
function leaveTheRestToTheTalk() {
  const measure = () => document.body.style.setProperty('--above', `${part('talk').offsetTop}px`);
  const observer = new ResizeObserver(measure);
  for (const above of [document.querySelector('header'), part('connection')]) observer.observe(above);
}

function takeDroppedFiles() {
  const hasFiles = ({ dataTransfer }) => dataTransfer.types.includes('Files');
  addEventListener('dragover', (event) => hasFiles(event) && event.preventDefault());
  addEventListener('drop', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    composer.sayFiles([...event.dataTransfer.files]);
  });
}
