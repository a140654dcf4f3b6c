// What a message looks like on the wire: one frame of RFC 6455, section 5.2.

export const TEXT = 1;
const BINARY = 2;
const MASK_LENGTH = 4;

const FIN = 0x80;
const MASKED = 0x80;
const LENGTH_IN_2_BYTES = 126;
const LENGTH_IN_8_BYTES = 127;
const BYTES_TO_SHOW = 8;

const utf8 = new TextEncoder();

/**
 * The frame that carries `data` (a string or an ArrayBuffer) when it is neither compressed nor split.
 * `direction` is 'sent' or 'received'; what a client sends is masked (section 5.1).
 */
export function frameOf(data, direction) {
  const text = typeof data === 'string';
  const payload = text ? utf8.encode(data) : new Uint8Array(data);
  const opcode = text ? TEXT : BINARY;
  const masked = direction === 'sent';
  return {
    direction,
    opcode,
    header: headerOf(opcode, masked, payload.length),
    maskLength: masked ? MASK_LENGTH : 0,
    payloadLength: payload.length,
    beginning: payload.slice(0, BYTES_TO_SHOW), // a copy, so that the row does not hold the whole message
  };
}

/** Bytes that the frame adds to its payload: 2 to 14. */
export function overheadOf(frame) {
  return frame.header.length + frame.maskLength;
}

export function byteLength(text) {
  return utf8.encode(text).length;
}

export function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

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
