// Draws a frame as boxes of bytes: small in a line of the log, large with the name of every bit.

import { count, digits, element } from './dom.js';
import { TEXT, hex, overheadOf } from './frame.js';

/** @import { Frame } from './frame.js' */

const MASKING = ' The browser picks the masking key at random, and sends the payload XORed with it.';
const COMPRESSION = ' Compression was negotiated: the real frame may be shorter, with its first RSV bit set.';

/**
 * The frame in one line, such as `81 05` and the size of its payload.
 * @param {Frame} frame
 */
export function strip(frame) {
  const [first, second, ...longLength] = frame.header;
  const boxes = element('span', 'strip', small('header', hex([first])), small('header', hex([second])));
  if (longLength.length) boxes.append(small('header', `+${longLength.length}`));
  if (frame.maskLength) boxes.append(small('mask', `mask ×${frame.maskLength}`));
  boxes.append(small('payload', digits(frame.payloadLength)));
  return mark(boxes, frame);
}

/**
 * The frame with the name of every field.
 * @param {Frame} frame
 * @param {boolean} compressed true if permessage-deflate was negotiated
 */
export function drawing(frame, compressed) {
  const bytes = element('div', 'bytes', firstByte(frame), secondByte(frame));
  if (frame.header.length > 2) bytes.append(longLength(frame));
  if (frame.maskLength) bytes.append(mask(frame));
  bytes.append(payload(frame));
  return mark(element('figure', 'drawing', bytes, caption(frame, compressed)), frame);
}

/**
 * The frame as a sentence: `text, 18 bytes in a frame of 24`.
 * @param {Frame} frame
 */
export function describe(frame) {
  const whole = frame.payloadLength + overheadOf(frame);
  return `${kindOf(frame)}, ${count(frame.payloadLength, 'byte')} in a frame of ${digits(whole)}`;
}

/**
 * @template {HTMLElement} Drawn
 * @param {Drawn} drawn
 * @param {Frame} frame
 */
function mark(drawn, { direction, opcode, header, maskLength, payloadLength }) {
  Object.assign(drawn.dataset, {
    direction,
    opcode,
    headerLength: header.length,
    header: hex(header),
    maskLength,
    payloadLength,
  });
  return drawn;
}

/**
 * @param {string} kind
 * @param {string} bytes
 */
function small(kind, bytes) {
  return element('b', `byte ${kind}`, bytes);
}

/** @param {Frame} frame */
function firstByte(frame) {
  const bits = bitsOf(frame.header[0]);
  return box('header', hex(frame.header.slice(0, 1)), [
    ['FIN', bits.slice(0, 1), 'complete'],
    ['RSV', bits.slice(1, 4), 'unused'],
    ['opcode', bits.slice(4), kindOf(frame)],
  ]);
}

/** @param {Frame} frame */
function secondByte({ header }) {
  const bits = bitsOf(header[1]);
  return box('header', hex(header.slice(1, 2)), [
    ['MASK', bits.slice(0, 1), bits[0] === '1' ? 'masked' : 'not masked'],
    ['length', bits.slice(1), meaningOfLength(header[1] & 0x7f)],
  ]);
}

/** @param {number} length the seven bits of the second byte */
function meaningOfLength(length) {
  if (length === 126) return '126: next 2 bytes';
  if (length === 127) return '127: next 8 bytes';
  return count(length, 'byte');
}

/** @param {Frame} frame */
function longLength({ header, payloadLength }) {
  const bytes = header.slice(2);
  return box('header', spaced(bytes), [['length', `${bytes.length} bytes`, digits(payloadLength)]]);
}

/** @param {Frame} frame */
function mask({ maskLength }) {
  return box('mask', Array(maskLength).fill('··').join(' '), [['mask', `×${maskLength}`, 'random']]);
}

/** @param {Frame} frame */
function payload({ beginning, payloadLength }) {
  const hidden = payloadLength - beginning.length;
  const cells = Array.from(beginning, cell);
  if (hidden) cells.push(element('span', 'more', `and ${digits(hidden)} more`));
  if (!payloadLength) cells.push(element('span', 'more', 'empty'));
  return element('div', 'box payload', element('div', 'cells', ...cells), element('span', 'name', 'payload'));
}

/** @param {number} byte */
function cell(byte) {
  return element('span', 'cell', element('code', '', hex([byte])), glyph(byte));
}

/** Name, bits and meaning. @typedef {[string, string, string]} Field */

/**
 * @param {string} kind
 * @param {string} bytes
 * @param {Field[]} fields
 */
function box(kind, bytes, fields) {
  return element('div', `box ${kind}`, element('code', '', bytes), element('div', 'fields', ...fields.map(field)));
}

/** @param {Field} field */
function field([name, bits, meaning]) {
  const labels = [element('span', 'name', name), element('span', 'meaning', meaning)];
  return element('span', 'field', element('b', '', bits), ...labels);
}

/**
 * @param {Frame} frame
 * @param {boolean} compressed
 */
function caption(frame, compressed) {
  const way = frame.direction === 'sent' ? 'To the server' : 'From the server';
  const mask = frame.maskLength ? ` and ${frame.maskLength} of masking key` : '';
  const sum = `${way}: ${frame.header.length} bytes of header${mask} for ${digits(frame.payloadLength)} of payload.`;
  return element('figcaption', '', sum, frame.maskLength ? MASKING : '', compressed ? COMPRESSION : '');
}

/** @param {Frame} frame */
function kindOf({ opcode }) {
  return opcode === TEXT ? 'text' : 'binary';
}

/** @param {number} byte */
function bitsOf(byte) {
  return byte.toString(2).padStart(8, '0');
}

/** @param {Uint8Array} bytes */
function spaced(bytes) {
  return Array.from(bytes, (byte) => hex([byte])).join(' ');
}

/**
 * Printable ASCII as itself, anything else as a dot.
 * @param {number} byte
 */
function glyph(byte) {
  if (byte === 0x20) return '␣';
  return byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·';
}
