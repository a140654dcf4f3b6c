// A message as it travels: one frame of RFC 6455, section 5.2.

export const TEXT = 1;
const BINARY = 2;
const MASKING_KEY_LENGTH = 4; // bytes

const FIN = 0x80;
const MASKED = 0x80;
const LENGTH_IN_2_BYTES = 126;
const LENGTH_IN_8_BYTES = 127;
const BYTES_TO_SHOW = 8;

const utf8 = new TextEncoder();

/** To the server or from it. @typedef {'sent' | 'received'} Direction */

/**
 * `maskLength` is the length of the masking key, 0 without one; `beginning` holds the first bytes
 * of the payload.
 * @typedef {{
 *   direction: Direction, opcode: number, header: Uint8Array, maskLength: number,
 *   payloadLength: number, beginning: Uint8Array,
 * }} Frame
 */

/**
 * The frame that carries `data`, neither compressed nor fragmented. A client masks its frames
 * (section 5.1).
 * @param {string | ArrayBuffer} data
 * @param {Direction} direction
 * @returns {Frame}
 */
export function frameOf(data, direction) {
  const payload = typeof data === 'string' ? utf8.encode(data) : new Uint8Array(data);
  const opcode = typeof data === 'string' ? TEXT : BINARY;
  const masked = direction === 'sent';
  return {
    direction,
    opcode,
    header: headerOf(opcode, masked, payload.length),
    maskLength: masked ? MASKING_KEY_LENGTH : 0,
    payloadLength: payload.length,
    // A copy, since a view would keep the whole message in memory.
    beginning: payload.slice(0, BYTES_TO_SHOW),
  };
}

/**
 * The bytes that the frame adds to its payload: 2 to 14.
 * @param {Frame} frame
 */
export function overheadOf(frame) {
  return frame.header.length + frame.maskLength;
}

/**
 * The length of `text` in UTF-8, in bytes.
 * @param {string} text
 */
export function byteLength(text) {
  return utf8.encode(text).length;
}

/**
 * `81` and `05` become `8105`.
 * @param {Iterable<number>} bytes
 */
export function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * @param {number} opcode
 * @param {boolean} masked
 * @param {number} length of the payload, in bytes
 */
function headerOf(opcode, masked, length) {
  const first = FIN | opcode;
  const mask = masked ? MASKED : 0;
  if (length < LENGTH_IN_2_BYTES) return Uint8Array.of(first, mask | length);
  if (length <= 0xffff) return Uint8Array.of(first, mask | LENGTH_IN_2_BYTES, length >> 8, length & 0xff);
  const header = new Uint8Array(10);
  header.set([first, mask | LENGTH_IN_8_BYTES]);
  new DataView(header.buffer).setBigUint64(2, BigInt(length));
  return header;
}
