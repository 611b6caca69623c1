"""Talks to examples/interop_server.rs with no library but msgpack: python3 client.py SOCKET"""

import socket
import struct
import sys
import time

import msgpack

HELLO, REQUEST, REPLY, FAULT, CANCEL, PING, PONG, GOAWAY = 0, 1, 2, 3, 4, 11, 12, 13
UNKNOWN_METHOD, INVALID_ARGS, APP, CANCELLED, TIMED_OUT = 1, 2, 32, 35, 36


class Peer:
    def __init__(self, path):
        self.stream = socket.socket(socket.AF_UNIX)
        self.stream.settimeout(10)
        self.stream.connect(path)
        self.incoming = self.stream.makefile("rb")

    def send(self, *frame):
        body = msgpack.packb(frame)
        self.stream.sendall(struct.pack(">I", len(body)) + body)

    def receive(self):
        """The next frame; None when the peer has hung up."""
        prefix = self.incoming.read(4)
        if not prefix:
            return None
        frame = msgpack.unpackb(self.incoming.read(struct.unpack(">I", prefix)[0]))
        print("<", frame)
        return frame


def expect(seen, expected):
    if seen != expected:
        sys.exit(f"expected {expected!r}, saw {seen!r}")


def main():
    peer = Peer(sys.argv[1])
    # Requests may follow one's own hello at once. A setting left out means its floor.
    peer.send(HELLO, "mux", 1, 0, {"max_in_flight": 64})
    peer.send(REQUEST, 1, "demo.add", None, [2, 40])

    kind, magic, version, side, settings = peer.receive()
    expect([kind, magic, version, side], [HELLO, "mux", 1, 1])
    expect(list(settings["services"]), ["demo"])
    expect(peer.receive(), [REPLY, 1, None, 42])

    # Answers come as they are ready: the later call first.
    peer.send(REQUEST, 3, "demo.sleep", {"tenant": "eu"}, [200])
    peer.send(REQUEST, 5, "demo.greet", None, ["wörld"])
    expect(peer.receive(), [REPLY, 5, None, "hello, wörld"])
    expect(peer.receive(), [REPLY, 3, None, None])

    # A typed error travels as the fault's detail, its fields by name.
    peer.send(REQUEST, 7, "demo.take", None, [1])
    expect(peer.receive(), [REPLY, 7, None, 2])
    peer.send(REQUEST, 9, "demo.take", None, [9])
    fault = peer.receive()
    expect(fault[:4] + fault[5:], [FAULT, 9, None, APP, {"left": 3}])

    # What was not run says so by a code below 32.
    peer.send(REQUEST, 11, "demo.nothing", None, [])
    expect(peer.receive()[:4], [FAULT, 11, None, UNKNOWN_METHOD])
    peer.send(REQUEST, 13, "demo.add", None, ["two", 40])
    expect(peer.receive()[:4], [FAULT, 13, None, INVALID_ARGS])

    # A cancelled call is answered still, and not when its sleep is over.
    begun = time.monotonic()
    peer.send(REQUEST, 15, "demo.sleep", None, [60_000])
    peer.send(CANCEL, 15)
    expect(peer.receive()[:4], [FAULT, 15, None, CANCELLED])
    peer.send(REQUEST, 17, "demo.sleep", {"timeout_ms": 50}, [60_000])
    expect(peer.receive()[:4], [FAULT, 17, None, TIMED_OUT])
    expect(time.monotonic() - begun < 5, True)

    # Kinds from 64 up are skipped.
    peer.send(64, "of a later version")
    peer.send(PING, 2**64 - 1)
    expect(peer.receive(), [PONG, 2**64 - 1])

    peer.send(GOAWAY, 0, 1, "bye")
    expect(peer.receive(), None)
    print("all as it should be")


main()
