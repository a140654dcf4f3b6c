// Bun's own publish/subscribe: the engine of uWebSockets.

const [port, compression] = process.argv.slice(2);
const compress = compression === "compressed";

const server = Bun.serve({
  hostname: "127.0.0.1",
  port,
  fetch(request, server) {
    const room = new URL(request.url).pathname;
    return server.upgrade(request, { data: room }) ? undefined : new Response("WebSocket only", { status: 426 });
  },
  websocket: {
    perMessageDeflate: compress,
    sendPings: false,
    idleTimeout: 0,
    open: (socket) => socket.subscribe(socket.data),
    message: (socket, message) => server.publish(socket.data, message, compress),
  },
});
