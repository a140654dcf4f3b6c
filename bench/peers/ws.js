// The broadcast of the manual of ws: a loop over the clients of a room.

import { WebSocketServer } from "ws";

const [port, compression] = process.argv.slice(2);
const rooms = new Map();

function roomOf(address) {
  if (!rooms.has(address)) rooms.set(address, new Set());
  return rooms.get(address);
}

const perMessageDeflate = compression === "compressed" && { threshold: 0 };
const server = new WebSocketServer({ host: "127.0.0.1", port, backlog: 4096, perMessageDeflate });

server.on("connection", (socket, request) => {
  const room = roomOf(request.url);
  room.add(socket);
  socket.on("close", () => room.delete(socket));
  socket.on("error", () => {});
  socket.on("message", (message, binary) => room.forEach((other) => other.send(message, { binary })));
});
