// Talks in a room of the server at the address that is given, with the library `ws`, which
// compresses.
const assert = require('node:assert');
const { once } = require('node:events');
const { WebSocket } = require('ws');

const room = `ws://${process.argv[2]}/websocket/news`;

async function join(address) {
  const socket = new WebSocket(address);
  const received = [];
  socket.on('message', (data, isBinary) => received.push(isBinary ? data : data.toString()));
  await once(socket, 'open');
  while (received.length < 1) await once(socket, 'message');
  return { socket, received };
}

async function main() {
  const [anna, bert] = [await join(room), await join(room)];
  assert.match(anna.socket.extensions, /permessage-deflate/);
  const long = 'hello '.repeat(1000);
  anna.socket.send(long);
  anna.socket.send(Buffer.from([0, 255]));
  for (const { socket, received } of [anna, bert]) {
    while (received.length < 3) await once(socket, 'message');
    assert.deepStrictEqual(received, ['world', long, Buffer.from([0, 255])]);
  }
  const late = await join(`${room}?last=2`);
  while (late.received.length < 3) await once(late.socket, 'message');
  assert.deepStrictEqual(late.received, anna.received);
  for (const { socket } of [anna, bert, late]) {
    socket.close(1000);
    assert.strictEqual((await once(socket, 'close'))[0], 1000);
  }
  console.log('all is well');
}

main();
