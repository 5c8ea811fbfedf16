"""The sections of records as Markdown, for docs/benchmarks.md and for the output of benchmarks."""

from collections.abc import Callable, Sequence

from goals import fastest, millions, number, percent


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def spread(rate: dict, scale: float = 1e6) -> str:
    """Format the median, and half of the range as a share of it."""
    half = (rate["max"] - rate["min"]) / 2 / rate["median"]
    return number(rate["median"] / scale) + (f" ± {percent(half)}" if len(rate["values"]) > 1 else "")


def count(records: int) -> str:
    return f"{records:,}".replace(",", " ")


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
        share = f"qorpus stored writes {percent(written / disk['median'])} of it"
        rows.append([f"{qubits} qubit{'s' * (qubits > 1)}, the disk alone, MB/s", spread(disk), share])
    workload = section["workloads"][0]
    sizes = {name: size["records"] for name, size in workload["qorpus_sizes"].items()}
    return (
        "Millions of records a second; *original* is the Python program that began it all (`multiprocessing`, "
        "`sqlite3` with WAL and `synchronous=OFF`, a row a matrix), *with a Writer* the same with its SQL replaced; "
        f"{count(workload['original_rows'])} rows. *qorpus* is `qorpus generate --durability full`, {section['jobs']} "
        f"threads, {count(sizes['qorpus stored'])} records stored on one qubit and {count(sizes['qorpus derived'])} "
        "derived; whole processes are timed, and a sample of what each has written is compared with NumPy.\n\n"
    ) + table(["", "M records/s", "times the original"], rows)


def peers(section: dict) -> str:
    rates, columns = section["records_per_second"], section["columns"]
    rows = []
    for name, found in rates.items():
        cells = [spread(found[column]) if column in found else "" for column in columns]
        rows.append([name, number(section["bytes_per_record"][name]), *cells])
    head = ["M records/s", "bytes a record", *columns]
    text = (
        f"{count(section['records'])} one-qubit circuits of 5 to 14 letters with their unitaries, 78 bytes; the same "
        "records in the same order, in one process, synced at the end of each write and read with a warm cache; "
        f"medians of {section['repetitions']}, each read for {section['seconds_a_cell']} s, all compared with the "
        "memory they were written from. Every answer is the whole record: a single read gives the letters' names and "
        "an array; a batch gives an array of letters' numbers and one of unitaries. *Shuffled epoch*: every record "
        "once, in a random order, in batches of 1024, in the way the store is meant for. *Loader*: shuffled batches "
        "of 1024 out of PyTorch's DataLoader, as tensors.\n\n"
    )
    text += table(head, rows)
    text += "\n![Reads of every store](benchmarks/peers.svg)\n\n"
    versions = ", ".join(f"{name} {version}" for name, version in section["packages"].items())
    text += f"Versions: {versions}, torch {section['torch']}.\n\n"
    for name, settings in section["settings"].items():
        missing = "; ".join(f"{column}: {reason}" for column, reason in section["missing"][name].items())
        text += f"* **{name}**: {settings}." + (f" Not measured: {missing}." if missing else "") + "\n"
    extra = {way: rate for found in rates.values() for way, rate in found.items() if way not in columns}
    if extra:
        text += "\nBesides: " + ", ".join(f"{way} {spread(rate)} M/s" for way, rate in extra.items()) + ".\n"
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
        f"Random circuits over {section['gates']}, thousands of unitaries a second on one core, to which every "
        "contestant is bound. Circuits are built before the clock starts, for everyone but Qorpus, which draws them "
        "as well. Every unitary is compared with NumPy's, global phase included.\n\n"
    )
    text += table(["qubits", "letters", *names, "Qorpus / fastest"], rows)
    text += "\n![Unitaries a second by qubits](benchmarks/unitaries.svg)\n\n"
    text += "Versions: " + ", ".join(f"{name} {version}" for name, version in section["packages"].items()) + ".\n\n"
    return text + "".join(f"* **{name}**: {how}.\n" for name, how in section["how"].items())


def rust(section: dict) -> str:
    rows = []
    for name, row in section["benchmarks"].items():
        rate = row.get("elements_per_second")
        low, high = row["confidence"]
        width = f"{(high - low) / 2 / row['nanoseconds']:.1%}".replace("%", " %")
        rows.append([name, f"{number(row['nanoseconds'])} ± {width}", millions(rate) if rate else ""])
    text = "`cargo bench`, one thread: medians, with half of their confidence interval.\n\n"
    return text + table(["", "ns", "M/s"], rows)


def scaling(section: dict) -> str:
    limits = section["limits"]
    text = (
        f"`qorpus generate {section['workload']} --durability full`; {count(section['stored'])} records with unitaries "
        f"(*stored*), {count(section['derived'])} without (*derived*). All corpora of a recipe had the same content "
        f"hash, however many had made them.\n\nThe machine's own limits, for the {limits['bytes'] / 1e6:.0f} MB of the "
        "stored corpus:\n\n"
    )
    text += table(["", "MB/s"], [[name, spread(rate)] for name, rate in limits["bytes_per_second"].items()])
    for title, what in [("threads", "threads of one process"), ("processes", "processes on one file")]:
        found = section[title]
        counts = list(found["stored"])
        rows = [[name, *(spread(rates[count]) for count in counts)] for name, rates in found.items()]
        text += f"\n{what[0].upper()}{what[1:]}, M records/s:\n\n" + table([title, *counts], rows)
    rows = []
    for name, sizes in section["sizes"].items():
        for row in sizes:
            rate, peak = spread(row["records_per_second"]), number(row["peak_bytes"] / 1e6)
            rows.append([count(row["records"]), name, rate, peak, number(row["bytes_per_record"])])
    text += "\nMore and more records:\n\n"
    text += table(["records", "", "M records/s", "peak memory, MB", "bytes a record"], rows)
    ten = section["ten_letters"]
    rates = ", ".join(f"{name} {spread(rate)}" for name, rate in ten["records_per_second"].items())
    text += (
        f"\nCircuits of ten letters over five, derived: {rates} M/s; {ten['bytes_per_record']:.2f} bytes a record.\n"
    )
    return text + "\n![Scaling](benchmarks/scaling.svg)\n\n" + model(section["model"])


def model(section: dict) -> str:
    text = (
        "### A model of larger machines\n\nrecords/s = min(cores / (computing + committing), 1 / committing, disk / "
        "bytes). **Measured** on this machine: the processor time a record takes of the threads that compute and of "
        "the one that commits, in memory (`/dev/shm`), the bytes of a record, and this disk. **Assumed**: that cores "
        "do not disturb each other, that the committing thread is the only serial part, and the rates of "
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
        for cores, row in zip(section["cores"], column["rows"]):
            cells = [f"{millions(cell['records_per_second'])} ({cell['bound_by']})" for cell in row.values()]
            rows.append([name, str(cores), *cells])
    disks = [f"{name}, {number(rate / 1e9)} GB/s" for name, rate in section["disks"].items()]
    return text + table(["M records/s, modelled", "cores", *disks], rows)


def distinct(section: dict) -> str:
    speed, find = section["speed"], section["find"]
    rows = []
    for way, run in speed["runs"].items():
        cells = [number(run[size] / 1e6) for size in ("peak_bytes", "bytes", "most_bytes_on_disk")]
        rows.append([way, spread(run["candidates_per_second"]), *cells])
    text = (
        f"`qorpus distinct {speed['recipe']}`: {count(sum(speed['levels']))} unitaries, the same content hash each time. A "
        f"candidate is an element and a letter that is put to it, {count(speed['candidates'])} of them; those that are known to lead "
        "back are counted, though they are left out.\n\n"
    )
    heads = ["", "M candidates/s", "peak memory, MB", "file, MB", "most on disk, MB"]
    text += table(heads, rows)
    stored, two = find["stored_milliseconds"], find["from_two_milliseconds"]
    lengths = ", ".join(f"{number} of {length}" for length, number in find["from_two_lengths"].items())
    text += (
        f"\nFrom Python, `find` takes {stored['median']:.2f} ms in the median and {stored['p99']:.2f} ms at the 99th percentile for a "
        f"unitary that is among {count(find['records'])}. Shortest circuits of {find['from_two']} random circuits, found in a corpus of "
        f"half as many letters, take {number(two['median'])} ms in the median and {number(two['p99'])} ms at the 99th percentile ({lengths} "
        "letters), and are those of the longer enumeration.\n\nAll counts are those of another program "
        "([distinct-counts.json](../benches/distinct-counts.json)), of the groups, and of the T-counts:\n\n"
    )
    rows = [[f"`{run['options']}`", count(run["records"]), number(run["seconds"])] for run in section["reference"]]
    return text + table(["", "unitaries", "s"], rows)


def distinct_long(section: dict) -> str:
    rows = []
    for name, run in section["runs"].items():
        sizes = [f"{run[size] / 1e9:.1f}" for size in ("peak_bytes", "bytes", "most_bytes_on_disk")]
        rows.append([name, count(run["records"]), number(run["seconds"] / 60), *sizes])
    text = "Once each, on all cores, with `--memory 4GiB`.\n\n"
    text += table(["", "unitaries", "minutes", "peak memory, GB", "file, GB", "most on disk, GB"], rows)
    for name, run in section["runs"].items():
        text += f"\n{name}, new ones at each length: {', '.join(map(count, run['levels']))}.\n"
    return text


#: Titles and texts of sections, in the order of the page.
PARTS: dict[str, tuple[str, Callable[[dict], str]]] = {
    "baseline": ("The program it replaces", baseline),
    "peers": ("Other stores of the same records", peers),
    "unitaries": ("Computing unitaries", unitaries),
    "rust": ("The core in Rust", rust),
    "scaling": ("Threads, processes and records", scaling),
    "distinct": ("Distinct unitaries", distinct),
    "distinct_long": ("Distinct unitaries, as many as fit", distinct_long),
}
