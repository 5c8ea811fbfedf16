"""The sections of records as Markdown, for docs/benchmarks.md and for the output of benchmarks."""

import re
from collections.abc import Callable, Sequence

from goals import fastest, millions, number, percent

#: Descriptions in older records, and the words for the same thing today. Records do not change.
WORDS = {
    "the same with `unitaries=False`: they are computed while they are read": "as records of your own, with "
    "`unitaries=False`: unitaries are computed while they are read",
    "a product of placed matrices a letter, as in the original program": "one product of placed matrices for each "
    "letter, as in the original program",
    "a batched `matmul` a place of all circuits, matrices taken by letter": "one batched `matmul` of all circuits for "
    "each position in the circuit, with a matrix looked up for each letter",
    "for each place and letter an update of the rows it changes, of all circuits at once": "for each position and "
    "letter, one update of the changed rows, of all circuits at once",
    "`circuit.unitary(...)` on all qubits, which is `cirq.unitary(circuit)` where all occur": "`circuit.unitary(...)` "
    "on all qubits; `cirq.unitary(circuit)` does the same if the circuit uses all of them",
    "all columns at once: the circuit acts on half of the qubits of a state of 2n qubits that begins as the identity": "all "
    "columns at once: the circuit acts on half of the qubits of a state of 2n qubits, which starts as the identity",
}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def spread(rate: dict, scale: float = 1e6) -> str:
    """Format the median, and half of the range as a share of it."""
    half = (rate["max"] - rate["min"]) / 2 / rate["median"]
    return number(rate["median"] / scale) + (f" ± {percent(half)}" if len(rate["values"]) > 1 else "")


def count(records: int) -> str:
    return f"{records:,}"


def described(text: str) -> str:
    """Return a description of a record, with separators in its numbers as everywhere."""
    return re.sub(r"(?<=\d) (?=\d{3}\b)", ",", WORDS.get(text, text))


def baseline(section: dict) -> str:
    rows = []
    for workload in section["workloads"]:
        rates, qubits = workload["records_per_second"], workload["qubits"]
        base = rates["original"]["median"]
        for name, rate in rates.items():
            rows.append(
                [f"{qubits} qubit{'s' * (qubits > 1)}, {name}", spread(rate), f"{number(rate['median'] / base)} x"]
            )
        stored = workload["qorpus_sizes"]["qorpus stored"]
        written = rates["qorpus stored"]["median"] * stored["bytes"] / stored["records"]
        disk = workload["disk_bytes_per_second"]
        share = f"qorpus stored writes at {percent(written / disk['median'])} of this rate"
        rows.append([f"{qubits} qubit{'s' * (qubits > 1)}, the disk alone, MB/s", spread(disk), share])
    workload = section["workloads"][0]
    sizes = {name: size["records"] for name, size in workload["qorpus_sizes"].items()}
    return (
        "*original* is the Python program that Qorpus replaces: `multiprocessing`, products of NumPy matrices, and "
        "`sqlite3` with WAL and `synchronous=OFF`, one row per matrix. *original with a Writer* is the same program "
        f"with `qorpus.Writer` in place of its SQL. Both write {count(workload['original_rows'])} rows. *qorpus* is "
        f"`qorpus generate --durability full` with {section['jobs']} threads: {count(sizes['qorpus stored'])} records "
        f"*stored* with their unitaries on one qubit, {count(sizes['qorpus derived'])} *derived*, which stores circuits "
        "and computes unitaries while they are read. Whole processes are timed. A sample of each file is compared with "
        "NumPy. The disk alone writes the bytes of *qorpus stored* in sequence, and syncs them.\n\n"
    ) + table(["", "M records/s", "times the original"], rows)


def peers(section: dict) -> str:
    rates, columns = section["records_per_second"], section["columns"]
    rows = []
    for name, found in rates.items():
        cells = [spread(found[column]) if column in found else "" for column in columns]
        rows.append([name, number(section["bytes_per_record"][name]), *cells])
    head = ["M records/s", "bytes a record", *columns]
    text = (
        f"Each store holds the same {count(section['records'])} one-qubit circuits of 5 to 14 letters with their "
        "unitaries, 78 bytes a record, in the same order. One process writes them, syncs them, and reads them with a "
        f"warm cache. Rates are medians of {section['repetitions']}; each read is timed for "
        f"{section['seconds_a_cell']} s, and its answers are compared with the data that was written. An answer is the "
        "whole record: a single read returns the letters' names and an array, a batch an array of letter numbers and "
        "an array of unitaries. *Shuffled epoch* reads every record once in random order, in batches of 1024, in the "
        "way the store is meant to be read. *Loader* reads shuffled batches of 1024 as tensors through PyTorch's "
        "DataLoader.\n\n"
    )
    text += table(head, rows)
    text += "\n![Read rates of every store](benchmarks/peers.svg)\n\n"
    versions = ", ".join(f"{name} {version}" for name, version in section["packages"].items())
    text += f"Versions: {versions}, torch {section['torch']}. Settings:\n\n"
    for name, settings in section["settings"].items():
        missing = "; ".join(f"{column}: {reason}" for column, reason in section["missing"][name].items())
        text += f"* **{name}**: {described(settings)}." + (f" Not measured: {missing}." if missing else "") + "\n"
    extra = {way: rate for found in rates.values() for way, rate in found.items() if way not in columns}
    if extra:
        text += "\nOther rates of Qorpus, M records/s: "
        text += "; ".join(f"{way} {spread(rate)}" for way, rate in extra.items()) + ".\n"
    return text


def unitaries(section: dict) -> str:
    names = list(section["how"])
    rows = []
    for result in section["results"]:
        rates = result["unitaries_per_second"]
        peer = fastest(rates)
        times = f"{number(rates['Qorpus']['median'] / rates[peer]['median'])} x {peer}"
        cells = [spread(rates[name], 1e3) for name in names]
        rows.append([str(result["qubits"]), str(result["length"]), *cells, times])
    text = (
        f"Random circuits of {section['gates']}, thousands of unitaries a second. Every contestant is bound to one core. "
        "Circuits are built before the clock starts, except for Qorpus, which also draws them. Every unitary is "
        "compared with NumPy's, global phase included.\n\n"
    )
    text += table(["qubits", "letters", *names, "Qorpus / fastest"], rows)
    text += "\n![Unitaries a second by qubits](benchmarks/unitaries.svg)\n\n"
    text += "Versions: " + ", ".join(f"{name} {version}" for name, version in section["packages"].items()) + ".\n\n"
    return text + "".join(f"* **{name}**: {described(how)}.\n" for name, how in section["how"].items())


def constraints(section: dict) -> str:
    names = list(section["constraints"])
    rows = []
    for result in section["results"]:
        rates = result["records_per_second"]
        free = rates[names[0]]["median"]
        cells = [f"{spread(rates[name])} ({rates[name]['median'] / free:.2f})" for name in names[1:]]
        rows.append([str(result["qubits"]), spread(rates[names[0]]), *cells])
    text = (
        f"Unitaries of random circuits of {section['length']} letters of {section['gates']}, drawn and computed on one "
        "core, millions a second. In brackets: the rate divided by that of unconstrained circuits.\n\n"
    )
    text += table(["qubits", *names], rows)
    spelt = "; ".join(f"*{name}*: `{flags}`" for name, flags in section["constraints"].items() if flags)
    text += (
        f"\n{spelt}.\n\nThe distribution of {count(section['records'])} circuits of {section['short_length']} letters of "
        "h, t, cx on two qubits, compared with that of all allowed circuits by enumeration: the probability that "
        "chance alone deviates more. Gates, letters and pairs are tested at every position, and the least probability "
        "is shown.\n\n"
    )
    tests = section["distribution"][names[0]]
    head = ["", *(f"{what} ({test['tests']} test{'s' * (test['tests'] > 1)})" for what, test in tests.items())]
    rows = [
        [name, *(f"{test['probability']:.3f} (χ² {test['chi_square']:,}, {test['freedom']:,} degrees)" for test in found.values())]
        for name, found in section["distribution"].items()
    ]
    return text + table(head, rows)


def free_angles(section: dict) -> str:
    rows = []
    for result in section["results"]:
        own, other = (result["unitaries_per_second"][name] for name in ("Qorpus", "Qiskit"))
        times = f"{number(own['median'] / other['median'])} x"
        rows.append([f"`{result['gates']}`", str(result["qubits"]), spread(own, 1e3), spread(other, 1e3), times])
    text = (
        f"Random circuits of {section['length']} letters, thousands of unitaries a second on one core. Qorpus also draws "
        f"the circuits and their angles; those of Qiskit {section['qiskit']} are built before the clock starts. "
        f"{section['compared']} unitaries of each row agree within 1e-12.\n\n"
    )
    return text + table(["gates", "qubits", "Qorpus", "Qiskit", "Qorpus / Qiskit"], rows)


def cliffords(section: dict) -> str:
    rows = []
    for result in section["results"]:
        rates = result["operators_per_second"]
        times = f"{number(rates['Qorpus']['median'] / rates['Qiskit']['median'])} x"
        rows.append([str(result["qubits"]), spread(rates["Qorpus"], 1e3), spread(rates["Qiskit"], 1e3), times])
    text = (
        "Thousands of operators a second of processor time on one core: `recipe.letters_array(ids)`, which are circuits, and "
        f"`random_clifford` of Qiskit {section['packages']['qiskit']}, which returns tableaus without a circuit.\n\n"
    )
    text += table(["qubits", "Qorpus", "Qiskit", "Qorpus / Qiskit"], rows)
    tests = "; ".join(
        f"χ² {test['chi_square']:,} for the {count(test['operators'])} operators on {test['qubits']} "
        f"qubit{'s' * (test['qubits'] > 1)}, {abs(test['deviations'])} standard deviations "
        f"{'above' if test['deviations'] > 0 else 'below'} the mean"
        for test in section["distribution"]
    )
    return f"{text}\nThe counts of {count(section['records'])} operators, compared with the uniform distribution: {tests}.\n"


def haar(section: dict) -> str:
    rows = []
    for result in section["results"]:
        rates = result["unitaries_per_second"]
        own, other, single = (rates[name] for name in ("Qorpus", "SciPy", "SciPy, one by one"))
        times = f"{number(own['median'] / other['median'])} x"
        rows.append([str(result["qubits"]), spread(own, 1e3), spread(other, 1e3), spread(single, 1e3), times])
    text = (
        "Thousands of unitaries a second of processor time on one core: `recipe.unitaries(ids)`, and "
        f"`scipy.stats.unitary_group` of SciPy {section['packages']['scipy']}, which draws as many in one call or one a call. "
        f"The eigenvalues of {count(section['records'])} unitaries of each have the same distribution (Kolmogorov and "
        "Smirnov).\n\n"
    )
    heads = ["qubits", "Qorpus", "SciPy", "SciPy, one a call", "Qorpus / SciPy"]
    return text + table(heads, rows)


def gym(section: dict) -> str:
    rates = section["letters_per_second"]
    rival = next((name for name in rates if name.startswith("qiskit-gym")), None)
    rows = [
        [name, spread(rate), f"{number(rate['median'] / rates[rival]['median'])} x" if rival else ""] for name, rate in rates.items()
    ]
    text = (
        f"Random actions from Python on one core: millions of letters a second of processor time. {count(section['environments'])} "
        f"environments of Qorpus step together, with masks; targets have {section['targets']} random letters, and episodes end "
        f"after {section['max_steps']}. Distances are those of {count(section['table_records'])} unitaries."
    )
    if rival:
        text += f" qiskit-gym {section['packages']['qiskit-gym']} steps one environment of h, s, sdg and cx through Gymnasium."
    return text + "\n\n" + table(["", "M/s", "beside qiskit-gym"], rows)


def rust(section: dict) -> str:
    rows = []
    for name, row in section["benchmarks"].items():
        rate = row.get("elements_per_second")
        low, high = row["confidence"]
        width = f"{(high - low) / 2 / row['nanoseconds']:.1%}".replace("%", " %")
        rows.append([name, f"{number(row['nanoseconds'])} ± {width}", millions(rate) if rate else ""])
    text = "`cargo bench` on one thread: medians, and half of their confidence intervals.\n\n"
    return text + table(["", "ns", "M/s"], rows)


def scaling(section: dict) -> str:
    limits = section["limits"]
    text = (
        f"`qorpus generate {section['workload']} --durability full`: {count(section['stored'])} records with unitaries "
        f"(*stored*), {count(section['derived'])} without (*derived*). All corpora of a recipe have the same content "
        "hash, whatever the number of threads and processes.\n\nThe machine's own limits, for the "
        f"{limits['bytes'] / 1e6:.0f} MB of the stored corpus:\n\n"
    )
    text += table(["", "MB/s"], [[name, spread(rate)] for name, rate in limits["bytes_per_second"].items()])
    for title, what in [("threads", "threads of one process"), ("processes", "processes on one file")]:
        found = section[title]
        counts = list(found["stored"])
        rows = [[name, *(spread(rates[count]) for count in counts)] for name, rates in found.items()]
        text += f"\n{what[0].upper()}{what[1:]}, M records/s:\n\n" + table([title, *counts], rows)
    found = section["directories"]
    counts = list(found["stored"])
    rows = [[name, *(spread(rates[count]) for count in counts)] for name, rates in found.items()]
    text += (
        "\nA directory of 16 shards in memory (`/dev/shm`), M records a second of processor time, by threads. A shard "
        "is built at once for every two threads:\n\n" + table(["threads", *counts], rows)
    )
    rows = []
    for name, sizes in section["sizes"].items():
        for row in sizes:
            rate, peak = spread(row["records_per_second"]), number(row["peak_bytes"] / 1e6)
            rows.append([count(row["records"]), name, rate, peak, number(row["bytes_per_record"])])
    text += "\nOne process by the number of records:\n\n"
    text += table(["records", "", "M records/s", "peak memory, MB", "bytes a record"], rows)
    ten = section["ten_letters"]
    rates = ", ".join(f"{name} {spread(rate)}" for name, rate in ten["records_per_second"].items())
    text += (
        "\nDerived corpora of circuits with ten letters, of an alphabet of five: "
        f"{rates} M/s; {ten['bytes_per_record']:.2f} bytes a record.\n"
    )
    return text + "\n![Scaling](benchmarks/scaling.svg)\n\n" + model(section["model"])


def model(section: dict) -> str:
    text = (
        "### A model of larger machines\n\nrecords/s = min(cores / (computing + committing), files / committing, disk / "
        "bytes). **Measured** on this machine: the processor time per record of the threads that compute and of the "
        "one that commits, in memory (`/dev/shm`); the bytes of a record; this disk. **Assumed**: cores do not slow "
        "each other down, the committing thread of each file is the only serial part, and the rates of "
        f"{', '.join(section['assumed_disks'])}.\n\n"
    )
    rows = []
    for name, column in section["columns"].items():
        seconds = column["seconds_per_record"]
        cells = [f"{spread(seconds[part], 1e-9)}" for part in ("computing", "committing")]
        rows.append([name, *cells, number(column["bytes_per_record"])])
    text += table(["measured", "computing, ns", "committing, ns", "bytes"], rows) + "\n"
    rows = []
    for name, column in section["columns"].items():
        for way, rates in column["ways"].items():
            for cores, row in zip(section["cores"], rates):
                cells = [f"{millions(cell['records_per_second'])} ({cell['bound_by']})" for cell in row.values()]
                rows.append([f"{name}, {way}", str(cores), *cells])
    disks = [f"{name}, {number(rate / 1e9)} GB/s" for name, rate in section["disks"].items()]
    text += "In brackets: the limit of the rate. In a directory a file is built at once for every two cores.\n\n"
    return text + table(["M records/s, modelled", "cores", *disks], rows)


def distinct(section: dict) -> str:
    speed, find = section["speed"], section["find"]
    rows = []
    for way, run in speed["runs"].items():
        cells = [number(run[size] / 1e6) for size in ("peak_bytes", "bytes", "most_bytes_on_disk")]
        rows.append([way, spread(run["candidates_per_second"]), *cells])
    text = (
        f"`qorpus distinct {speed['recipe']}` finds {count(sum(speed['levels']))} unitaries; every run has the same "
        f"content hash. A candidate is a unitary with one more letter. There are {count(speed['candidates'])}, "
        "including candidates that are skipped because they are known to lead back.\n\n"
    )
    heads = ["", "M candidates/s", "peak memory, MB", "file, MB", "most on disk, MB"]
    text += table(heads, rows)
    stored, two = find["stored_milliseconds"], find["from_two_milliseconds"]
    lengths = ", ".join(f"{many} of {length}" for length, many in find["from_two_lengths"].items())
    text += (
        f"\nFrom Python, `find` looks up one of {count(find['records'])} stored unitaries in {stored['median']:.2f} ms "
        f"(median; 99th percentile {stored['p99']:.2f} ms). It also composes circuits from a corpus of half the "
        f"length: shortest circuits of {find['from_two']} random circuits ({lengths} letters) take "
        f"{number(two['median'])} ms in the median and {number(two['p99'])} ms at the 99th percentile, and equal the "
        "circuits of the longer enumeration.\n\nAll counts below agree with another program "
        "([distinct-counts.json](../benches/distinct-counts.json)), with the orders of the Clifford groups, or with the "
        "known numbers of unitaries by T-count:\n\n"
    )
    rows = [[f"`{run['options']}`", count(run["records"]), number(run["seconds"])] for run in section["reference"]]
    return text + table(["", "unitaries", "s"], rows) + distinct_phases(section["phases"])


def distinct_phases(ways: dict) -> str:
    """Return what is serial in an enumeration, and what Amdahl's law makes of it."""
    text = (
        "\nWhat more cores do not shorten: processor seconds of all threads in each phase, and in brackets those of the one "
        "thread that commits and divides the work. *Speed-up* is modelled, by Amdahl's law for these numbers: cores do not slow each "
        "other down, the disk keeps up, and nothing is computed during a commit, although it is.\n\n"
    )
    cores, rows = (2, 4, 8, 16, 32), []
    for way, phases in ways.items():
        cells = [f"{number(phase['processor_seconds'])} ({number(phase['committing_seconds'])})" for phase in phases.values()]
        serial = sum(phase["committing_seconds"] for phase in phases.values())
        whole = sum(phase["processor_seconds"] for phase in phases.values())
        rows.append([way, *cells, *(number(whole / (serial + (whole - serial) / many)) for many in cores)])
    heads = [*next(iter(ways.values())), *(f"speed-up, {many} cores" for many in cores)]
    return text + table(["", *heads], rows)


def distinct_long(section: dict) -> str:
    rows = []
    for name, run in section["runs"].items():
        sizes = [f"{run[size] / 1e9:.1f}" for size in ("peak_bytes", "bytes", "most_bytes_on_disk")]
        rows.append([name, count(run["records"]), number(run["seconds"] / 60), *sizes])
    text = "One run of each, on all cores, with `--memory 4GiB`.\n\n"
    text += table(["", "unitaries", "minutes", "peak memory, GB", "file, GB", "most on disk, GB"], rows)
    for name, run in section["runs"].items():
        text += f"\nNew unitaries at each length, {name}: {', '.join(map(count, run['levels']))}.\n"
    return text


def tableaus(section: dict) -> str:
    rows = []
    for name, group in section["groups"].items():
        found = group["find"]
        cells = [spread(group[f"candidates_per_{'processor_' * processor}second"]) for processor in (True, False)]
        sizes = [number(group[size] / 1e6) for size in ("peak_bytes", "bytes")]
        times = f"{number(found['median_milliseconds'])}, {number(found['p99_milliseconds'])}"
        rows.append([name, count(group["records"]), number(group["seconds"]), *cells, *sizes, times])
    text = (
        "Whole groups on one core, operators compared by their bits. The orders are those of Sp(6,2), GL(5,2) and 10!. "
        f"`find` looks up {count(found['targets'])} random operators of Qiskit, which checks the circuits.\n\n"
    )
    heads = ["", "operators", "s", "M candidates/s of processor time", "M candidates/s", "peak memory, MB", "file, MB", "`find`: median, p99, ms"]
    return text + table(heads, rows)


def tableaus_long(section: dict) -> str:
    sizes = [f"{section[size] / 1e9:.1f}" for size in ("peak_bytes", "bytes", "most_bytes_on_disk")]
    text = "Four-qubit Cliffords modulo Paulis by their number of CX gates, on all cores, with `--memory 4GiB`: "
    text += f"{number(section['seconds'] / 60)} minutes, {sizes[0]} GB of memory, a file of {sizes[1]} GB, at most {sizes[2]} GB on disk.\n\n"
    rows = [[str(cost), count(records)] for cost, records in enumerate(section["by_cost"])]
    return text + table(["CX gates", "operators"], rows)


#: Titles and texts of sections, in the order of the page.
def clifford_classes(section: dict) -> str:
    qubits, classes, operators = section["qubits"], section["classes"], section["operators"]
    text = (
        f"The Clifford group on {qubits} qubits modulo Paulis has {count(section['order'])} operators, in classes of "
        f"{6**qubits:,}: operators that differ by gates on single qubits at the beginning need equally many CX gates. A search "
        f"with NumPy alone found these {count(sum(classes))} classes in {number(section['seconds_of_search'])} s, with "
        f"{number(section['peak_bytes'] / 1e9)} GB of memory. `qorpus distinct` finds as many operators, compared up to "
        f"{section['compared_levels'] - 1} CX gates.\n\n"
    )
    rows = [[str(cost), count(each), count(all_of)] for cost, (each, all_of) in enumerate(zip(classes, operators))]
    return text + table(["CX gates", "classes", "operators"], rows)


PARTS: dict[str, tuple[str, Callable[[dict], str]]] = {
    "baseline": ("The program it replaces", baseline),
    "peers": ("Other stores", peers),
    "unitaries": ("Computing unitaries", unitaries),
    "constraints": ("Constrained random circuits", constraints),
    "free_angles": ("Circuits with free angles", free_angles),
    "cliffords": ("Random Clifford operators", cliffords),
    "haar": ("Haar-random unitaries", haar),
    "gym": ("Environments", gym),
    "scaling": ("Threads, processes and records", scaling),
    "distinct": ("Distinct unitaries", distinct),
    "distinct_long": ("The largest enumerations", distinct_long),
    "tableaus": ("Tableaus, linear functions and permutations", tableaus),
    "tableaus_long": ("Four-qubit Cliffords by CX count", tableaus_long),
    "clifford_classes": ("Classes of four-qubit Cliffords by CX count", clifford_classes),
    "rust": ("The core in Rust", rust),
}
