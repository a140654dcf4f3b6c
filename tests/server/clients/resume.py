"""Speaks worldcast.v1 to the server at the address that is given, and resumes, with the library `websockets`."""

import json
import sys

from websockets.sync.client import connect

room = f"ws://{sys.argv[1]}/websocket/news"

with connect(room) as bare, connect(room, subprotocols=["worldcast.v1"]) as socket:
    assert bare.recv() == "world" and bare.subprotocol is None
    assert socket.subprotocol == "worldcast.v1"
    welcome = json.loads(socket.recv())
    socket.send(json.dumps({"type": "publish", "ref": "1", "text": "hello"}))
    message, ack = json.loads(socket.recv()), json.loads(socket.recv())
    assert (message["text"], message["who"]) == ("hello", welcome["who"])
    assert ack == {"type": "ack", "ref": "1", "offset": message["offset"]}
    assert bare.recv() == "hello"

with connect(room) as bare:
    assert bare.recv() == "world"
    bare.send("missed")
    assert bare.recv() == "missed"

since = f"since={welcome['epoch']}-{message['offset']}&session={welcome['session']}"
with connect(f"{room}?{since}", subprotocols=["worldcast.v1"]) as socket:
    again = json.loads(socket.recv())
    assert again["recovered"] and again["who"] == welcome["who"]
    assert json.loads(socket.recv())["text"] == "missed"

print("all is well")
