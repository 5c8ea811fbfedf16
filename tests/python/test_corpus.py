"""A corpus as Python sees it: a sequence of records, cheap to open."""

import collections.abc
import pickle
import subprocess
import sys

import numpy as np
import pytest
import qorpus
from command import PATIENCE, info, show
from corpus_records import RECIPE, made
from corpus_records import appended, directory, shared  # noqa: F401


def isolated(code: str, *arguments, **options) -> subprocess.CompletedProcess:
    """Runs Python code in a process of its own, which has to succeed."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, **options)
    assert done.returncode == 0, done.stderr
    return done


def test_it_is_a_sequence(shared):
    """A corpus, a recipe and nothing less is a `collections.abc.Sequence` with the promised
    length."""
    for records in [shared, shared.recipe]:
        assert isinstance(records, collections.abc.Sequence) and len(records) == 6000 and bool(records)


def test_one_record(shared):
    """A record has the right id, circuit, unitary, labels, qubits and order, and every integer type
    finds it."""
    record = shared[7]
    assert (record.id, record.qubits, record.order) == (7, 2, "big") and isinstance(record, qorpus.Record)
    assert type(record.circuit) is tuple and set(record.circuit) <= set(shared.letters)
    assert record.unitary.shape == (4, 4) and record.unitary.dtype == np.complex128
    assert np.abs(record.unitary @ record.unitary.conj().T - np.eye(4)).max() < 1e-14
    counts = {f"count_{gate}": sum(letter.split()[0] == gate for letter in record.circuit) for gate in shared.gates}
    assert record.labels == counts | {"length": len(record.circuit)}
    kinds = [np.int8, np.uint8, np.int64, np.uint64, np.dtype(">i4").type, np.array]
    assert all(shared[kind(7)] == record for kind in kinds) and shared[7 - 6000] == record


def index_kinds():
    """Every kind of index, as pairs of a name and an index, for a sequence of 6000 records."""
    mask = np.zeros(6000, bool)
    mask[[3, 700, 5999]] = True
    integers = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i4", ">i8", ">u8"]
    return [
        ("slice", slice(10, 20)),
        ("open slice", slice(None, 5)),
        ("last", slice(-5, None)),
        ("step", slice(5990, None, 3)),
        ("backwards", slice(20, 10, -3)),
        ("all backwards", slice(None, None, -1000)),
        ("beyond the end", slice(5998, 7000)),
        ("empty slice", slice(20, 10)),
        ("range", range(100, 130, 7)),
        ("range backwards", range(5, -4, -2)),
        ("empty range", range(0)),
        ("list", [5, 3, 4000, 17]),
        ("negative list", [-1, 0, -6000]),
        ("repeats", [9, 9, 2, 9, 2]),
        ("tuple", (1, 5999, 2)),
        ("empty list", []),
        ("empty array", np.empty(0, np.int64)),
        ("NumPy integers", [np.int8(4), np.uint64(2)]),
        ("truth values", mask),
        ("list of truth values", mask.tolist()),
        ("none of them", np.zeros(6000, bool)),
        ("strided", np.arange(0, 60)[::-7]),
        ("read-only", np.frombuffer(np.arange(5).tobytes(), np.int64)),
        ("more than a thousand", np.random.default_rng(0).integers(-6000, 6000, 2500)),
        *((f"array of {kind}", np.array([3, 100, 0], kind)) for kind in integers),
    ]


def expected_ids(index) -> list[int]:
    """Return the ids that NumPy and Python choose by an index."""
    if isinstance(index, slice):
        return list(range(6000))[index]
    if isinstance(index, range):
        return [id % 6000 for id in index]
    mask = len(index) == 6000
    return np.arange(6000)[np.array(index, dtype=bool if mask else np.int64)].tolist()


@pytest.mark.parametrize(("kind", "index"), index_kinds(), ids=[name for name, _ in index_kinds()])
@pytest.mark.parametrize("stored", [True, False], ids=["corpus", "recipe"])
def test_many_records(shared, stored, kind, index):
    """Records, unitaries, circuits, letters and labels of any index are those that single ids
    give."""
    records = shared if stored else shared.recipe
    ids = expected_ids(index)
    singly = {id: records[id] for id in set(ids)}
    found = records[index]
    assert [record.id for record in found] == ids and found == [singly[id] for id in ids]
    assert records.__getitems__(index) == found
    unitaries = records.unitaries(index)
    assert unitaries.shape == (len(ids), 4, 4) and unitaries.dtype == np.complex128
    assert all(unitary.tobytes() == singly[id].unitary.tobytes() for unitary, id in zip(unitaries, ids))
    circuits = [singly[id].circuit for id in ids]
    assert records.circuits(index) == circuits
    numbers = records.letters_array(index)
    assert numbers.dtype == np.int32 and numbers.shape == (len(ids), max(map(len, circuits), default=0))
    assert [tuple(records.letters[n] for n in row if n >= 0) for row in numbers] == circuits
    assert all((np.diff((row < 0).astype(int)) >= 0).all() for row in numbers), "the padding is behind"
    assert records.labels(index) == [singly[id].labels for id in ids]


BEYOND = [6000, -6001, 10**12, -(10**12), 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 10**30]


@pytest.mark.parametrize("id", BEYOND)
def test_out_of_range(shared, id):
    """An id beyond either end, however large, alone or among others, is an IndexError and a
    qorpus.MissingRecord."""
    for records in [shared, shared.recipe]:
        reads = [records.unitaries, records.circuits, records.letters_array, records.labels, records.__getitems__]
        for read, index in [(records.__getitem__, id), *((read, [0, id]) for read in reads)]:
            with pytest.raises(IndexError, match="there is no record") as refusal:
                read(index)
            assert refusal.type is qorpus.MissingRecord and isinstance(refusal.value, qorpus.Error)


def test_masks_of_another_length(shared):
    """Truth values that are not one for each record choose nothing, even if they are all false."""
    for mask in [np.ones(5999, bool), np.zeros(6001, bool), [True], [False]]:
        with pytest.raises(IndexError, match="truth values"):
            shared.unitaries(mask)


@pytest.mark.parametrize(
    "index",
    [1.0, "1", None, b"1", {1}, {1: 2}, object(), [1.0], ["1"], [None], [[1]], np.zeros((2, 2), int), np.array([0.5]),
     [1, 0.5], np.array(["a"]), 1j, (id for id in range(3))],
    ids=lambda index: type(index).__name__,
)  # fmt: skip
def test_wrong_types(shared, index):
    """An index that is not an integer, slice or array of integers is a TypeError that says so."""
    for read in [shared.__getitem__, shared.unitaries, shared.circuits, shared.letters_array, shared.labels]:
        with pytest.raises(TypeError):
            read(index)


def test_more_ids_than_memory():
    """A slice of a virtual corpus that no memory holds is a MemoryError, not the end of the
    process."""
    records = qorpus.Recipe(random=10**15)
    for index in [slice(None), range(10**15)]:
        with pytest.raises(MemoryError):
            records.unitaries(index)


def test_iteration(shared):
    """Forwards, backwards and by a new iterator each time: every record once, in order, equal to
    the indexed one."""
    records = list(shared)
    assert [record.id for record in records] == list(range(6000)) and records == shared[:]
    assert list(reversed(shared)) == records[::-1]
    assert next(iter(shared)) == next(iter(shared)) == shared[0]
    assert list(zip(shared, range(3)))[2] == (shared[2], 2)


def test_membership(shared):
    """`in`, `index` and `count` know the corpus's own records, those of its twin, and no others."""
    record, twin = shared[700], shared.recipe[700]
    assert record in shared and twin in shared and shared.index(twin) == 700 and shared.count(record) == 1
    assert shared.index(record, 700, 701) == 700
    other = qorpus.Recipe(**{**RECIPE, "seed": 6})[700]
    longer = qorpus.Recipe(**{**RECIPE, "random": 7000})[6500]
    for stranger in [other, longer, 700, None, record.circuit]:
        assert stranger not in shared and shared.count(stranger) == 0
        with pytest.raises(ValueError):
            shared.index(stranger)
    for bounds in [(701,), (0, 700)]:
        with pytest.raises(ValueError):
            shared.index(record, *bounds)


def test_records_compare_hash_and_pickle(shared, appended):
    """Equal records are equal, also when read twice or pickled, and hash alike; any difference
    makes them unequal."""
    for records in [shared, appended]:
        record, again, other = records[7], records[7], records[8]
        copy = pickle.loads(pickle.dumps(record))
        assert record is not again and record == again == copy and hash(record) == hash(again) == hash(copy)
        assert (copy.labels, copy.order, copy.qubits) == (record.labels, record.order, record.qubits)
        assert record != other and record != 7 and {record, again, copy, other} == {record, other}
        changed = records[7]
        changed.unitary[0, 0] += 1
        assert changed != record
    little = qorpus.open(shared.paths, order="little")
    assert little[7] != shared[7], "records in different orders are different"


def test_arrays_belong_to_the_caller(shared):
    """Arrays that are returned may be written to and share memory with nothing."""
    record, before = shared[7], shared[7]
    for array in [record.unitary, shared.unitaries([7]), shared.letters_array([7, 7])]:
        assert array.flags.writeable and array.flags.c_contiguous and array.flags.aligned
        array[...] = 0
    record.labels["length"] = -1
    shared.labels([7])[0]["length"] = -1
    first, second = shared[[7, 7]]
    first.unitary[...] = 0
    assert second == before == shared[7] and shared.unitaries([7])[0].tobytes() == before.unitary.tobytes()


def test_attributes_are_read_only(shared):
    """Attributes of corpora and records cannot be changed by accident."""
    with pytest.raises(AttributeError):
        shared.qubits = 3
    with pytest.raises(AttributeError):
        shared[7].id = 8
    with pytest.raises(ValueError):
        given = qorpus.Recipe(gates=[("mine", [[0, 1], [1, 0]])], qubits=1)
        given.matrices["mine"][0, 0] = 1


# What they contain.


@pytest.mark.parametrize("dtype", ["complex128", "complex64"])
@pytest.mark.parametrize("qubits", [1, 2, 3, 4])
def test_stored_derived_and_virtual_agree(tmp_path, qubits, dtype):
    """Stored unitaries, those derived on reading and those of the recipe have the same bits, and so
    has the command."""
    options = {"gates": "clifford+t,rz(0.3)", "qubits": qubits, "random": 3000, "length": "0..20", "dtype": dtype}
    stored = made(tmp_path / "stored.db", **options)
    derived = made(tmp_path / "derived.db", **options, unitaries=False)
    assert stored.stores_unitaries and not derived.stores_unitaries and stored.dtype == derived.dtype == dtype
    ids = np.random.default_rng(qubits).integers(0, 3000, 1500)
    expected = stored.unitaries(ids)
    assert expected.dtype == dtype and expected.shape == (1500, 2**qubits, 2**qubits)
    for records in [derived, stored.recipe, derived.recipe]:
        assert records.unitaries(ids).tobytes() == expected.tobytes()
        assert records.circuits(ids) == stored.circuits(ids)
    for record in show(stored.paths[0], ids[:20].tolist()):
        one = stored[record.id]
        assert list(one.circuit) == record.circuit and one.labels == record.labels
        assert one.unitary.astype(np.complex128).tobytes() == record.unitary.tobytes()


def test_unitaries_are_the_products_of_the_gates(shared):
    """A unitary is, letter by letter, the product of gate matrices that NumPy places on the
    qubits."""
    matrices = {
        "h": np.array([[1, 1], [1, -1]]) / np.sqrt(2),
        "cx": np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]),
        "rz(0.3)": np.diag(np.exp([-0.15j, 0.15j])),
    } | {gate: np.diag([1, phase]) for gate, phase in zip(["s", "sdg", "t", "tdg"], 1j ** np.array([1, -1, 0.5, -0.5]))}
    swap = np.eye(4)[[0, 2, 1, 3]]
    for record in shared[::97]:
        product = np.eye(4)
        for letter in record.circuit:
            gate, *places = letter.split()
            matrix = matrices[gate]
            if len(places) == 1:
                matrix = np.kron(matrix, np.eye(2)) if places == ["0"] else np.kron(np.eye(2), matrix)
            elif places == ["1", "0"]:
                matrix = swap @ matrix @ swap
            product = matrix @ product
        assert np.abs(record.unitary - product).max() < 1e-13


def bits_reversed(qubits: int) -> np.ndarray:
    """Return an index with its bits reversed."""
    return np.array([int(f"{index:0{qubits}b}"[::-1], 2) for index in range(2**qubits)])


@pytest.mark.parametrize("dtype", ["complex128", "complex64"])
@pytest.mark.parametrize("qubits", [1, 2, 3, 4])
def test_little_order_permutes_the_bits_of_the_indices(tmp_path, qubits, dtype):
    """`order="little"` is the same matrix with the bits of both indices reversed, in every way of
    reading."""
    options = {"gates": "h,t,cx" if qubits > 1 else "h,t", "qubits": qubits, "random": 2000, "dtype": dtype}
    big = made(tmp_path / "c.db", **options)
    moved = bits_reversed(qubits)
    expected = big.unitaries(slice(None))[:, moved[:, None], moved]
    for little in [qorpus.open(tmp_path / "c.db", order="little"), qorpus.Recipe(**options, order="little")]:
        assert little.order == "little" and little[3].order == "little"
        assert little.unitaries(slice(None)).tobytes() == expected.tobytes()
        assert little[3].unitary.tobytes() == little[[3]][0].unitary.tobytes() == expected[3].tobytes()
        assert little.circuits([3]) == big.circuits([3])
    assert qorpus.generate(tmp_path / "c.db", little, progress=False).order == "little"
    differs = bool((expected != big.unitaries(slice(None))).any())
    assert differs == (qubits > 1)


def test_order_must_be_one_of_two(shared):
    """Any other order is refused by name."""
    with pytest.raises(qorpus.InvalidArgument, match="order is 'middle'; it must be 'big' or 'little'"):
        qorpus.open(shared.paths, order="middle")


def test_info_is_that_of_the_command(shared, appended):
    """`info`, `content_hash`, `complete`, letters and gates agree with `info --json`."""
    for corpus in [shared, appended]:
        facts = info(corpus.paths[0])
        assert facts.pop("path") == corpus.paths[0]
        assert corpus.info == facts and corpus.content_hash == facts["content_hash"]
        assert corpus.complete is facts["complete"] is True
        assert (list(corpus.letters), list(corpus.gates)) == (facts["alphabet"], facts["gates"])
        assert corpus.recipe.hash == facts["recipe_hash"]


def test_appended_labels(appended):
    """Labels that came with records are there beside the counted ones, for single ids, many and the
    command."""
    assert appended.is_appended and appended.label_types() == {"name": str, "reward": float, "step": float}
    for id in [0, 7, 150, 299]:
        labels = appended[id].labels
        assert labels["reward"] == id / 8 and labels["step"] == id and labels["length"] == id % 4
        assert labels.get("name") == (f"n{id}" if id % 3 == 0 else None)
    ids = [299, 0, 7, 7]
    assert appended.labels(ids) == [appended[id].labels for id in ids]
    assert [record.labels for record in show(appended.paths[0], [299, 0, 7])] == appended.labels([299, 0, 7])


def test_appended_records_have_no_recipe_to_compute(appended):
    """The recipe of appended records is false and says why it has no length, but still compares and
    pickles."""
    recipe = appended.recipe
    assert not recipe and recipe == pickle.loads(pickle.dumps(recipe)) and "Recipe(" in repr(recipe)
    with pytest.raises(qorpus.InvalidArgument, match="appended circuits cannot be computed"):
        len(recipe)


def test_opening_costs_no_memory_for_each_record(directory):
    """Ten million stored records, and 10^15 virtual ones, are opened and read here and there in a
    few megabytes."""
    path = directory / "large.db"
    qorpus.generate(path, gates="h,t", qubits=1, random="10M", length=(0, 3), unitaries=False, progress=False)
    code = """if True:
        import resource, sys, qorpus
        peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        before = peak()
        corpus, recipe = qorpus.open(sys.argv[1]), qorpus.Recipe(random=10**15)
        assert len(corpus) == 10_000_000 and len(recipe) == 10**15
        for records in (corpus, recipe):
            records[-1], records[len(records) // 2], records.unitaries(slice(0, None, len(records) // 1000))
            split = records.split(train=0.9, test=0.1)["test"]
            next(iter(split.stream(64))), next(iter(records.stream(64))), next(iter(records)), next(reversed(records))
            corpus.sql("select * from records where id > 9000000 limit 3")
        print(peak() - before)
    """
    # Ten bits a record would be 12 MB; a number a record 80 MB.
    assert int(isolated(code, path).stdout) < 60 * 1024
    path.unlink()


def test_importing_is_light():
    """Importing the package imports none of the optional libraries, nor does reading."""
    heavy = ["torch", "qiskit", "cirq", "bqskit", "pyarrow", "pandas", "scipy", "matplotlib"]
    code = f"""if True:
        import sys, qorpus
        next(iter(qorpus.Recipe().stream(4)))
        qorpus.Recipe()._repr_html_(), qorpus.Recipe().sql("select id from records limit 1")
        print([name for name in {heavy} if name in sys.modules])
    """
    assert isolated(code).stdout.strip() == "[]"
