// What a message costs as an HTTP/1.1 request of its own: the headers, written out to be counted.

const DATE = 'Date: Thu, 01 Jan 2026 00:00:00 GMT';

/** Saying something: a request with a body, an empty answer. */
export function post(page) {
  return {
    request: head('POST /websocket HTTP/1.1', ...usual(page), ...fetched(page),
      `Origin: ${page.origin}`, 'Content-Type: text/plain;charset=UTF-8', 'Content-Length: 18'),
    answer: head('HTTP/1.1 204 No Content', DATE),
  };
}

/** Hearing something: a request that asks, an answer with a body. */
export function poll(page) {
  return {
    request: head('GET /websocket HTTP/1.1', ...usual(page), ...fetched(page)),
    answer: head('HTTP/1.1 200 OK', 'Content-Type: text/plain; charset=utf-8', 'Content-Length: 18', DATE),
  };
}

/** Opening a WebSocket: RFC 6455, section 4. */
export function handshake(page) {
  return {
    request: head('GET /websocket HTTP/1.1', ...usual(page), `Origin: ${page.origin}`, 'Upgrade: websocket',
      'Connection: Upgrade', 'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${'k'.repeat(24)}`),
    answer: head('HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${'a'.repeat(28)}`, DATE),
  };
}

export function bytesOf({ request, answer }) {
  return request.length + answer.length;
}

/** What every browser sends with every request. */
function usual(page) {
  return [
    `Host: ${page.host}`,
    `User-Agent: ${navigator.userAgent}`,
    `Accept-Language: ${navigator.languages.join(',')}`,
    'Accept-Encoding: gzip, deflate, br',
  ];
}

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

function head(...lines) {
  return [...lines, '', ''].join('\r\n');
}
