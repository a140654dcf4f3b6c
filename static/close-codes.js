// Close codes in words. The table itself is in worldcast.js, which can be copied without this file.

import { CLOSE_CODES } from './worldcast.js';

export { comesBackAfter } from './worldcast.js';

/** The end of a connection: a `CloseEvent`, or an end that this page has noticed itself. @typedef {{ code: number, reason: string }} Ending */

/**
 * The code and the reason of the server, or the meaning of the code: `1012 the server restarts`.
 * @param {Ending} ending
 */
export function describeEnding({ code, reason }) {
  return `${code} ${reason || CLOSE_CODES[code]?.meaning || 'a reason of its own'}`;
}
