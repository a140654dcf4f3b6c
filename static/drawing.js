// Draws a frame as boxes of bytes: small for a row of the log, large to read every bit.

import { count, element } from './element.js';
import { TEXT, hex, overheadOf } from './frame.js';

const KINDS = { [TEXT]: 'text' };
const kindOf = ({ opcode }) => KINDS[opcode] ?? 'binary';

/** The frame in one line: `81 05` and the size of its payload. */
export function strip(frame) {
  const boxes = element('span', 'strip');
  boxes.append(...Array.from(frame.header, (byte) => element('b', 'byte header', hex([byte]))));
  if (frame.maskLength) boxes.append(element('b', 'byte mask', `mask ×${frame.maskLength}`));
  boxes.append(element('b', 'byte payload', frame.payloadLength.toLocaleString('en')));
  return tell(boxes, frame);
}

/** The frame with every field named. `compressed` says that permessage-deflate was agreed on. */
export function drawing(frame, compressed) {
  const bytes = element('div', 'bytes', firstByte(frame), secondByte(frame));
  if (frame.header.length > 2) bytes.append(longLength(frame));
  if (frame.maskLength) bytes.append(mask(frame));
  bytes.append(payload(frame));
  return tell(element('figure', 'drawing', bytes, caption(frame, compressed)), frame);
}

/** What a sentence says about the frame: `text, 18 bytes in a frame of 24`. */
export function describe(frame) {
  const whole = frame.payloadLength + overheadOf(frame);
  return `${kindOf(frame)}, ${count(frame.payloadLength, 'byte')} in a frame of ${whole.toLocaleString('en')}`;
}

function tell(drawn, { direction, opcode, header, maskLength, payloadLength }) {
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

function firstByte(frame) {
  const bits = bitsOf(frame.header[0]);
  return box('header', hex(frame.header.slice(0, 1)), [
    ['FIN', bits.slice(0, 1), 'last piece'],
    ['RSV', bits.slice(1, 4), 'reserved'],
    ['opcode', bits.slice(4), kindOf(frame)],
  ]);
}

function secondByte({ header }) {
  const bits = bitsOf(header[1]);
  const length = header[1] & 0x7f;
  const meaning = { 126: '126: see 2 bytes', 127: '127: see 8 bytes' }[length] ?? count(length, 'byte');
  return box('header', hex(header.slice(1, 2)), [
    ['MASK', bits.slice(0, 1), bits[0] === '1' ? 'masked' : 'plain'],
    ['length', bits.slice(1), meaning],
  ]);
}

function longLength({ header, payloadLength }) {
  return box('header', spaced(header.slice(2)), [['length', `${(header.length - 2) * 8} bits`, count(payloadLength, 'byte')]]);
}

function mask({ maskLength }) {
  return box('mask', Array(maskLength).fill('··').join(' '), [['mask', `×${maskLength}`, 'random, unseen']]);
}

function payload({ beginning, payloadLength }) {
  const rest = payloadLength - beginning.length;
  const bytes = Array.from(beginning, (byte) => element('span', 'said', hex([byte]), element('i', '', glyph(byte))));
  const box = element('div', 'box payload', element('div', 'row', ...bytes));
  if (rest) box.append(element('span', 'more', `… ${rest.toLocaleString('en')} more`));
  box.append(element('span', 'name', 'payload'));
  return box;
}

function box(className, bytes, fields) {
  const named = fields.map(([name, bits, meaning]) =>
    element('span', 'field', element('span', 'bits', bits), element('span', 'name', name), element('span', 'meaning', meaning)));
  return element('div', `box ${className}`, element('code', '', bytes), element('div', 'row', ...named));
}

function caption(frame, compressed) {
  const parts = [`${count(frame.header.length, 'byte')} of header`];
  if (frame.maskLength) parts.push(`${frame.maskLength} of mask`);
  const sum = `${frame.direction === 'sent' ? 'From browser to server' : 'From server to browser'}: ${parts.join(', ')}, ${frame.payloadLength.toLocaleString('en')} of payload.`;
  const caption = element('figcaption', '', sum);
  if (frame.maskLength) caption.append(' The browser draws the mask at random and shows it to nobody; the payload goes out XORed with it.');
  if (compressed) caption.append(' Compression was agreed: the real frame may set the first RSV bit and be shorter. A browser hides that; this is the frame uncompressed.');
  return caption;
}

function bitsOf(byte) {
  return byte.toString(2).padStart(8, '0');
}

function spaced(bytes) {
  return Array.from(bytes, (byte) => hex([byte])).join(' ');
}

/** Printable ASCII as itself, anything else as a dot. */
function glyph(byte) {
  return byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·';
}
