"""Reads the golden frames with msgpack: python3 golden.py FOLDER"""

import pathlib
import struct
import sys

import msgpack

files = sorted(pathlib.Path(sys.argv[1]).glob("*.hex"))
for file in files:
    lines = (line.split("#")[0] for line in file.read_text().splitlines())
    rest = bytes.fromhex(" ".join(lines))
    while rest:
        length = struct.unpack(">I", rest[:4])[0]
        frame = msgpack.unpackb(rest[4 : 4 + length])
        print(file.name, frame)
        if frame[0] != int(file.name.split("_")[0]):
            sys.exit(f"{file.name}: a frame of kind {frame[0]}")
        rest = rest[4 + length :]

kinds = [int(file.name.split("_")[0]) for file in files]
if kinds != [*range(14), 64]:
    sys.exit(f"kinds {kinds}")
