"""Corpora as datasets: splits, and streams for training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np
from numpy.typing import NDArray

from qorpus import _html, _qorpus
from qorpus._arguments import integer, kind, short
from qorpus._sides import IdSide, UnitarySide, UnitarySides
from qorpus._subset import Subset
from qorpus.errors import InvalidArgument, MissingLibrary, WrongType
from qorpus.stream import Stream, StreamOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack

    import qorpus.torch
    from qorpus._qorpus import Ids, Path, Records


class Readable:
    """Records that can be split and streamed for training."""

    def stream(self, batch_size: int, **options: Unpack[StreamOptions]) -> Stream:
        """Stream batches of NumPy arrays in an order that takes no memory.

        Args:
            batch_size: records of a batch.
            **options: the options of `Stream`: shuffle, window, seed, epoch, rank, world_size,
                drop_last, columns, real_imag, dtype and augment.

        Returns:
            A `Stream`. Iterating over it yields a `Batch` at a time.

        Raises:
            qorpus.InvalidArgument: an option is invalid.
            qorpus.WrongType: an option has the wrong type.

        Examples:
            >>> recipe = qorpus.Recipe(gates="h,t,cx", qubits=2, random=1000)
            >>> for batch in recipe.stream(256, seed=1):
            ...     print(batch.unitaries.shape)
            (256, 4, 4)
            (256, 4, 4)
            (256, 4, 4)
            (232, 4, 4)
        """
        return Stream(cast("Records", self), batch_size, **options)

    @overload
    def torch(
        self, batch_size: None = None, *, longest: int | None = None, real_imag: bool = False, labels: bool = False
    ) -> qorpus.torch.Dataset: ...

    @overload
    def torch(self, batch_size: int, **options: Unpack[qorpus.torch.LoadingOptions]) -> qorpus.torch.Stream: ...

    def torch(self, batch_size: int | None = None, **options: Any) -> qorpus.torch.Dataset | qorpus.torch.Stream:
        """Make a dataset or a stream for PyTorch.

        Without a batch size this returns a `qorpus.torch.Dataset`, which a DataLoader takes and may
        shuffle. With one it returns a `qorpus.torch.Stream`, which shuffles without memory, is
        sharded over ranks and workers, and resumes exactly.

        Args:
            batch_size: records of a batch, or None for single records.
            **options: the options of `qorpus.torch.Dataset` or `qorpus.torch.Stream`.

        Returns:
            The dataset or the stream.

        Raises:
            qorpus.MissingLibrary: PyTorch is not installed.
            qorpus.InvalidArgument: an option is invalid.
            qorpus.WrongType: an option has the wrong type.

        Examples:
            >>> recipe = qorpus.Recipe(gates="h,t,cx", qubits=2, random=1000)
            >>> batch = next(iter(recipe.torch(batch_size=64, seed=0)))
            >>> batch["unitary"].shape, batch["circuit"].shape
            (torch.Size([64, 4, 4]), torch.Size([64, 15]))
            >>> import torch
            >>> loader = torch.utils.data.DataLoader(recipe.torch(), batch_size=64, shuffle=True)
            >>> len(loader)
            16
        """
        try:
            from qorpus import torch
        except ImportError as error:
            raise MissingLibrary("torch() needs PyTorch; pip install torch") from error
        records = cast("Records", self)
        if batch_size is None:
            if others := options.keys() - {"longest", "real_imag", "labels"}:
                raise WrongType(
                    f"torch() accepts {', '.join(sorted(others))} only with a batch_size; pass one to get a stream, or pass "
                    "such options to the DataLoader that takes the dataset"
                )
            return torch.Dataset(records, **options)
        return torch.Stream(records, batch_size, **options)

    def pairs(self, ids: Ids) -> tuple[NDArray[np.int32], NDArray[Any]]:
        """Read the circuits and unitaries of some records together.

        Where unitaries are computed on reading, this takes half as long as two calls.

        Args:
            ids: a slice; integers in one dimension, in any order and with repetitions, where
                negative ones count from the end; or a bool array with an entry for each record.

        Returns:
            The arrays that `letters_array` and `unitaries` return.

        Raises:
            qorpus.InvalidArgument: the records are Haar-random unitaries, which have no circuits; or
                there are more than 8 qubits, on which they have no unitaries.
            qorpus.MissingRecord: a record does not exist.

        Examples:
            >>> letters, unitaries = qorpus.Recipe(qubits=2, random=1000).pairs(slice(0, 64))
            >>> letters.shape, unitaries.shape
            ((64, 15), (64, 4, 4))
        """
        records = cast("Records", self)
        if not records.has_circuits:
            raise InvalidArgument("the records are Haar-random unitaries and have no circuits; read them with unitaries()")
        if not records.has_unitaries:
            raise InvalidArgument(
                f"the records are on {records.qubits} qubits and have no unitaries; read their circuits with letters_array()"
            )
        unitaries, letters, _ = records._rows(ids)
        assert unitaries is not None
        return letters, unitaries

    def channels(self, ids: Ids) -> NDArray[np.float64]:
        """Compute the Pauli transfer matrices of some records, in which no global phase is left.

        The entry (i, j) of the matrix of U is Tr(P_i U P_j U†) / 2**n. P_i are the products of the
        Pauli operators in lexicographic order of their letters I, X, Y, Z. Qubit 0 has the most
        significant letter, or the least significant one in a corpus opened with `order="little"`,
        as in Qiskit.

        Args:
            ids: a slice; integers in one dimension, in any order and with repetitions, where
                negative ones count from the end; or a bool array with an entry for each record.

        Returns:
            A float64 array of shape (k, 4**n, 4**n) for n qubits.

        Raises:
            qorpus.InvalidArgument: there are more than 5 qubits; one matrix would take over 100 MiB.
            qorpus.MissingRecord: a record does not exist.
            qorpus.TooManyRecords: the array does not fit in memory.

        Examples:
            >>> words = qorpus.Recipe(gates="h,t", qubits=1, words=True, length=(1, 1))
            >>> words.channels([0])[0].round().astype(int)
            array([[ 1,  0,  0,  0],
                   [ 0,  0,  0,  1],
                   [ 0,  0, -1,  0],
                   [ 0,  1,  0,  0]])
        """
        records = cast("Records", self)
        dim = 1 << records.qubits
        # Refuse too many qubits before reading.
        _qorpus.channels(np.empty((0, dim, dim), np.complex128))
        return _qorpus.channels(records.unitaries(ids))

    def split(
        self, *, by: str = "id", seed: int = 0, progress: bool | Callable[[int, int], object] = True, **fractions: float
    ) -> dict[str, Split]:
        """Divide the records into named splits.

        By id, the split of a record depends only on its id, the fractions and the seed: it does not
        change when a corpus grows. Every 1000 consecutive records are divided exactly.

        Random circuits, words and appended records may repeat a unitary. Splits by id then share
        unitaries, and a network is tested on answers that it has seen. `by="unitary"` keeps records
        whose unitaries are equal up to a global phase together. A corpus of `qorpus.distinct` has
        each unitary once and does not need this.

        By unitary, the split of a record depends only on its unitary, the fractions and the seed.
        Fractions are fractions of the unitaries, and hold for the records on average. The first
        read of a split reads all records once, on all cores: about a million two-qubit records a
        second on two cores. The result takes one bit a record and split, in a temporary file; a
        pickled split computes it again. Unitaries over Z[i, 1/sqrt(2)] are compared exactly if no
        circuit has more than 28 letters. Others are compared in floating point: two unitaries whose
        difference has a Frobenius norm of at most 1e-11 are never in two splits, and the few
        records (about 1 in 20,000) this close to a border between splits are in none.

        Args:
            by: "id" or "unitary".
            seed: the seed of the split.
            progress: by unitary, True shows a progress bar on a terminal or in a notebook, and a
                line every 30 seconds elsewhere. A function is called instead, with the number of records read and
                of all.
            **fractions: for each name its fraction of the records, a multiple of 0.001; together at
                most 1.

        Returns:
            A dict from names to splits.

        Raises:
            qorpus.InvalidArgument: a fraction is not a multiple of 0.001, or their sum exceeds 1;
                or, by unitary, unitaries are complex64, and Haar-random or of gates with free angles
                or without a matrix, which is too imprecise; or records have no unitaries.
            qorpus.WrongType: a fraction is not a number, or the seed is not an integer.

        Examples:
            >>> recipe = qorpus.Recipe(gates="h,t,cx", qubits=2, random=10_000)
            >>> splits = recipe.split(train=0.8, validation=0.1, test=0.1)
            >>> {name: len(split) for name, split in splits.items()}
            {'train': 8000, 'validation': 1000, 'test': 1000}
            >>> splits = recipe.split(by="unitary", train=0.8, test=0.2)
            >>> 0 < len(splits["test"]) < 10_000
            True
        """
        seed = integer(seed, "seed")
        ranges: dict[str, tuple[int, int]] = {}
        start = 0
        for name, fraction in fractions.items():
            size = _thousandths(name, fraction)
            ranges[name] = (start, start := start + size)
        if start > 1000:
            raise InvalidArgument(f"the fractions of the splits sum to {start / 1000}; together they may be at most 1")
        if not isinstance(by, str):
            raise WrongType(f"by must be 'id' or 'unitary', not {kind(by)}")
        if by not in ("id", "unitary"):
            raise InvalidArgument(f"by is {by!r}; it must be 'id' or 'unitary'")
        records = cast("Records", self)
        if by == "id":
            return {name: Split(records, name, *shares, seed) for name, shares in ranges.items()}
        sides = _sides(records, list(ranges.values()), seed, progress)
        return {
            name: Split(records, name, *shares, seed, UnitarySide(sides, number))
            for number, (name, shares) in enumerate(ranges.items())
        }


    def to_hf(
        self,
        path: Path,
        splits: Mapping[str, Records] | None = None,
        *,
        shard: int | None = None,
        progress: bool | Callable[[int, int], object] = True,
    ) -> None:
        """Write a dataset for Hugging Face: Parquet files and a card that describes them.

        `datasets.load_dataset(path)` reads the directory, and `huggingface_hub` uploads it. The
        directory appears when it is complete. A process that is killed leaves a hidden directory
        beside it, which you may delete. Needs pyarrow.

        The columns are `id`, `circuit` (a text), `letters` (numbers with names), `length`,
        `count_GATE` for each gate, the labels that were appended with the records, and `unitary`,
        an array of shape (d, d, 2) with real and imaginary parts, in the corpus's order of qubits.
        Labels that are numbers are float64, or int64 in an enumeration. Haar-random unitaries have
        null as `circuit` and `length`, and no `letters`; records on more than 8 qubits have no
        `unitary`. The card states no license:
        add yours to its metadata.

        Args:
            path: the directory; it must not exist, or be empty.
            splits: a dict from names to splits of this corpus, as `split` returns. By default one
                split "train" with all records.
            shard: the most records of a file; by default as many as take 512 MiB uncompressed.
            progress: True shows the progress on a terminal or in a notebook, and a line every 30
                seconds elsewhere. A function is called instead, with the number of records written
                and of all.

        Raises:
            qorpus.MissingLibrary: pyarrow is not installed.
            qorpus.InvalidArgument: a split belongs to another corpus or is empty; or an integer
                label has no exact float64.
            qorpus.MissingRecord: the corpus is not complete; `corpus.present()` is.
            qorpus.Error: the directory contains files or cannot be written.

        Examples:
            >>> recipe = qorpus.Recipe(gates="h,t,cx", qubits=2, random=1000)
            >>> recipe.to_hf("circuits", recipe.split(train=0.9, test=0.1))
            >>> import pathlib
            >>> for file in sorted(pathlib.Path("circuits").rglob("*.*")):
            ...     print(file)
            circuits/README.md
            circuits/data/test-00000-of-00001.parquet
            circuits/data/train-00000-of-00001.parquet
        """
        from qorpus import _hugging_face

        _hugging_face.write(cast("Records", self), path, splits, shard, progress)


class Split(Subset, Readable):
    """A split of a corpus or recipe, with its reading interface. `split` makes it.

    Places are counted from 0; `ids` and `Record.id` have the ids in the corpus. A split by id may
    share unitaries with other splits; one made with `by="unitary"` does not.

    Examples:
        >>> recipe = qorpus.Recipe(gates="h,t,cx", qubits=2, random=1000)
        >>> test = recipe.split(train=0.9, test=0.1)["test"]
        >>> len(test), test.ids([7]).tolist() == [test[7].id]
        (100, True)
        >>> test.unitaries(slice(0, 10)).shape
        (10, 4, 4)
    """

    _noun = "split"

    def __init__(
        self, records: Records | Subset, name: str, start: int, stop: int, seed: int, side: UnitarySide | None = None
    ) -> None:
        whole, among = records._whole() if isinstance(records, Subset) else (records, None)
        share = _qorpus.Split(start, stop, seed)
        self._split = side or (share if among is None else IdSide(share, among))
        super().__init__(whole, self._split)
        self._state = (records, name, start, stop, seed)
        self._present = records._present if isinstance(records, Subset) else None
        self._by = "id" if side is None else "unitary"

    def __reduce__(self) -> tuple[Any, ...]:
        return _split_again, (*self._state, self._by)

    def __len__(self) -> int:
        return self._split.count(len(self._state[0]))

    def __repr__(self) -> str:
        by = "" if self._by == "id" else ", by unitary"
        return f"Split({self._state[1]!r}: {len(self):,} of the records of {self._state[0]!r}{by})"

    def _repr_html_(self) -> str:
        facts = [("records", f"{len(self):,} of {len(self._state[0]):,}"), ("split by", self._by), ("of", repr(self._state[0]))]
        return _html.card(self, f"Split {self._state[1]!r}", facts)


def _thousandths(name: str, fraction: float) -> int:
    """Return the fraction of a split as a number of thousandths."""
    if not isinstance(fraction, Real):
        raise WrongType(f"split {name!r}: a fraction must be a number such as 0.125, not {kind(fraction)}")
    # NumPy's 8-bit integers cannot hold a thousand.
    share = (int(fraction) if isinstance(fraction, Integral) else fraction) * 1000
    if not 0 <= share <= 1e6 or abs(round(share) - share) > 1e-6:
        found = short(fraction) if isinstance(fraction, int) else str(fraction)
        raise InvalidArgument(f"split {name!r}: {found} is not a multiple of 0.001 from 0 to 1, such as 0.125")
    return round(share)


def _sides(
    records: Records | Subset, parts: list[tuple[int, int]], seed: int, progress: bool | Callable[[int, int], object]
) -> UnitarySides:
    """Return the parts of a split by unitary."""
    whole, among = records._whole() if isinstance(records, Subset) else (records, None)
    return UnitarySides(whole, parts, seed, progress, among)


def _split_again(records: Records | Subset, name: str, start: int, stop: int, seed: int, by: str) -> Split:
    """Return a split that was pickled."""
    side = None if by == "id" else UnitarySide(_sides(records, [(start, stop)], seed, progress=False), 0)
    return Split(records, name, start, stop, seed, side)
