"""Prints what lies in a log, as `tailwater wal dump` does, from nothing but the log's FORMAT.md.

Usage: dump.py FOLDER...

Each folder is one with segments, or a database's, whose segments are in its folder `log`. Lines are JSON, byte for byte
those of the command.
"""

import os
import re
import struct
import sys
import zlib

BLOCK = 4096
HEAD = 32
MAGIC = b"TWLOG\r\n\x1a"
VERSION = 1
NAME = re.compile(r"[0-9a-f]{8}-[0-9a-f]{16}\.seg")
KINDS = {1: "record", 2: "noop", 3: "begin", 4: "chunk", 5: "commit"}
NOOP = 2
ENDS_RECORD = (1, 5)
LEN_MAX = 1 << 30
U64_MAX = (1 << 64) - 1
EPOCHS_MAX = 251


def boolean(value):
    return "true" if value else "false"


class Segment:
    """A segment file in memory."""

    def __init__(self, data):
        self.data = data
        self.fault = None
        if len(data) < BLOCK:
            self.fault = "short"
            return
        block = data[:BLOCK]
        (self.version, self.flags, self.database, self.epoch, count, self.number, self.salt, self.after_lsn,
         self.created, crc) = struct.unpack_from("<II16sIIQQQQI", block, 8)
        if block[:8] != MAGIC or zlib.crc32(block[:72] + bytes(4) + block[76:]) != crc:
            self.fault = "header"
        elif self.version != VERSION:
            self.fault = "newer_version"
        entries = [struct.unpack_from("<QQ", block, 80 + 16 * place) for place in range(min(count, EPOCHS_MAX))]
        self.history = [(epoch & 0xFFFFFFFF, lsn) for epoch, lsn in entries]
        newest = self.history[-1][0] if self.history else 1
        possible = newest == self.epoch and self.number < U64_MAX and self.after_lsn < U64_MAX
        if self.fault is None and not possible:
            self.fault = "header"
        self.recycled = bool(self.flags & 1)
        self.lazy = bool(self.flags & 2)
        self.seed = zlib.crc32(struct.pack("<Q", self.salt))

    def header_line(self, name):
        if self.fault is not None:
            return f'{{"segment":"{name}","bytes":{len(self.data)},"unreadable":"{self.fault}"}}'
        history = ",".join(f"[{epoch},{lsn}]" for epoch, lsn in self.history)
        return (f'{{"segment":"{name}","bytes":{len(self.data)},"database":"{self.database.hex()}",'
                f'"epoch":{self.epoch},"segment_no":{self.number},"salt":"{self.salt:016x}",'
                f'"after_lsn":{self.after_lsn},"created_unix_ms":{self.created},'
                f'"recycled":{boolean(self.recycled)},"lazy":{boolean(self.lazy)},"history":[{history}]}}')

    def frame(self, at):
        """The header of the frame at an offset, None if there is none."""
        head = self.data[at:at + HEAD]
        if len(head) < HEAD:
            return None
        length, head_crc, payload_crc, kind, codec, _, lsn, durable = struct.unpack("<IIIBBHQQ", head)
        right = zlib.crc32(head[:4] + head[8:], self.seed) == head_crc
        if not right or kind not in KINDS or length > LEN_MAX or lsn == U64_MAX:
            return None
        return length, payload_crc, kind, codec, lsn, durable

    def frame_line(self, at, frame, right):
        length, payload_crc, kind, codec, lsn, durable = frame
        return (f'{{"offset":{at},"kind":"{KINDS[kind]}","lsn":{lsn},"durable_lsn":{durable},"len":{length},'
                f'"codec":{codec},"payload_crc":"{payload_crc:08x}","crc_ok":{boolean(right)}}}')

    def is_zero(self, start, end):
        return not any(self.data[start:end])

    def lines(self):
        """The frames, then where and why they end."""
        at, torn, expected = BLOCK, False, self.after_lsn + 1
        while True:
            frame = self.frame(at)
            boundary = -(-at // BLOCK) * BLOCK
            if frame is not None:
                payload = self.data[at + HEAD:at + HEAD + frame[0]]
                right = len(payload) == frame[0] and zlib.crc32(payload) == frame[1]
                yield self.frame_line(at, frame, right)
                if not right:
                    torn = True
                    break
                if frame[2] in ENDS_RECORD:
                    expected = max(expected, frame[4] + 1)
                at += HEAD + -(-frame[0] // 8) * 8
            elif at != boundary and at <= len(self.data) and self.is_zero(at, boundary):
                at = boundary
            else:
                break
        yield self.end_line(at, torn, expected)

    def named(self, at):
        """The record that the bytes at an offset are of, if they are a frame with a wrong checksum."""
        head = self.data[at:at + HEAD]
        if len(head) < HEAD:
            return 0
        _, _, _, kind, _, _, lsn, durable = struct.unpack("<IIIBBHQQ", head)
        return max(lsn, 0 if kind == NOOP else durable + 1)

    def end_line(self, at, torn, expected):
        next_block = (at // BLOCK + 1) * BLOCK
        behind, durable = 0, 0
        for block in range(next_block, len(self.data), BLOCK):
            frame = self.frame(block)
            if frame is not None:
                behind += 1
                durable = max(durable, frame[5])
        own = not self.recycled or at % BLOCK != 0 or self.named(at) >= expected
        written = not self.is_zero(at, next_block)
        if torn:
            reason = "torn_payload"
        elif behind > 0 or (written and own):
            reason = "torn_header"
        else:
            reason = "clean"
        return f'{{"end":{at},"reason":"{reason}","groups_behind":{behind},"durable_lsn_behind":{durable}}}'


SLOTS_MAGIC = b"TWSLOT\r\n"
SLOT = struct.Struct("<QQH")
SLOT_NAME = re.compile(rb"[a-z0-9_-]{1,63}")


def slots(data):
    """The slots in a file, None if it is damaged."""
    if len(data) < 20 or data[:8] != SLOTS_MAGIC or zlib.crc32(data[:-4]) != struct.unpack("<I", data[-4:])[0]:
        return None
    version, count = struct.unpack_from("<II", data, 8)
    body, at, found = data[:-4], 16, []
    for _ in range(count):
        if version != 1 or at + SLOT.size > len(body):
            return None
        lsn, time, length = SLOT.unpack_from(body, at)
        at += SLOT.size
        name = body[at:at + length]
        at += length
        ascends = not found or found[-1][0] < name
        if len(name) != length or not SLOT_NAME.fullmatch(name) or lsn == U64_MAX or not ascends:
            return None
        found.append((name, lsn, time))
    return found if version == 1 and at == len(body) else None


def dump_rest(folder):
    """The slots and the reserve."""
    path = os.path.join(folder, "slots")
    if os.path.exists(path):
        with open(path, "rb") as file:
            data = file.read()
        found = slots(data)
        if found is None:
            print(f'{{"slots":"unreadable","bytes":{len(data)}}}')
        for name, lsn, time in found or []:
            print(f'{{"slot":"{name.decode()}","lsn":{lsn},"advanced_unix_ms":{time}}}')
    path = os.path.join(folder, "reserve")
    if os.path.exists(path):
        print(f'{{"reserve":{os.path.getsize(path)}}}')


def dump(folder):
    inside = os.path.join(folder, "log")
    folder = inside if os.path.isdir(inside) else folder
    names = [name for name in os.listdir(folder) if NAME.fullmatch(name)]
    for name in sorted(names, key=lambda name: (name.split("-")[1], name)):
        with open(os.path.join(folder, name), "rb") as file:
            segment = Segment(file.read())
        print(segment.header_line(name))
        if segment.fault is None:
            for line in segment.lines():
                print(line)
    dump_rest(folder)


for argument in sys.argv[1:]:
    dump(argument)
