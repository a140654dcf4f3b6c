// Close codes and their names. The table itself is in worldcast.js, which can be copied without
// this file.

import { CLOSE_CODES } from './worldcast.js';

export { comesBackAfter } from './worldcast.js';

/**
 * The end of a connection: a `CloseEvent`, or an end that this page has noticed itself.
 * @typedef {{ code: number, reason: string }} Ending
 */

/**
 * The code with the reason of the server, or else with the name of the code: `1000 normal closure`.
 * @param {Ending} ending
 */
export function describeEnding({ code, reason }) {
  return `${code} ${reason || CLOSE_CODES[code]?.name || 'private use'}`;
}
