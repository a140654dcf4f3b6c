"""The broadcast of the manual of websockets for Python: its own `broadcast` over the clients of a room."""

import asyncio
import logging
import sys
from collections import defaultdict

from websockets.asyncio.server import broadcast, serve

rooms = defaultdict(set)


async def talk(socket):
    room = rooms[socket.request.path]
    room.add(socket)
    try:
        async for message in socket:
            broadcast(room, message)
    finally:
        room.discard(socket)


async def main(port, compression="plain"):
    deflate = "deflate" if compression == "compressed" else None
    async with serve(talk, "127.0.0.1", port, compression=deflate, ping_interval=None, backlog=4096) as server:
        await server.serve_forever()


logging.disable()  # clients leave as they like
asyncio.run(main(*sys.argv[1:]))
