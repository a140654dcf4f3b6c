// The cost of a message as an HTTP/1.1 request of its own: all headers, written out to be counted.

const DATE = 'Date: Thu, 01 Jan 2026 00:00:00 GMT';

/**
 * A request and its response, each as the text of its headers.
 * @typedef {{ request: string, answer: string }} Exchange
 */

/**
 * Publishing: a request with a body, and an empty response.
 * @param {Location} page
 * @returns {Exchange}
 */
export function post(page) {
  return {
    request: head('POST /websocket HTTP/1.1', ...usual(page), ...fetched(page),
      `Origin: ${page.origin}`, 'Content-Type: text/plain;charset=UTF-8', 'Content-Length: 18'),
    answer: head('HTTP/1.1 204 No Content', DATE),
  };
}

/**
 * Receiving: a request that asks for news, and a response with a body.
 * @param {Location} page
 * @returns {Exchange}
 */
export function poll(page) {
  return {
    request: head('GET /websocket HTTP/1.1', ...usual(page), ...fetched(page)),
    answer: head('HTTP/1.1 200 OK', 'Content-Type: text/plain; charset=utf-8', 'Content-Length: 18', DATE),
  };
}

/**
 * The opening handshake of a WebSocket (RFC 6455, section 4).
 * @param {Location} page
 * @returns {Exchange}
 */
export function handshake(page) {
  return {
    request: head('GET /websocket HTTP/1.1', ...usual(page), `Origin: ${page.origin}`, 'Upgrade: websocket',
      'Connection: Upgrade', 'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${'k'.repeat(24)}`),
    answer: head('HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${'a'.repeat(28)}`, DATE),
  };
}

/**
 * Bytes of both, which are ASCII.
 * @param {Exchange} exchange
 */
export function bytesOf({ request, answer }) {
  return request.length + answer.length;
}

/**
 * The headers of every request of every browser.
 * @param {Location} page
 */
function usual(page) {
  return [
    `Host: ${page.host}`,
    `User-Agent: ${navigator.userAgent}`,
    `Accept-Language: ${navigator.languages.join(',')}`,
    'Accept-Encoding: gzip, deflate, br',
  ];
}

/**
 * The headers that `fetch` adds.
 * @param {Location} page
 */
function fetched(page) {
  return [
    'Connection: keep-alive',
    'Accept: */*',
    `Referer: ${page.origin}/`,
    'Sec-Fetch-Dest: empty',
    'Sec-Fetch-Mode: cors',
    'Sec-Fetch-Site: same-origin',
  ];
}

/** @param {...string} lines */
function head(...lines) {
  return [...lines, '', ''].join('\r\n');
}
