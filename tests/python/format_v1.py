"""File format versions 1 and 2 by the book: an implementation of its own that shares nothing with the Rust
one.

It draws random circuits, counts words, multiplies unitaries to the bit, takes chunks apart byte by
byte and computes every check and hash, with Python's sqlite3, hashlib and the xxhash package. It
believes nothing: any byte that is not as specified is an assertion error.
"""

import hashlib
import itertools
import json
import math
import re
import sqlite3
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xxhash

APPLICATION_ID = int.from_bytes(b"Qrps", "big")
PAGE_SIZE = 65536
BLOCK = 64
UNITARY_BLOCK_BYTES = 1024
U32, U64 = (1 << 32) - 1, (1 << 64) - 1


# Random circuits.


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x32-10 (Salmon et al., SC'11)."""
    (a, b, c, d), (k, l) = counter, key
    for _ in range(10):
        ab, cd = a * 0xD2511F53, c * 0xCD9E8D57
        a, b, c, d = (cd >> 32) ^ b ^ k, cd & U32, (ab >> 32) ^ d ^ l, ab & U32
        k, l = (k + 0x9E3779B9) & U32, (l + 0xBB67AE85) & U32
    return [a, b, c, d]


def words_of_record(seed: int, record: int, sequence: int = 0):
    """One of the record's endless sequences of 64-bit words."""
    for block in itertools.count():
        a, b, c, d = philox([record & U32, record >> 32, block, sequence], [seed & U32, seed >> 32])
        yield a | b << 32
        yield c | d << 32


def draws_in_a_word(product: int, letters: int) -> tuple[int, int]:
    """Return how many letters are drawn from one word that already serves a range of `product`, and
    the new product."""
    count = 0
    while product * letters <= 1 << 48 and count < 64:
        product, count = product * letters, count + 1
    return count, product


def random_circuit(seed: int, record: int, letters: int, shortest: int, longest: int) -> list[int]:
    """A length uniform in the range, then letters uniform in the alphabet."""
    words = words_of_record(seed, record)

    def unbiased(product: int) -> int:
        return next(word for word in words if word * product % 2**64 >= 2**64 % product)

    lengths = longest - shortest + 1
    count, product = draws_in_a_word(lengths, letters)
    fraction = unbiased(product) * lengths
    length, fraction = shortest + (fraction >> 64), fraction & U64
    circuit = []
    while True:
        for _ in range(min(count, length - len(circuit))):
            fraction *= letters
            circuit.append(fraction >> 64)
            fraction &= U64
        if len(circuit) == length:
            return circuit
        count, product = draws_in_a_word(1, letters)
        fraction = unbiased(product)


def free_angles(letter: str) -> int:
    """How many angles of its own a letter has."""
    return letter.count("?")


def random_angles(seed: int, record: int, letters: list[str]) -> list[float]:
    """The free angles of a random circuit, which has these letters."""
    words, angles = words_of_record(seed, record, sequence=1), []
    for letter in letters:
        for place in range(free_angles(letter)):
            x = ((next(words) >> 11) + 1) / 2**52 - 1
            angles.append(math.acos(x) if letter.startswith("u3") and place == 0 else x * math.pi)
    return angles


# Words.


def word(index: int, letters: int, shortest: int) -> list[int]:
    """Shorter words first, then alphabet order with the first letter most significant."""
    length = shortest
    while index >= letters**length:
        index -= letters**length
        length += 1
    return [index // letters ** (length - 1 - place) % letters for place in range(length)]


# Letters.

# Gates that mean the same when these of their qubits are exchanged.
SYMMETRIC = {
    "cz": [(1, 0)],
    "cp": [(1, 0)],
    "swap": [(1, 0)],
    "iswap": [(1, 0)],
    "ccx": [(1, 0, 2)],
    "cswap": [(0, 2, 1)],
}
WIDE = {"cx": 2, "cy": 2, "ch": 2, "crx": 2, "cry": 2, "crz": 2, "csx": 2}
WIDE |= {name: len(orders[0]) for name, orders in SYMMETRIC.items()}


def pairs_of(coupling: str, qubits: int) -> set[frozenset[int]]:
    named = {
        "all": list(itertools.combinations(range(qubits), 2)),
        "line": [(a, a + 1) for a in range(qubits - 1)],
        "ring": [(a, (a + 1) % qubits) for a in range(qubits)],
    }
    if coupling in named:
        return {frozenset(pair) for pair in named[coupling]}
    return {frozenset(map(int, pair.split("-"))) for pair in coupling.split(",")}


def alphabet(gates: list[str], qubits: int, coupling: str) -> list[str]:
    """The letters in their order: by gate, then by qubits; of placements with one meaning the
    smallest."""
    pairs, letters = pairs_of(coupling, qubits), []
    for gate in gates:
        name = gate.split("(")[0]
        width = WIDE.get(name, 1)
        for places in itertools.permutations(range(qubits), width):
            joined = sum(frozenset(pair) in pairs for pair in itertools.combinations(places, 2))
            twins = [tuple(places[k] for k in order) for order in SYMMETRIC.get(name, [])]
            if joined >= width - 1 and all(places < twin for twin in twins):
                letters.append(f"{gate} {' '.join(map(str, places))}")
    return letters


def listed(recipe: dict) -> list[str]:
    """The letters of a recipe of version 2 that lists them, each as it must be written."""
    gates = []
    for letter in recipe["letters"]:
        gate, *places = letter.split(" ")
        places = [int(place) for place in places]
        name = gate.split("(")[0]
        assert len(set(places)) == len(places) == WIDE.get(name, 1) and max(places) < recipe["qubits"]
        assert all(places < [places[k] for k in order] for order in SYMMETRIC.get(name, []))
        assert letter == " ".join([gate, *map(str, places)])
        gates += [gate] if gate not in gates else []
    assert gates == recipe["gates"] and len(set(recipe["letters"])) == len(recipe["letters"])
    wide = [letter.split()[1:] for letter in recipe["letters"] if len(letter.split()) == 3]
    couplings = ["all", "line", "ring", *([",".join("-".join(pair) for pair in wide)] if wide else [])]
    for coupling in couplings:
        assert recipe["letters"] != alphabet(gates, recipe["qubits"], coupling), "it has version 1"
    return recipe["letters"]


# Unitaries


def unitary(circuit: list[tuple[np.ndarray, list[int]]], qubits: int) -> np.ndarray:
    """The product to the bit: real and imaginary parts apart, so that nothing can be fused or
    reordered.

    row'[r] = M[r][0]*row[0] + M[r][1]*row[1] + ..., from left to right; at the end every zero
    becomes +0.
    """
    re, im = np.eye(1 << qubits), np.zeros((1 << qubits, 1 << qubits))
    for matrix, places in circuit:
        shifts = [qubits - 1 - place for place in places]
        new_re, new_im = np.empty_like(re), np.empty_like(im)
        for row in range(1 << qubits):
            index = 0
            for shift in shifts:
                index = index << 1 | (row >> shift & 1)
            for column in range(1 << len(places)):
                source = row
                for bit, shift in zip(reversed(range(len(places))), shifts):
                    source = source & ~(1 << shift) | (column >> bit & 1) << shift
                a, b = matrix[index, column].real, matrix[index, column].imag
                c, d = re[source], im[source]
                term_re, term_im = a * c - b * d, a * d + b * c
                if column == 0:
                    new_re[row], new_im[row] = term_re, term_im
                else:
                    new_re[row], new_im[row] = new_re[row] + term_re, new_im[row] + term_im
        re, im = new_re, new_im
    result = np.empty(re.shape, dtype=np.complex128)
    result.real, result.imag = re + 0.0, im + 0.0
    return result


# Chunks


def width(values: int) -> int:
    """Bits that tell `values` values apart."""
    return (values - 1).bit_length()


class Bits:
    """Numbers packed from the least significant bit of the first byte on."""

    def __init__(self, data: bytes):
        self.left, self.value = 8 * len(data), int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        assert count <= self.left, "the bits end too early"
        taken = self.value & ((1 << count) - 1)
        self.value, self.left = self.value >> count, self.left - count
        return taken


@dataclass
class Chunk:
    """A row of the table `chunks`."""

    first_id: int
    count: int
    checksum: int
    content: bytes
    circuits: bytes
    unitaries: bytes | None
    labels: bytes | None


@dataclass
class Decoded:
    """A whole corpus."""

    recipe: dict
    recipe_hash: str
    content_hash: str
    letters: list[str]
    ids: list[int]
    circuits: list[list[int]]
    unitaries: np.ndarray | None
    #: Of each circuit, if they are stored.
    angles: list[list[float]]

    def texts(self) -> list[list[str]]:
        return [[self.letters[letter] for letter in circuit] for circuit in self.circuits]


class Decoder:
    """Takes the chunks of one recipe apart and checks every byte of them."""

    def __init__(self, recipe_json: str, letters: list[str], check_seed: str | None = None):
        recipe = json.loads(recipe_json)
        self.shortest, self.longest = recipe["length"]
        self.letters = letters
        self.chunk_records = recipe["chunk_records"]
        self.dim = 2 ** recipe["qubits"]
        self.dtype = np.dtype({"complex128": "<c16", "complex64": "<c8"}[recipe["dtype"]])
        self.stored = recipe["unitaries"]
        self.unitary_bytes = self.dim * self.dim * self.dtype.itemsize
        self.in_block = max(1, UNITARY_BLOCK_BYTES // self.unitary_bytes)
        digest = hashlib.sha256(recipe_json.encode()).digest()[:8] if check_seed is None else bytes.fromhex(check_seed)
        self.seed = int.from_bytes(digest, "little")
        self.appended = recipe["space"] == "appended"
        self.stored_angles = self.appended and any(map(free_angles, letters))
        self.codes = [xxhash.xxh3_64_intdigest(letter.encode()) for letter in letters]
        haar = recipe["space"].get("haar") if isinstance(recipe["space"], dict) else None
        texts = [f"haar {recipe['qubits']} {haar['seed']}"] if haar else []
        self.drawn_codes = [xxhash.xxh3_64_intdigest(text.encode()) for text in texts]

    def split_circuits(self, chunk: Chunk) -> tuple[list[bytes], bytes]:
        """The blocks, each checked, and the list behind them."""
        number = -(-chunk.count // BLOCK)
        entries = chunk.circuits[-12 * number :]
        blocks, begin = [], 0
        for index in range(number):
            end, check = struct.unpack_from("<IQ", entries, 12 * index)
            blocks.append(chunk.circuits[begin:end])
            first = chunk.first_id + index * BLOCK
            assert xxhash.xxh3_64_intdigest(blocks[-1], self.seed ^ first) == check, "circuits check"
            begin = end
        assert begin == len(chunk.circuits) - len(entries), "the list of blocks ends where the list begins"
        return blocks, entries

    def circuits(self, blocks: list[bytes], count: int) -> tuple[list[list[int]], list[list[float]]]:
        """The circuits, and their angles if they are stored."""
        length_bits, letter_bits = width(self.longest - self.shortest + 1), width(len(self.letters))
        circuits, angles = [], []
        for block in blocks:
            bits, records = Bits(block), min(BLOCK, count - len(circuits))
            lengths = [self.shortest + bits.take(length_bits) for _ in range(records)]
            assert all(length <= self.longest for length in lengths)
            own = [[bits.take(letter_bits) for _ in range(length)] for length in lengths]
            assert all(letter < len(self.letters) for circuit in own for letter in circuit)
            circuits += own
            if self.stored_angles:
                bits.take(bits.left % 8)
                for circuit in own:
                    needed = sum(free_angles(self.letters[letter]) for letter in circuit)
                    angles.append([struct.unpack("<d", bits.take(64).to_bytes(8, "little"))[0] for _ in range(needed)])
                    assert all(map(math.isfinite, angles[-1]))
            assert bits.left < 8 and bits.value == 0, "padding is less than a byte, of zeros"
        return circuits, angles

    def split_unitaries(self, chunk: Chunk) -> tuple[bytes, bytes]:
        """The plain array, each block checked, and the list behind it."""
        if not self.stored:
            assert chunk.unitaries is None
            return b"", b""
        size, step = chunk.count * self.unitary_bytes, self.in_block * self.unitary_bytes
        plain, checks = chunk.unitaries[:size], chunk.unitaries[size:]
        starts = range(0, size, step)
        assert len(checks) == 8 * len(starts)
        for index, start in enumerate(starts):
            seed = self.seed ^ ~(chunk.first_id + index * self.in_block) & U64
            check = xxhash.xxh3_64_intdigest(plain[start : start + step], seed)
            assert struct.unpack_from("<Q", checks, 8 * index) == (check,), "unitaries check"
        return plain, checks

    def decode(self, chunk: Chunk) -> tuple[list[list[int]], list[list[float]], bytes, int]:
        """The circuits, their angles if they are stored, the unitaries' bytes and the sum of the records'
        hashes."""
        assert chunk.labels is None and 0 < chunk.count <= self.chunk_records
        assert self.appended or chunk.first_id % self.chunk_records == 0
        blocks, entries = self.split_circuits(chunk)
        plain, checks = self.split_unitaries(chunk)
        sealed = struct.pack("<QQ", chunk.first_id, chunk.count) + chunk.content + entries + checks
        assert xxhash.xxh3_64_intdigest(sealed, self.seed) == chunk.checksum & U64, "row checksum"
        circuits, angles = self.circuits(blocks, chunk.count)
        content, size = 0, self.unitary_bytes if self.stored else 0
        for position, circuit in enumerate(circuits):
            codes = [self.codes[letter] for letter in circuit] + self.drawn_codes
            record = struct.pack(f"<{len(codes) + 1}Q", chunk.first_id + position, *codes)
            if self.stored_angles:
                record += struct.pack(f"<{len(angles[position])}d", *angles[position])
            content += xxhash.xxh3_128_intdigest(record + plain[position * size :][:size])
        assert (content % 2**128).to_bytes(16, "little") == chunk.content, "content hash of the chunk"
        return circuits, angles, plain, content


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)


def chunks_of(connection: sqlite3.Connection) -> list[Chunk]:
    columns = "first_id, count, checksum, content, circuits, unitaries, labels"
    return [Chunk(*row) for row in connection.execute(f"SELECT {columns} FROM chunks ORDER BY first_id")]


def decode(path: Path) -> Decoded:
    """Reads a complete corpus and checks everything that the format promises about it."""
    connection = connect(path)

    def pragma(name: str) -> int:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]

    assert (pragma("application_id"), pragma("page_size")) == (APPLICATION_ID, PAGE_SIZE)
    meta = dict(connection.execute("SELECT key, value FROM meta"))
    check_seed = meta.get("check_seed")
    assert check_seed is None or re.fullmatch("[0-9a-f]{16}", check_seed)
    recipe, letters = json.loads(meta["recipe"]), json.loads(meta["letters"])
    assert pragma("user_version") == (recipe["format_version"] if check_seed is None else 2)
    assert meta["recipe_hash"] == hashlib.sha256(meta["recipe"].encode()).hexdigest()
    decoder, expected_id, total = Decoder(meta["recipe"], letters, check_seed), 0, 0
    circuits, angles, plain = [], [], b""
    for chunk in chunks_of(connection):
        assert chunk.first_id == expected_id, "no gap and no overlap"
        expected_id += chunk.count
        chunk_circuits, chunk_angles, chunk_plain, content = decoder.decode(chunk)
        circuits, angles = circuits + chunk_circuits, angles + chunk_angles
        plain, total = plain + chunk_plain, total + content
    total %= 2**128
    totals = connection.execute("SELECT one, records, content FROM totals").fetchall()
    assert totals == [(1, expected_id, total.to_bytes(16, "little"))]
    assert connection.execute("SELECT * FROM work").fetchall() == [], "nothing is left to be made"
    connection.close()
    shape = (expected_id, decoder.dim, decoder.dim)
    return Decoded(
        recipe=recipe,
        recipe_hash=meta["recipe_hash"],
        content_hash=f"{total:032x}",
        letters=letters,
        ids=list(range(expected_id)),
        circuits=circuits,
        unitaries=np.frombuffer(plain, decoder.dtype).reshape(shape) if decoder.stored else None,
        angles=angles,
    )
