// Socket.IO with its rooms and its in-memory adapter, over WebSocket alone.

import { createServer } from "node:http";
import { Server } from "socket.io";

const [port, compression] = process.argv.slice(2);
const http = createServer();
const server = new Server(http, {
  transports: ["websocket"],
  pingInterval: 3_600_000,
  perMessageDeflate: compression === "compressed" && { threshold: 0 },
});

server.on("connection", (socket) => {
  const { room } = socket.handshake.query;
  socket.join(room);
  socket.on("message", (message) => server.to(room).emit("message", message));
});

http.listen({ host: "127.0.0.1", port, backlog: 4096 });
