"""Corruptions of bytes: pages, headers, cells, and the length of the file."""

import os
import random
import struct
from pathlib import Path

from corruptions.registry import PAGE_BYTES, corruption, corruption_of_bytes, root, sql


@corruption_of_bytes
def random_bytes(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice([1, 4, 64, 4096])):
        data[chance.randrange(len(data))] = chance.randrange(256)


@corruption_of_bytes
def random_header_bytes(data: bytearray, chance: random.Random) -> None:
    """The bytes that SQLite navigates by: where pages and their cells begin."""
    for _ in range(chance.choice([1, 3, 20])):
        page = chance.randrange(len(data) // PAGE_BYTES)
        at = chance.randrange(100) if page == 0 and chance.random() < 0.5 else chance.randrange(40)
        data[page * PAGE_BYTES + at] = chance.choice([0, 1, 5, 13, 0x7F, 0x80, 0xFF, chance.randrange(256)])


@corruption_of_bytes
def random_cell_bytes(data: bytearray, chance: random.Random) -> None:
    """The heads of rows: lengths, ids and kinds of columns."""
    for _ in range(chance.choice([1, 2, 6])):
        page = chance.randrange(1, len(data) // PAGE_BYTES) * PAGE_BYTES
        first = 12 if data[page] == 5 else 8
        (cells,) = struct.unpack_from(">H", data, page + 3)
        if cells == 0:
            continue
        (cell,) = struct.unpack_from(">H", data, page + first + 2 * chance.randrange(cells))
        data[min(len(data) - 1, page + cell + chance.randrange(24))] = chance.randrange(256)


@corruption
def swapped_pages(path: Path, chance: random.Random) -> None:
    data = path.read_bytes()
    pages = [data[at : at + PAGE_BYTES] for at in range(0, len(data), PAGE_BYTES)]
    for _ in range(chance.choice([1, 1, 3])):
        a, b = chance.randrange(len(pages)), chance.randrange(len(pages))
        if chance.random() < 0.5:
            pages[a], pages[b] = pages[b], pages[a]
        else:
            pages[a] = pages[b]
    path.write_bytes(b"".join(pages))


@corruption_of_bytes
def zeroed_page(data: bytearray, chance: random.Random) -> None:
    page = chance.randrange(len(data) // PAGE_BYTES) * PAGE_BYTES
    data[page : page + PAGE_BYTES] = bytes(PAGE_BYTES) if chance.random() < 0.5 else chance.randbytes(PAGE_BYTES)


@corruption
def truncated(path: Path, chance: random.Random) -> None:
    length = path.stat().st_size
    os.truncate(path, chance.choice([0, 1, 99, 511, 512, PAGE_BYTES - 1, PAGE_BYTES, length - PAGE_BYTES, length - 1, chance.randrange(length)]))


@corruption
def lengthened(path: Path, chance: random.Random) -> None:
    with path.open("ab") as file:
        file.write(chance.randbytes(chance.choice([1, 512, PAGE_BYTES, 3 * PAGE_BYTES + 7])))


@corruption
def nothing_but_noise(path: Path, chance: random.Random) -> None:
    head = b"SQLite format 3\0" if chance.random() < 0.5 else b""
    path.write_bytes(head + chance.randbytes(chance.choice([10, 600, 2 * PAGE_BYTES])))


@corruption_of_bytes
def other_header(data: bytearray, chance: random.Random) -> None:
    """The header: page sizes, format numbers, reserved bytes, encodings, modes, sizes."""
    at, value = chance.choice([
        (16, b"\x02\x00"), (16, b"\x10\x00"), (16, b"\x00\x00"), (18, b"\x02\x02"), (18, b"\x01\x02"), (18, b"\x09\x09"),
        (20, b"\x20"), (20, b"\xff"), (28, b"\xff\xff\xff\xff"), (28, b"\0\0\0\1"), (32, b"\0\0\0\2"), (36, b"\xff\xff\xff\xff"),
        (40, b"\0\0\0\0"), (44, b"\0\0\0\x09"), (52, b"\0\0\0\3"), (56, b"\0\0\0\2"), (56, b"\0\0\0\x77"), (60, b"\0\0\0\2"),
        (60, b"\xff\xff\xff\xff"), (68, b"\0\0\0\0"), (92, b"\xff\xff\xff\xff"),
    ])  # fmt: skip
    data[at : at + len(value)] = value


@corruption
def rows_that_share_their_bytes(path: Path, _: random.Random) -> None:
    """Forty rows of 40 MB that share their overflow pages: a file of 40 MB reads as 1.6 GB."""
    size = 40 << 20
    sql(path, "DELETE FROM chunks", ("INSERT INTO chunks VALUES (0, 4, 0, zeroblob(16), ?, NULL, NULL)", (bytes(size),)))
    data = bytearray(path.read_bytes())
    page = (root(path, "chunks") - 1) * PAGE_BYTES
    (cell,) = struct.unpack_from(">H", data, page + 8)
    # Payload length and key are varints of four bytes and one; the rest is the same in each row.
    end = page + PAGE_BYTES
    head, tail = bytes(data[page + cell : page + cell + 4]), bytes(data[page + cell + 5 : end])
    leaves = []
    for leaf in range(6):
        content, cells, at = bytearray(PAGE_BYTES), [], PAGE_BYTES
        for row in range(7):
            body = head + varint((leaf * 7 + row) * 4) + tail
            at -= len(body)
            content[at : at + len(body)] = body
            cells.append(at)
        content[0:8] = struct.pack(">BHHHB", 13, 0, len(cells), at, 0)
        content[8 : 8 + 2 * len(cells)] = struct.pack(f">{len(cells)}H", *cells)
        leaves.append(bytes(content))
    first = len(data) // PAGE_BYTES + 1
    inner, at = bytearray(PAGE_BYTES), PAGE_BYTES
    pointers = []
    for leaf in range(5):
        body = struct.pack(">I", first + leaf) + varint((leaf * 7 + 6) * 4)
        at -= len(body)
        inner[at : at + len(body)] = body
        pointers.append(at)
    inner[0:12] = struct.pack(">BHHHBI", 5, 0, 5, at, 0, first + 5)
    inner[12 : 12 + 10] = struct.pack(">5H", *pointers)
    data[page:end] = inner
    data += b"".join(leaves)
    struct.pack_into(">I", data, 28, len(data) // PAGE_BYTES)
    path.write_bytes(data)


def varint(value: int) -> bytes:
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(value & 0x7F | 0x80)
    return bytes(reversed(digits))
