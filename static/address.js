// The address to connect to: typed by a person, with the room in it, and as a link for others.

const ROOM_NAME = /^[A-Za-z0-9._~:@-]{1,128}$/;
const NAMES = '1 to 128 letters, digits or . _ ~ : @ -';
const HOST_AND_PATH = /^(?:\[[^\]]+\]|[^/:?#[\]]+)(?::\d+)?\//;
const HOST_AND_PORT = /^(?:\[[^\]]+\]|localhost|[^/:?#[\]]+\.[^/:?#[\]]+):\d+$/;
const ROOM_PATH = /^(?:websocket(?:\/(.*))?)?$/; // below the page's own directory

/**
 * `room` is empty if the server chooses it, and null if the path on another host names none. `ours`
 * is true for the host of the page.
 * @typedef {{ url: string, room: string | null, ours: boolean }} Destination
 */

/** An address that cannot be used, with a sentence for the person who typed it. */
export class AddressError extends Error {}

/**
 * The address of the room in the page's own URL: `/#news` is `/websocket/news`, and `/live/#news`
 * is below `/live/`.
 * @param {Location} page
 */
export function addressOfPage({ protocol, host, pathname, hash }) {
  const scheme = protocol === 'https:' ? 'wss:' : 'ws:';
  const room = hash.slice(1);
  return `${scheme}//${host}${directoryOf(pathname)}websocket${room && `/${room}`}`;
}

/**
 * Reads an address, with or without the scheme, or only the name of a room. Throws an AddressError.
 * @param {string} typed
 * @param {Location} page
 * @returns {Destination}
 */
export function readAddress(typed, page) {
  const url = parse(typed.trim(), page);
  const ours = url.host === page.host;
  const directory = ours ? directoryOf(page.pathname) : '/';
  const room = roomOf(url, directory);
  if (ours && room === null) throw new AddressError(`The path is ${directory}websocket/ and a room of ${NAMES}`);
  return { url: url.href, room, ours };
}

/**
 * The end of a link to the room; empty for the room that the server chooses.
 * @param {Destination} destination
 */
export function hashOf({ room, ours }) {
  return ours && room ? `#${room}` : '';
}

/**
 * @param {string} typed
 * @param {Location} page
 */
function parse(typed, page) {
  const url = absolute(completed(typed, page), addressOfPage(page));
  if (!['ws:', 'wss:'].includes(url.protocol)) throw new AddressError('An address begins with ws:// or, encrypted, with wss://');
  url.hash = ''; // RFC 6455, section 3: a WebSocket address has no fragment
  return url;
}

/**
 * `news` is a room of this server; `example.org/websocket` and `localhost:8080` are addresses with
 * the scheme of the page. The address of a page has that of a WebSocket.
 * @param {string} typed
 * @param {Location} page
 */
function completed(typed, { pathname }) {
  if (HOST_AND_PORT.test(typed)) return `//${typed}/websocket`;
  if (ROOM_NAME.test(typed)) return `${directoryOf(pathname)}websocket/${typed}`;
  if (HOST_AND_PATH.test(typed)) return `//${typed}`;
  return typed.replace(/^http(s?):\/\//i, 'ws$1://');
}

/**
 * @param {string} typed
 * @param {string} base
 */
function absolute(typed, base) {
  try {
    return new URL(typed, base);
  } catch {
    throw new AddressError('This is no address. One looks like ws://localhost:8080/websocket');
  }
}

/**
 * The directory of the page: the root, or the prefix of a proxy.
 * @param {string} pathname
 */
function directoryOf(pathname) {
  return pathname.slice(0, pathname.lastIndexOf('/') + 1);
}

/**
 * @param {URL} url
 * @param {string} directory of the page
 */
function roomOf({ pathname }, directory) {
  if (!pathname.startsWith(directory)) return null;
  const path = ROOM_PATH.exec(pathname.slice(directory.length));
  if (!path) return null;
  if (path[1] === undefined) return '';
  return ROOM_NAME.test(decoded(path[1])) ? decoded(path[1]) : null;
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
