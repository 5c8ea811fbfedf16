"""WebDataset: tar files, read in sequence."""

import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import webdataset as wds

from stores.records import BATCH, Batch
from stores.store import Reader, Store, blocks_of_a_share, shuffled

#: Records of a sample: a tar spends at least a kilobyte on each of its files.
BLOCK = 1024
#: Samples of a tar file, and of the shuffle buffer.
SAMPLES = 64


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def samples(paths: list[str]) -> Any:
    """Return the two arrays of each sample."""
    data = wds.WebDataset(paths, shardshuffle=False, nodesplitter=None, workersplitter=None, empty_check=False)
    return data.decode().to_tuple("letters.npy", "unitaries.npy")


class TarReader(Reader):
    def __init__(self, paths: list[Path], records: int) -> None:
        super().__init__(records)
        self.paths = list(map(str, paths))

    def scan(self) -> Iterator[Batch]:
        assert BLOCK == BATCH
        return iter(samples(self.paths))

    def epoch(self, seed: int, part: int = 0, parts: int = 1) -> Iterator[Batch]:
        """Yield tar files in a random order, with the records of all samples of each shuffled."""
        for number in blocks_of_a_share(len(self.paths), seed, part, parts):
            letters, unitaries = zip(*samples([self.paths[number]]))
            yield from shuffled(np.concatenate(letters), np.concatenate(unitaries), seed + number)


class WebDataset(Store):
    name = "WebDataset"
    settings = (
        "a sample holds 1024 records as two .npy, a tar file 64 samples; epochs and loaders shuffle tar files, and the "
        "65,536 records of one in a buffer; two processes write tar files each"
    )
    packages = ("webdataset",)
    by_blocks = True
    missing = {name: "a tar file has no index" for name in ("random single", "random 1024", "random 16384")}

    def write_part(self, part: int, parts: int) -> None:
        records = len(self.data)
        for number in range(part, -(-records // (BLOCK * SAMPLES)), parts):
            with wds.TarWriter(str(self.directory / f"{number:06}.tar")) as tar:
                stop = min((number + 1) * BLOCK * SAMPLES, records)
                for at in range(number * BLOCK * SAMPLES, stop, BLOCK):
                    letters, unitaries = self.data.batch(slice(at, min(at + BLOCK, stop)))
                    sample = {"letters.npy": npy(letters), "unitaries.npy": npy(unitaries)}
                    tar.write({"__key__": f"{at:09}", **sample})
        self.sync()

    def reader(self) -> Callable[[], Reader]:
        return partial(TarReader, sorted(self.directory.glob("*.tar")), len(self.data))
