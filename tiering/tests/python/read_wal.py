#!/usr/bin/env python3
"""Reads a WAL object of Weir with the standard library alone, from docs/formats/{envelope,wal}.md.

    read_wal.py FILE    prints the slot, its runs and their records; exit 1 when anything is wrong

Record keys and values are printed in hex, `-` = null. Compressed footers need zstd, which the standard
library does not have: they are reported, with exit code 3. Small footers are never compressed.
"""
import struct
import sys

TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def check(condition, message):
    if not condition:
        raise ValueError(message)


def read_envelope(data):
    check(len(data) >= 128, "too short")
    header = struct.unpack("<4sBBBBII16sIQHQ16sIQ10sI", data[:96])
    magic, kind, major, _minor, header_len, incompatible = header[:6]
    check(magic == b"WEIR" and crc32c(data[:92]) == header[-1], "bad header")
    check((major, header_len, incompatible) == (1, 96, 0), "a later format")
    check(header[14] == len(data), "not %d bytes long" % header[14])
    position, length, footer_crc, kind_again, _, crc, magic = struct.unpack("<QQIB3sI4s", data[-32:])
    check(magic == b"RIEW" and crc32c(data[-32:-8]) == crc, "bad trailer")
    check(position + length + 32 == len(data) and kind_again == kind, "trailer does not fit")
    footer = data[position:position + length]
    check(crc32c(footer) == footer_crc, "bad footer")
    return kind, position, footer


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 0x80:
            return (value >> 1) ^ -(value & 1), at


def field(data, at):
    length, at = varint(data, at)
    return (None, at) if length < 0 else (data[at:at + length], at + length)


def records(batch):
    base_offset, attributes = struct.unpack(">q", batch[:8])[0], struct.unpack(">h", batch[21:23])[0]
    if attributes & 7:
        print("  compressed batch at offset %d" % base_offset)
        return
    at = 61
    for _ in range(struct.unpack(">i", batch[57:61])[0]):
        length, at = varint(batch, at)
        end = at + length
        _timestamp_delta, at = varint(batch, at + 1)
        offset_delta, at = varint(batch, at)
        key, at = field(batch, at)
        value, at = field(batch, at)
        show = lambda field: "-" if field is None else field.hex()
        print("  record %d key %s value %s" % (base_offset + offset_delta, show(key), show(value)))
        at = end
    check(at == len(batch), "records do not fill the batch")


def read_run(data, row):
    (topic, partition, _epoch, position, length, first, last, max_timestamp, _reservation, count,
     leader_epoch, _dictionary, crc, flags, encoding) = struct.unpack("<16siiQQqqqQIiIIHB", row[:91])
    check(encoding == 0, "run of encoding %d" % encoding)
    run = data[position:position + length]
    check(len(run) == length and crc32c(run) == crc, "bad run")
    print("run %s-%d offsets %d..=%d records %d max timestamp %d leader epoch %d flags %d" % (
        topic.hex(), partition, first, last, count, max_timestamp, leader_epoch, flags))
    at = 0
    while at < len(run):
        end = at + 12 + struct.unpack(">i", run[at + 8:at + 12])[0]
        batch = run[at:end]
        check(61 <= len(batch) == end - at and batch[16] == 2, "bad batch")
        check(crc32c(batch[21:]) == struct.unpack(">I", batch[17:21])[0], "bad batch checksum")
        records(batch)
        at = end


def main(path):
    with open(path, "rb") as file:
        data = file.read()
    kind, footer_position, footer = read_envelope(data)
    check(kind == 2, "not a WAL object but kind %d" % kind)
    (flags, row_len, row_count, committed, _cluster, broker, lane, _, epoch, slot, controls_position,
     controls_len, _raw_len, controls_crc, controls_count) = struct.unpack("<HHIQ16sIHHQQQQQII", footer[:88])
    print("slot %d of broker %d epoch %d lane %d, committed below %d, %d control records" % (
        slot, broker, epoch, lane, committed, controls_count))
    controls = data[controls_position:footer_position]
    check(len(controls) == controls_len and crc32c(controls) == controls_crc, "bad control records")
    if flags & 1:
        print("the rows are compressed: zstd is needed")
        return 3
    check(len(footer) == 96 + row_len * row_count, "rows do not fill the footer")
    for n in range(row_count):
        read_run(data, footer[96 + n * row_len:96 + (n + 1) * row_len])
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except (ValueError, struct.error, IndexError) as error:
        sys.exit("%s: %s" % (sys.argv[1], error))
