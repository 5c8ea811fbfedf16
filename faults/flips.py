"""Every single bit of a small finished corpus, flipped: each is seen, or changes nothing that is read.

Files as they are made have pages of 64 KiB, of which most is free. Of these all bits that mean something to SQLite are
flipped, and of the free ones a sample; of the same files with pages of 4 KiB, which hold the same, all bits.

A flip is *refused* if the file cannot be opened, *noticed* if some record, the summary or `verify` says that something is
wrong, and *harmless* if records, labels, content hash and summary are all those of the undamaged file. A record
that is another one, and a difference that `verify` calls intact, are failures.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import qorpus

ROOT = Path(__file__).resolve().parents[1]
TITLE = "Bits flipped"
COMMAND = Path(os.environ.get("QORPUS_BIN", ROOT / "target" / "release" / "qorpus")).resolve()

# As few records as still make every table and column: the file is as small as the format allows.
RECORDS = 70


def small(directory: Path) -> list[Path]:
    """A finished corpus that a recipe decides, and one that was appended to."""
    recipe = f"--gates h,s,t --qubits 1 --random {RECORDS} --length 0..6".split()
    generated, appended = directory / "generated.db", directory / "appended.db"
    subprocess.run([COMMAND, "generate", generated, *recipe, "--quiet"], check=True)
    with qorpus.Writer(appended, gates=["h", "s", "t"], qubits=1) as writer:
        for number in range(RECORDS):
            writer.append(["h", "t", "s"][: number % 4], note=f"record {number}", reward=number)
            if number == RECORDS // 2:
                writer.flush()
    return [generated, appended]


def reading(path: Path) -> tuple:
    """All that is read of a corpus: its summary, its recipe, and every record."""
    try:
        corpus = qorpus.open(path)
    except (qorpus.Error, OSError, ValueError):
        raise Refused from None
    summary = {key: value for key, value in corpus._summary().items() if key != "bytes"}
    every = slice(0, RECORDS)
    if len(corpus) != RECORDS:
        raise qorpus.Error(f"{len(corpus)} records")
    records = (corpus.circuits(every), corpus.labels(range(RECORDS)), corpus.unitaries(every).tobytes())
    return records, summary, str(corpus.recipe)


class Refused(Exception):
    """The file cannot be opened."""


def flip_all(task: tuple[Path, range]) -> tuple[Counter, list[str]]:
    """Flips each of these bits, alone."""
    origin, bits = task
    counts, failures = Counter(), []
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as name:
        path = Path(name) / "c.db"
        shutil.copyfile(origin, path)
        truth = reading(path)
        file = os.open(path, os.O_RDWR)
        whole = os.pread(file, os.path.getsize(path), 0)
        for bit in bits:
            at, flipped = bit // 8, bytes([whole[bit // 8] ^ 1 << bit % 8])
            os.pwrite(file, flipped, at)
            kind = met(path, truth)
            counts[kind.split(":")[0]] += 1
            if kind.startswith("wrong"):
                failures.append(f"{origin.name}, bit {bit}: {kind}")
            # Looking at it has changed nothing, and left nothing behind.
            os.pwrite(file, whole[at : at + 1], at)
            left = os.listdir(name)
            if left != ["c.db"] or os.path.getsize(path) != len(whole) or (bit % 64 == 0 and os.pread(file, len(whole), 0) != whole):
                failures.append(f"{origin.name}, bit {bit}: reading changed the file or left {left}")
                for other in left:
                    os.remove(Path(name) / other)
                os.close(file)
                path.write_bytes(whole)
                file = os.open(path, os.O_RDWR)
        os.close(file)
    return counts, failures


def met(path: Path, truth: tuple) -> str:
    try:
        found = reading(path)
    except Refused:
        return "refused"
    except (qorpus.Error, OSError, ValueError):
        return "noticed"
    if found == truth:
        return "harmless"
    if found[0] != truth[0]:
        return "wrong: other records"
    # Records are right and the summary is not: that must not be called intact.
    verified = subprocess.run([COMMAND, "verify", path, "--quiet"], capture_output=True, text=True)
    return "noticed" if verified.returncode == 1 else f"wrong: {found[1:]} is called intact"


def flips(quick: bool, seed: int, every: int = 4) -> tuple[dict[str, int], list[str]]:
    """Runs the campaign: how many flips of each kind, and what must be mended."""
    counts, failures = Counter(), []
    with tempfile.TemporaryDirectory() as name:
        tasks = []
        for path in small(Path(name)):
            bits = 8 * path.stat().st_size
            step, piece = (4999 if quick else every), 20_000
            start = seed % step
            tasks += [(path, range(begin, min(bits, begin + piece * step), step)) for begin in range(start, bits, piece * step)]
            counts["bits of the files"] += bits
        with multiprocessing.get_context("fork").Pool(os.cpu_count()) as pool:
            for more, wrong in pool.imap_unordered(flip_all, tasks):
                counts += more
                failures += wrong
                for failure in wrong:
                    print(failure, file=sys.stderr, flush=True)
    counts["flips"] = sum(counts[kind] for kind in ("refused", "noticed", "harmless", "wrong"))
    return dict(counts), failures


def tasks(quick: bool, seed: int) -> list[tuple[bool, int]]:
    """One, which has workers of its own."""
    return [(quick, seed)]


def work(task: tuple[bool, int]) -> tuple[Counter, list[str]]:
    counts, failures = flips(*task)
    return Counter(counts), failures


def summed(counts: Counter) -> tuple[dict, list[str]]:
    return dict(counts), [] if counts["flips"] else ["control: nothing was tried"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="every 4999th bit")
    parser.add_argument("--seed", type=int, default=0, help="where a sample begins")
    parser.add_argument("--every", type=int, default=1, help="a sample of every N-th bit")
    options = parser.parse_args()
    counts, failures = flips(options.quick, options.seed, options.every)
    print(json.dumps(counts))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
