// Where to connect: what is typed, the room in it, and the link that leads others there.

const ROOM_NAME = /^[A-Za-z0-9._~:@-]{1,128}$/;
const NAMES = '1 to 128 letters, digits or . _ ~ : @ -';
const HOST_AND_PATH = /^(?:\[[^\]]+\]|[^/:?#[\]]+)(?::\d+)?\//;
const ROOM_PATH = /^(?:websocket(?:\/(.*))?)?$/; // below the page's own directory

/** Why an address cannot be used, as a sentence for the person who typed it. */
export class AddressError extends Error {}

/** The address of the room that a page's own URL names: `/#news` is `/websocket/news`, `/live/#news` is below `/live/`. */
export function addressOfPage({ protocol, host, pathname, hash }) {
  const scheme = protocol === 'https:' ? 'wss:' : 'ws:';
  const room = hash.slice(1);
  return `${scheme}//${host}${directoryOf(pathname)}websocket${room && `/${room}`}`;
}

/**
 * Reads a typed address, whole or without the scheme, or the bare name of a room: `{ url, room, ours }`. `ours` says that the page came from the same host; `room`
 * is empty where the server chooses, null where another host's path tells none. Throws an AddressError.
 */
export function readAddress(typed, page) {
  const url = parse(typed.trim(), page);
  const ours = url.host === page.host;
  const directory = ours ? directoryOf(page.pathname) : '/';
  const room = roomOf(url, directory);
  if (ours && room === null) throw new AddressError(`The path is ${directory}websocket/ and a room of ${NAMES}`);
  return { url: url.href, room, ours };
}

/** The end of a link to the room: nothing for the one that the server chooses. */
export function hashOf({ room, ours }) {
  return ours && room ? `#${room}` : '';
}

function parse(typed, page) {
  const url = absolute(completed(typed, page), addressOfPage(page));
  if (!['ws:', 'wss:'].includes(url.protocol)) throw new AddressError('An address begins with ws:// or, encrypted, with wss://');
  url.hash = ''; // a WebSocket address has none
  return url;
}

/** `news` is a room here, `example.org/websocket` an address of the same scheme as the page's. */
function completed(typed, { pathname }) {
  if (ROOM_NAME.test(typed)) return `${directoryOf(pathname)}websocket/${typed}`;
  return HOST_AND_PATH.test(typed) ? `//${typed}` : typed;
}

function absolute(typed, base) {
  try {
    return new URL(typed, base);
  } catch {
    throw new AddressError('This is no address. One looks like ws://localhost:8080/websocket');
  }
}

/** Where the page lies: the root, or what a proxy puts before it. */
function directoryOf(pathname) {
  return pathname.slice(0, pathname.lastIndexOf('/') + 1);
}

function roomOf({ pathname }, directory) {
  if (!pathname.startsWith(directory)) return null;
  const path = ROOM_PATH.exec(pathname.slice(directory.length));
  if (!path) return null;
  if (path[1] === undefined) return '';
  return ROOM_NAME.test(decoded(path[1])) ? decoded(path[1]) : null;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
