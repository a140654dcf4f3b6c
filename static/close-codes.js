// Why connections end: RFC 6455, section 7.4.1, and whether coming back makes sense.

const MEANINGS = {
  1000: 'done',
  1001: 'the other side goes away',
  1002: 'the protocol was broken',
  1003: 'this kind of data is not taken',
  1005: 'no code given',
  1006: 'no goodbye was heard',
  1007: 'the text was not UTF-8',
  1008: 'the server does not allow this',
  1009: 'the message was too big',
  1010: 'an extension was missing',
  1011: 'the server had a fault',
  1012: 'the server restarts',
  1013: 'too slow, come again',
};

// The others say that this client did something that it would only do again.
const COME_BACK = [1001, 1006, 1011, 1012, 1013];

/** The code and the server's reason, or what the code means: `1012 the server restarts`. */
export function sayEnding({ code, reason }) {
  return `${code} ${reason || MEANINGS[code] || 'a reason of its own'}`;
}

export function mayComeBack({ code }) {
  return COME_BACK.includes(code);
}
