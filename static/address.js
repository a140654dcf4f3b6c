// Where to connect: what is typed, the room in it, and the link that leads others there.

const DEFAULT_ROOM = 'lobby';
const ROOM_NAME = /^[A-Za-z0-9._~:@-]{1,128}$/;
const ROOM_PATH = /^\/(?:websocket(?:\/([^/]*))?)?$/;

/** Why an address cannot be used, as a sentence for the person who typed it. */
export class AddressError extends Error {}

/** The address of the room that a page's own URL names: `/#news` is `/websocket/news`. */
export function addressOfPage({ protocol, host, hash }) {
  const scheme = protocol === 'https:' ? 'wss:' : 'ws:';
  const room = hash.slice(1);
  return `${scheme}//${host}/websocket${room && `/${room}`}`;
}

/**
 * Reads a typed address: `{ url, room, ours }`. `room` is null where the path names none;
 * `ours` says that the page came from the same host. Throws an AddressError.
 */
export function readAddress(typed, page) {
  const url = parse(typed.trim(), page);
  const path = ROOM_PATH.exec(url.pathname);
  return { url: url.href, room: path && roomName(path[1]), ours: url.host === page.host };
}

/** The end of a link to the room: nothing for the default room. */
export function hashOf({ room, ours }) {
  return ours && room && room !== DEFAULT_ROOM ? `#${room}` : '';
}

function parse(typed, page) {
  if (!URL.canParse(typed, addressOfPage(page))) throw new AddressError('This is not an address. One looks like ws://localhost:8080/websocket.');
  const url = new URL(typed, addressOfPage(page));
  if (!['ws:', 'wss:'].includes(url.protocol)) throw new AddressError('An address begins with ws:// or, encrypted, with wss://.');
  url.hash = ''; // a WebSocket address has none
  return url;
}

function roomName(encoded) {
  if (encoded === undefined) return DEFAULT_ROOM;
  const name = decoded(encoded);
  if (!ROOM_NAME.test(name)) throw new AddressError('The name of a room has 1 to 128 letters, digits or . _ ~ : @ -');
  return name;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
