// Talks in a room of the server at the address that is given, with the library `ws`, which compresses.
const assert = require('node:assert');
const { once } = require('node:events');
const { WebSocket } = require('ws');

const room = `ws://${process.argv[2]}/websocket/news`;

async function join(address) {
  const socket = new WebSocket(address);
  const heard = [];
  socket.on('message', (data, isBinary) => heard.push(isBinary ? data : data.toString()));
  await once(socket, 'open');
  while (heard.length < 1) await once(socket, 'message');
  return { socket, heard };
}

async function main() {
  const [anna, bert] = [await join(room), await join(room)];
  assert.match(anna.socket.extensions, /permessage-deflate/);
  const long = 'hello '.repeat(1000);
  anna.socket.send(long);
  anna.socket.send(Buffer.from([0, 255]));
  for (const { socket, heard } of [anna, bert]) {
    while (heard.length < 3) await once(socket, 'message');
    assert.deepStrictEqual(heard, ['world', long, Buffer.from([0, 255])]);
  }
  const late = await join(`${room}?last=2`);
  while (late.heard.length < 3) await once(late.socket, 'message');
  assert.deepStrictEqual(late.heard, anna.heard);
  for (const { socket } of [anna, bert, late]) {
    socket.close(1000);
    assert.strictEqual((await once(socket, 'close'))[0], 1000);
  }
  console.log('all is well');
}

main();
