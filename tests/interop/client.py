"""Talks to examples/interop_server.rs with no library but msgpack: python3 client.py SOCKET"""

import itertools
import socket
import struct
import sys
import time

import msgpack

HELLO, REQUEST, REPLY, FAULT, CANCEL, NOTIFY, ITEM, END, STOP, CREDIT, CHUNK, PING, PONG, GOAWAY = range(14)
UNKNOWN_METHOD, INVALID_ARGS, APP, CANCELLED, TIMED_OUT = 1, 2, 32, 35, 36

# Which half of a channel a message carries.
RECEIVES, SENDS = 0, 1

# What stands before the data of a chunk, at most.
CHUNK_HEAD = 25
# What a frame of items and a carried half spend of a channel's credit.
FRAME, CARRIED = 128, 256

# What we allow. A setting left out means its floor; so 16 KiB of credit for each channel.
SETTINGS = {"max_in_flight": 64, "max_message": 16 << 20, "max_buffered": 16 << 20, "max_channels": 8}
WINDOW = 16 << 10

# What a fingerprint tells of a service: what comes back of each method, and its arguments.
VALUE, NOTHING, STREAM = 0, 1, 2
CALC = {"calc.add": (VALUE, "a", "b"), "calc.zero": (VALUE,)}
DEMO = {
    "demo.add": (VALUE, "a", "b"),
    "demo.take": (VALUE, "units"),
    "demo.sleep": (VALUE, "ms"),
    "demo.greet": (VALUE, "name"),
    "demo.count": (STREAM, "to"),
    "demo.pick": (STREAM, "units"),
    "demo.sum": (VALUE, "numbers"),
    "demo.work": (VALUE, "steps", "progress"),
    "demo.echo": (VALUE, "blob"),
    "demo.fetch": (VALUE, "len"),
}


def fingerprint(methods, encoding=0):
    def fnv_1a(data):
        digest = 0xCBF29CE484222325
        for byte in data:
            digest = (digest ^ byte) * 0x100000001B3 % 2**64
        return digest

    shapes = (
        path.encode() + bytes([255, kind, encoding]) + b"".join(name.encode() + b"\xff" for name in names)
        for path, (kind, *names) in methods.items()
    )
    return sum(map(fnv_1a, shapes)) % 2**64


class Peer:
    def __init__(self, path):
        self.stream = socket.socket(socket.AF_UNIX)
        self.stream.settimeout(10)
        self.stream.connect(path)
        self.incoming = self.stream.makefile("rb")
        # Of requests and channels, and of notifies that go in chunks.
        self.ids = itertools.count(1, 2)
        # Messages that are not whole, by their ids.
        self.begun = {}
        # Of each channel, the bytes of the items taken and the credit given.
        self.taken = {}

    def send(self, *frame):
        raw = msgpack.packb(frame)
        self.stream.sendall(struct.pack(">I", len(raw)) + raw)

    def request(self, method, values, **meta):
        """Sends a small request. Returns its xid."""
        xid = next(self.ids)
        self.send(REQUEST, xid, method, meta or None, values)
        return xid

    def chunks(self, id, *frame):
        """Sends a message in chunks, of which one goes at each step."""
        rest = msgpack.packb(frame)
        size = self.settings["max_frame"] - CHUNK_HEAD
        while rest:
            data, rest = rest[:size], rest[size:]
            self.send(CHUNK, id, len(rest), data)
            yield

    def receive(self, parts=False):
        """The next message; None when the peer has hung up. With `parts`, chunks are shown as well."""
        while True:
            prefix = self.incoming.read(4)
            if not prefix:
                return None
            raw = self.incoming.read(struct.unpack(">I", prefix)[0])
            frame = msgpack.unpackb(raw)
            print("<", str(frame)[:100])
            if frame[0] == CHUNK:
                raw = self.assemble(*frame[1:])
                if parts or frame[2] is None:
                    return frame
                if raw is None:
                    continue
                frame = msgpack.unpackb(raw)
            if frame[0] == ITEM:
                self.take(frame, raw)
            return frame

    def assemble(self, id, remaining, data):
        """Adds a chunk to its message. Returns that when it is whole."""
        message = self.begun.pop(id, b"") + data
        if remaining == 0:
            return message
        if remaining is not None:
            self.begun[id] = message

    def take(self, item, raw):
        """Counts the bytes of an item's values. Allows more once half a window has been taken."""
        unpacker = msgpack.Unpacker()
        unpacker.feed(raw)
        unpacker.read_array_header()
        for _ in ("kind", "channel", "carried"):
            unpacker.skip()
        cost = FRAME + len(raw) - unpacker.tell() + CARRIED * len(item[2] or [])
        taken, allowed = self.taken.get(item[1], (0, WINDOW))
        taken += cost
        if taken + WINDOW - allowed >= WINDOW // 2:
            allowed = taken + WINDOW
            self.send(CREDIT, item[1], allowed)
        self.taken[item[1]] = taken, allowed


class Sender:
    """The sending half of a channel, whose other half is carried by a request."""

    def __init__(self, peer):
        self.peer, self.channel = peer, next(peer.ids)
        self.half = -(-peer.settings["window"] // 2)
        self.spent, self.allowed = 0, peer.settings["window"]

    def send(self, values):
        """Sends small items in one frame, as soon as there is credit for it. More than half a window is never needed."""
        cost = FRAME + sum(len(msgpack.packb(value)) for value in values)
        while self.spent + min(cost, self.half) > self.allowed:
            kind, channel, total = self.peer.receive()
            expect([kind, channel], [CREDIT, self.channel])
            self.allowed = max(self.allowed, total)
        self.peer.send(ITEM, self.channel, None, *values)
        self.spent += cost


def expect(seen, expected):
    if seen != expected:
        sys.exit(f"expected {expected!r:.200}, saw {seen!r:.200}")


def main():
    peer = Peer(sys.argv[1])
    calls(peer)
    streams(peer)
    large_messages(peer)

    # Kinds from 64 up are skipped.
    peer.send(64, "of a later version")
    peer.send(PING, 2**64 - 1)
    expect(peer.receive(), [PONG, 2**64 - 1])

    peer.send(GOAWAY, 0, 1, "bye")
    expect(peer.receive(), None)
    print("all as it should be")


def calls(peer):
    # Requests may follow one's own hello at once, within the floors.
    peer.send(HELLO, "mux", 1, 0, SETTINGS)
    xid = peer.request("demo.add", [2, 40])
    kind, magic, version, side, peer.settings = peer.receive()
    expect([kind, magic, version, side], [HELLO, "mux", 1, 1])
    expect(list(peer.settings["services"]), ["demo"])
    expect(fingerprint(CALC), 0x9BACDDAF46C434F2)
    expect(peer.settings["services"]["demo"], fingerprint(DEMO).to_bytes(8, "big"))
    expect(peer.receive(), [REPLY, xid, None, 42])

    # Answers come as they are ready: the later call first.
    sleep = peer.request("demo.sleep", [200], tenant="eu")
    greet = peer.request("demo.greet", ["wörld"])
    expect(peer.receive(), [REPLY, greet, None, "hello, wörld"])
    expect(peer.receive(), [REPLY, sleep, None, None])

    # A typed error travels as the fault's detail, its fields by name.
    xid = peer.request("demo.take", [1])
    expect(peer.receive(), [REPLY, xid, None, 2])
    xid = peer.request("demo.take", [9])
    fault = peer.receive()
    expect(fault[:4] + fault[5:], [FAULT, xid, None, APP, {"left": 3}])

    # What was not run says so by a code below 32.
    xid = peer.request("demo.nothing", [])
    expect(peer.receive()[:4], [FAULT, xid, None, UNKNOWN_METHOD])
    xid = peer.request("demo.add", ["two", 40])
    expect(peer.receive()[:4], [FAULT, xid, None, INVALID_ARGS])

    # Who tells the names of its arguments is refused where the server's are others.
    xid = peer.request("demo.add", [2, 40], args=["a", "b"])
    expect(peer.receive(), [REPLY, xid, None, 42])
    xid = peer.request("demo.add", [2, 40], args=["b", "a"])
    message = "demo.add takes (a, b), the call has (b, a)"
    expect(peer.receive()[:5], [FAULT, xid, None, INVALID_ARGS, message])

    # A cancelled call is answered still, and not when its sleep is over.
    begun = time.monotonic()
    xid = peer.request("demo.sleep", [60_000])
    peer.send(CANCEL, xid)
    expect(peer.receive()[:4], [FAULT, xid, None, CANCELLED])
    xid = peer.request("demo.sleep", [60_000], timeout_ms=50)
    expect(peer.receive()[:4], [FAULT, xid, None, TIMED_OUT])
    expect(time.monotonic() - begun < 5, True)


def streams(peer):
    # The reply carries the half that receives, and names it by its place in the list. These numbers
    # take 29 KB: more than a window, so without the credit that `take` gives they would stop.
    channel = stream(peer, "demo.count", [10_000])
    items, end = items_and_end(peer, channel)
    expect(items, list(range(1, 10_001)))
    expect(end, None)

    # An error of the stream's own type is its end.
    channel = stream(peer, "demo.pick", [9])
    items, [code, _, detail] = items_and_end(peer, channel)
    expect([items, code, detail], [[1, 2, 3], APP, {"left": 0}])

    # Enough of it: what was on its way is skipped, until the end comes as always.
    channel = stream(peer, "demo.count", [10**9])
    expect(peer.receive()[:4], [ITEM, channel, None, 1])
    peer.send(STOP, channel)
    _, [code, _, _] = items_and_end(peer, channel, stopped=True)
    expect(code, CANCELLED)

    # A request carries the half that receives: we send, 368 KB, which is more than the server's window.
    sender = Sender(peer)
    xid = peer.request("demo.sum", [0], channels=[[sender.channel, RECEIVES]])
    for first in range(0, 100_000, 1000):
        sender.send(range(first, first + 1000))
    peer.send(END, sender.channel, None)
    # The answer and the STOP, which says that all was taken, come in either order.
    rest = []
    while len(rest) < 2:
        if (frame := peer.receive())[0] != CREDIT:
            rest.append(frame)
    expect(sorted(rest), [[REPLY, xid, None, sum(range(100_000))], [STOP, sender.channel]])

    # A request carries the half that sends: the server calls back, before it answers or after.
    channel = next(peer.ids)
    xid = peer.request("demo.work", [3, 0], channels=[[channel, SENDS]])
    seen = [peer.receive()]
    while sorted({frame[0] for frame in seen}) != [REPLY, ITEM, END]:
        seen.append(peer.receive())
    expect([frame for frame in seen if frame[0] == REPLY], [[REPLY, xid, None, 3]])
    expect([value for frame in seen if frame[0] == ITEM for value in frame[3:]], [1, 2, 3])
    expect([frame for frame in seen if frame[0] == END], [[END, channel, None]])
    peer.send(STOP, channel)


def stream(peer, method, args):
    """Calls a method that returns a stream. Returns its channel."""
    xid = peer.request(method, args)
    kind, answered, meta, value = peer.receive()
    [[channel, half]] = meta["channels"]
    expect([kind, answered, half, value], [REPLY, xid, RECEIVES, 0])
    return channel


def items_and_end(peer, channel, stopped=False):
    """All that comes, and how it ends. The channel is closed once END and STOP have been said."""
    items = []
    while (frame := peer.receive())[0] == ITEM:
        expect(frame[1], channel)
        items += frame[3:]
    expect(frame[:2], [END, channel])
    if not stopped:
        peer.send(STOP, channel)
    return items, frame[2]


def large_messages(peer):
    # What is over 16 KiB goes in chunks. Small messages go between them, in either direction.
    blob = bytes(range(256)) * 4096
    echo = next(peer.ids)
    upload = peer.chunks(echo, REQUEST, echo, "demo.echo", None, [blob])
    next(upload)
    xid = peer.request("demo.add", [1, 2])
    expect(peer.receive(), [REPLY, xid, None, 3])
    for _ in upload:
        pass
    expect(peer.receive(parts=True)[:2], [CHUNK, echo])
    xid = peer.request("demo.add", [3, 4])
    expect(peer.receive(), [REPLY, xid, None, 7])
    expect(peer.receive(), [REPLY, echo, None, blob])

    # A request that is given up half-way gets no answer.
    echo = next(peer.ids)
    next(peer.chunks(echo, REQUEST, echo, "demo.echo", None, [blob]))
    peer.send(CHUNK, echo, None, b"")
    xid = peer.request("demo.add", [5, 6])
    expect(peer.receive(), [REPLY, xid, None, 11])

    # A reply that is cancelled half-way is given up, and a fault stands for it.
    fetch = peer.request("demo.fetch", [8 << 20])
    chunk = peer.receive(parts=True)
    peer.send(CANCEL, fetch)
    while chunk[:2] == [CHUNK, fetch] and chunk[2] is not None:
        chunk = peer.receive(parts=True)
    expect(chunk, [CHUNK, fetch, None, b""])
    expect(peer.receive()[:4], [FAULT, fetch, None, CANCELLED])


main()
