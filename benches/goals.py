"""The goals, and how near the records come to them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

Sections = dict[str, dict]

#: The decisions that explain a limit.
WHY = "[why](why.md#what-takes-the-time)"

#: Contestants that take many circuits of one length at once.
BATCHED = {"NumPy, batched", "NumPy, row updates"}


@dataclass
class Goal:
    """A row of the table. Without a measurement `met` is None."""

    work: str
    goal: str
    measured: str = "not measured"
    met: bool | None = None
    limit: str = ""


def number(value: float) -> str:
    """Format three significant digits."""
    if value == 0 or abs(value) >= 99.95:
        return f"{value:,.0f}"
    # The exponent of the rounded number: 9.996 is 10.0.
    exponent = int(f"{value:.2e}".partition("e")[2])
    return f"{value:.{2 - exponent}f}"


def whole(value: float) -> str:
    """Format a whole number of three significant digits: 6,930,000."""
    return f"{float(f'{value:.3g}'):,.0f}"


def percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


def millions(rate: float) -> str:
    return number(rate / 1e6)


def goals(sections: Sections) -> list[Goal]:
    found = [
        *against_the_baseline(sections.get("baseline")),
        *eight_processes(sections.get("scaling")),
        *circuits_alone(sections.get("scaling")),
        *kernels(sections.get("rust")),
        *against_libraries(sections.get("unitaries")),
        *constrained(sections.get("constraints")),
        *free_angles(sections.get("free_angles")),
        *cliffords(sections.get("cliffords")),
        *environments(sections.get("gym")),
        *reads_in_rust(sections.get("rust")),
        *reads_in_python(sections.get("peers")),
        *size(sections.get("scaling")),
        *enumeration(sections.get("distinct")),
        *tableaus(sections.get("tableaus")),
    ]
    for goal in found:
        if goal.met:
            goal.limit = ""
    return found


def against_the_baseline(section: dict | None) -> Iterator[Goal]:
    for place, name in enumerate(["one qubit", "two qubits"]):
        row = Goal(
            f"`generate --durability full` with unitaries, {name}, against the original program with `synchronous=OFF`",
            "at least 100 x the original, and 0.7 of the disk's sequential rate for the same bytes",
        )
        if section:
            workload = section["workloads"][place]
            rates, disk = workload["records_per_second"], workload["disk_bytes_per_second"]["median"]
            size = workload["qorpus_sizes"]["qorpus stored"]
            bytes_per_record = size["bytes"] / size["records"]
            base, rate = rates["original"]["median"], rates["qorpus stored"]["median"]
            times, share = rate / base, rate * bytes_per_record / disk
            row.measured, row.met = f"{number(times)} x, {share:.2f} of the disk", times >= 100 and share >= 0.7
            row.limit = (
                f"one thread commits, and waits for the disk after each group of 32 MB: it writes {number(rate * bytes_per_record / 1e6)} "
                f"of {number(disk / 1e6)} MB/s ({WHY})"
            )
            if (wanted := 100 * base * bytes_per_record) > disk:
                row.limit += f"; 100 x would need {number(wanted / 1e6)} MB/s, more than the disk has"
        yield row


def eight_processes(section: dict | None) -> Iterator[Goal]:
    row = Goal("`generate` with unitaries, 8 processes on one file", "at least 0.5 of one process")
    if section:
        rates = section["processes"]["stored"]
        share = rates["8"]["median"] / rates["1"]["median"]
        row.measured, row.met = f"{share:.2f} of one process", share >= 0.5
        row.limit = f"everything is written twice, to the write-ahead log and to the file ({WHY})"
    yield row


def circuits_alone(section: dict | None) -> Iterator[Goal]:
    row = Goal("`generate --no-unitaries`, random circuits of ten letters, one qubit", "at least 25 M circuits/s a core")
    if section:
        rates = section["ten_letters"]["records_per_second"]
        one, all_cores = rates["one core"]["median"], rates["all cores"]["median"]
        row.measured = (
            f"{millions(one)} M/s on one core, {millions(all_cores)} M/s on all, starting and ending the process included"
        )
        row.met = one >= 25e6
        row.limit = f"the processor: drawing, packing and hashing circuits ({WHY})"
    yield row


def kernels(section: dict | None) -> Iterator[Goal]:
    rates = {} if section is None else rust_rates(section)
    found = [rates.get(f"kernel/{qubits} qubit{'s' * (qubits > 1)}, 10 letters") for qubits in range(1, 5)]
    row = Goal(
        "the kernel alone, random circuits of ten letters, 1 / 2 / 3 / 4 qubits",
        "at least 40 / 10 / 3 / 0.7 M unitaries/s a core",
    )
    if rates and None not in found:
        measured = [rate for rate in found if rate is not None]
        row.measured = " / ".join(map(millions, measured)) + " M/s"
        row.met = all(rate >= 1e6 * wanted for rate, wanted in zip(measured, [40, 10, 3, 0.7]))
        row.limit = "the processor: the row updates of each letter ([why](why.md#computing))"
    yield row
    row = Goal("all words of a length, which share prefixes, one qubit", "at least 100 M/s a core, or 70 % of memory bandwidth")
    words = [rate for name, rate in rates.items() if re.match(r"words/1 qubit.*letters", name)]
    copied = rates.get("words/1 qubit, only copied")
    if words:
        best = max(words)
        row.measured, row.met = f"{millions(best)} M/s", best >= 100e6 or bool(copied and best >= 0.7 * copied)
        if copied:
            row.measured += f", {percent(best / copied)} of the rate at which the same bytes are copied"
        row.limit = f"finding the shared prefixes, and two products a word ({WHY})"
    yield row


def rust_rates(section: dict) -> dict[str, float]:
    rows = section["benchmarks"].items()
    return {name: row["elements_per_second"] for name, row in rows if "elements_per_second" in row}


def fastest(rates: dict[str, dict]) -> str:
    """Return the fastest that is not Qorpus."""
    return max((name for name in rates if not name.startswith("Qorpus")), key=lambda name: rates[name]["median"])


def against_libraries(section: dict | None) -> Iterator[Goal]:
    row = Goal("unitaries, against the fastest of NumPy, Qiskit, Cirq, BQSKit, qulacs", "at least 50 x a core, 1 to 4 qubits")
    if section:
        met, peers, measured = True, set(), []
        for length in sorted({result["length"] for result in section["results"]}):
            some, singly = [], []
            for result in section["results"]:
                if result["qubits"] <= 4 and result["length"] == length:
                    rates = result["unitaries_per_second"]
                    own, peer = rates["Qorpus"]["median"], fastest(rates)
                    peers.add(peer)
                    met &= own >= 50 * rates[peer]["median"]
                    some.append(number(own / rates[peer]["median"]))
                    one_by_one = {name: rate for name, rate in rates.items() if name not in BATCHED}
                    singly.append(number(own / one_by_one[fastest(one_by_one)]["median"]))
            measured.append(
                f"{length} letters: {' / '.join(some)} x; without batched NumPy {' / '.join(singly)} x"
            )
        row.measured, row.met = "; ".join(measured), met
        row.limit = f"the fastest are {'; '.join(sorted(peers))}. Batched NumPy takes thousands of circuits at once"
    yield row


def constrained(section: dict | None) -> Iterator[Goal]:
    row = Goal("unitaries of random circuits with constraints, one core", "at least a third of the rate without")
    if section:
        shares = {}
        for result in section["results"]:
            free, *others = (rate["median"] for rate in result["records_per_second"].values())
            shares[result["qubits"]] = min(others) / free
        row.measured = ", ".join(f"{share:.2f}" for share in shares.values()) + f" on {', '.join(map(str, shares))} qubits"
        row.met = min(shares.values()) >= 1 / 3
    yield row


def free_angles(section: dict | None) -> Iterator[Goal]:
    row = Goal(
        "unitaries of random circuits of ten letters with free angles, one core",
        "at least 3 M/s on one qubit, and 200 x Qiskit's on three",
    )
    if section:
        rates, times = [], []
        for result in section["results"]:
            own, other = (result["unitaries_per_second"][name]["median"] for name in ("Qorpus", "Qiskit"))
            if result["qubits"] == 1:
                rates.append(own)
            else:
                times.append(own / other)
        row.measured = f"{' / '.join(map(millions, rates))} M/s; {' / '.join(map(number, times))} x"
        row.met = min(rates) >= 3e6 and min(times) >= 200
        row.limit = "a letter `u3(?,?,?)` takes four sines, four cosines and an arc cosine"
    yield row


def cliffords(section: dict | None) -> Iterator[Goal]:
    row = Goal("random Clifford operators with circuits, one core", "at least 50 x Qiskit's, on every number of qubits")
    if section:
        rates = [{name: rate["median"] for name, rate in one["operators_per_second"].items()} for one in section["results"]]
        times = [one["Qorpus"] / one["Qiskit"] for one in rates]
        row.measured, row.met = f"{number(min(times))} x to {number(max(times))} x", min(times) >= 50
    yield row


def environments(section: dict | None) -> Iterator[Goal]:
    rates = {} if section is None else {name: rate["median"] for name, rate in section["letters_per_second"].items()}
    for work, wanted, start in [
        ("residuals alone, clifford+t on 2 qubits", 10e6, "2 qubits, clifford+t, residuals"),
        ("unitaries, clifford+t on 2 qubits", 5e6, "2 qubits, clifford+t, unitaries"),
        ("tableaus on 3 qubits", 10e6, "3 qubits, h, s, sdg, cx, tableaus"),
        ("distances from a table", 0.5e6, "2 qubits, h, t, tdg, cx, distances"),
    ]:
        row = Goal(f"environments from Python, one core: {work}", f"at least {number(wanted / 1e6)} M letters/s")
        found = [rate for name, rate in rates.items() if name.startswith(start)]
        if found:
            row.measured, row.met = f"{millions(found[0])} M/s", found[0] >= wanted
        yield row
    row = Goal("tableaus on 3 qubits, beside qiskit-gym", "at least 100 x")
    rival = [rate for name, rate in rates.items() if name.startswith("qiskit-gym")]
    if rival:
        times = next(rate for name, rate in rates.items() if name.startswith("3 qubits, h, s")) / rival[0]
        row.measured, row.met = f"{number(times)} x", times >= 100
    yield row


def reads_in_rust(section: dict | None) -> Iterator[Goal]:
    rates = {} if section is None else rust_rates(section)
    for work, wanted, pattern in [
        ("single records at random, warm", 1e6, r"reads/.*(single|one)"),
        (
            "batches of 1024 random ids",
            5e6,
            r"reads/.*1024.*(random|scattered)|reads/.*(random|scattered).*1024|reads/.*1024",
        ),
    ]:
        row = Goal(f"reads in Rust: {work}", f"at least {wanted / 1e6:.0f} M/s")
        found = {name: rate for name, rate in rates.items() if re.match(pattern, name)}
        if found:
            row.measured = "; ".join(f"{name.partition('/')[2]} {millions(rate)} M/s" for name, rate in found.items())
            row.met = min(found.values()) >= wanted
            row.limit = f"the instructions that decode and check a record ({WHY})"
        yield row


def reads_in_python(section: dict | None) -> Iterator[Goal]:
    row = Goal("reads in Python", "each kind of corpus faster than every other store in every column")
    if section:
        rates, won, lost = section["records_per_second"], 0, []
        for column in section["columns"]:
            if column.startswith("write"):
                continue
            with_column = {name: found[column] for name, found in rates.items() if column in found}
            peer = fastest(with_column)
            best = with_column[peer]["median"]
            slower = [name for name in with_column if name.startswith("Qorpus") and with_column[name]["median"] <= best]
            won += not slower
            if slower:
                lost.append(f"{column}: {peer} {millions(best)} M/s")
        row.measured, row.met = f"true in {won} of {won + len(lost)} columns", not lost
        row.limit = "faster than at least one kind of corpus: " + "; ".join(lost)
    yield row


def size(section: dict | None) -> Iterator[Goal]:
    row = Goal("bytes a record, circuits of ten letters of an alphabet of five", "at most 6 without unitaries")
    if section:
        found = section["ten_letters"]["bytes_per_record"]
        row.measured, row.met = f"{found:.2f}", found <= 6
        row.limit = "log2(5) bits a letter, checksums, and SQLite's pages"
    yield row


def tableaus(section: dict | None) -> Iterator[Goal]:
    groups = {} if section is None else section["groups"]
    for start, name in [("three", "three-qubit Cliffords"), ("five", "five-qubit linear functions")]:
        row = Goal(f"`distinct` by tableaus, {name}, one core", "at least 20 M candidates a second of processor time")
        for group in (group for title, group in groups.items() if title.startswith(start)):
            rate = group["candidates_per_processor_second"]["median"]
            row.measured, row.met = f"{millions(rate)} M/s", rate >= 20e6
        yield row
    row = Goal("`distinct`, ten-qubit permutations on a line, one core", "under 10 s")
    for group in (group for title, group in groups.items() if title.startswith("ten")):
        row.measured, row.met = f"{number(group['seconds'])} s", group["seconds"] < 10
    yield row
    row = Goal("`find` in tables of tableaus, from Qiskit's objects", "under 0.2 ms")
    if groups:
        slowest = max(group["find"]["median_milliseconds"] for group in groups.values())
        row.measured, row.met = f"median {slowest:.2f} ms", slowest < 0.2
    yield row


def enumeration(section: dict | None) -> Iterator[Goal]:
    goal = "at least 4 M candidates (element and letter) a second a core, and half of that when it spills to disk"
    row = Goal("`distinct`, two qubits", goal)
    if section:
        runs = section["speed"]["runs"]
        inside, outside = (runs[f"one core, {memory}"]["candidates_per_second"]["median"] for memory in ("4 GiB", "64 MiB"))
        row.measured, row.met = f"{millions(inside)} M/s, {millions(outside)} M/s with 64 MiB", inside >= 4e6 and outside >= 2e6
        row.limit = f"the processor, in many places ({WHY})"
    yield row
    row = Goal("`find`, a unitary that was enumerated", "well under a millisecond")
    if section:
        times = section["find"]["stored_milliseconds"]
        row.measured, row.met = f"median {times['median']:.2f} ms, 99th percentile {times['p99']:.2f} ms", times["p99"] < 1
        row.limit = "the phase is found by trial, and each level is searched in a block of the index"
    yield row
