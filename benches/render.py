"""Writes docs/benchmarks.md, its plots and the table of the README from the records.

The newest section of each benchmark counts. A test compares the committed files with this, so every
number there is a record's.

    .venv/bin/python benches/render.py
"""

import argparse
import json
import re
import textwrap
from pathlib import Path

import plots
from goals import Sections, fastest, goals, number, percent, whole
from harness import RECORDS, ROOT
from tables import PARTS, table

PAGE = Path("docs/benchmarks.md")
README = Path("README.md")
MARKED = re.compile(r"(<!-- benchmarks -->\n).*?(<!-- /benchmarks -->)", re.DOTALL)
#: The sections that the table of the README needs.
SHOWN = ("baseline", "peers", "unitaries")
#: The corpus that is compared with other stores: the records were given to it, as to them.
OURS = "Qorpus, records of your own"


def newest(records: Path) -> tuple[Sections, dict[str, Path], dict[str, dict]]:
    """Return the newest sections, their records, and the machines, by benchmark."""
    sections, sources, machines = {}, {}, {}
    for path in sorted(records.glob("*.json")):
        record = json.loads(path.read_text())
        for name, section in record.get("sections", {}).items():
            if name not in sections or section["when"] >= sections[name]["when"]:
                sections[name], sources[name], machines[name] = section, path, record["machine"]
    return sections, sources, machines


def compared(name: str, rate: float, ours: float) -> str:
    """Format the rate of another way, and how many times as fast Qorpus is."""
    return f"{whole(rate)} ({number(ours / rate)} x), {name}"


def headline(sections: Sections) -> str:
    """Return five rows: Qorpus beside the usual way and the fastest other one."""
    workload = sections["baseline"]["workloads"][0]
    made = {name: rate["median"] for name, rate in workload["records_per_second"].items()}
    qubits = f"{workload['qubits']} qubit{'s' * (workload['qubits'] > 1)}"
    rows = []
    for work, way in [
        (f"Write circuits and unitaries, {qubits}", "qorpus stored"),
        (f"Write circuits alone, {qubits}", "qorpus derived"),
    ]:
        usual = compared("Python and `sqlite3`, `synchronous=OFF`", made["original"], made[way])
        rows.append([work, f"**{whole(made[way])}**, `synchronous=FULL`", usual, ""])
    stores = sections["peers"]["records_per_second"]
    for work, column in [("Read single records at random", "random single"), ("Read a shuffled epoch", "shuffled epoch")]:
        rates = {name: found[column]["median"] for name, found in stores.items() if column in found}
        rows.append([work, *beside(rates, OURS, "SQLite, a row a record")])
    results = [one for one in sections["unitaries"]["results"] if one["length"] == 10]
    result = min(results, key=lambda one: abs(one["qubits"] - 2))
    rates = {name: rate["median"] for name, rate in result["unitaries_per_second"].items()}
    work = f"Compute unitaries of ten gates, {result['qubits']} qubits, one core"
    rows.append([work, *beside(rates, "Qorpus", "Qiskit")])
    return table(["records a second", "Qorpus", "usual way", "fastest other"], rows)


def beside(rates: dict[str, float], ours: str, usual: str) -> list[str]:
    """Return the cells of our rate, of the usual way's, and of the fastest other one's."""
    other = fastest({name: {"median": rate} for name, rate in rates.items()})
    cells = [compared(name, rates[name], rates[ours]) for name in (usual, other)]
    return [f"**{whole(rates[ours])}**", *cells]


def faster(section: dict) -> str:
    """Return a sentence with the stores that are faster than ours, and at what."""
    rates = section["records_per_second"]
    columns: dict[str, list[str]] = {}
    for column in section["columns"]:
        known = {name: rate[column] for name, rate in rates.items() if column in rate}
        if OURS in known and known[other := fastest(known)]["median"] > known[OURS]["median"]:
            columns.setdefault(other, []).append(column)
    found = "; ".join(f"{name} ({' / '.join(where)})" for name, where in columns.items())
    return f" At other tasks another store is faster: {found}." if found else ""


def explained(sections: Sections, where: str = "") -> str:
    """Return the sentences that belong to the five rows."""
    return filled(
        "In brackets: how many times as fast Qorpus is. Reads are from Python, with a warm cache, of one-qubit records "
        f"that were given to each store.{faster(sections['peers'])}{where}"
    )


def filled(text: str) -> str:
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def about(machine: dict) -> dict[str, str]:
    """Describe a machine, by property."""
    return {
        "processor": f"{machine['cores']} cores of {machine['cpu']}",
        "memory": f"{machine['memory_bytes'] / 2**30:.0f} GiB of memory",
        "file system": machine["file_system"],
        "kernel": f"Linux {machine['kernel']}",
        "Python": f"Python {machine['python']}",
        "Rust": machine["rustc"].split(" (")[0],
    }


def common(machines: dict[str, dict]) -> dict[str, str]:
    """Return the properties that all machines share."""
    first, *others = map(about, machines.values())
    return {name: value for name, value in first.items() if all(other[name] == value for other in others)}


def runs(sections: Sections, sources: dict[str, Path], machines: dict[str, dict]) -> str:
    """Return the table of records, with the properties in which their machines differ."""
    shared, rows = common(machines), []
    for name, (title, _) in PARTS.items():
        if name in sections:
            section = sections[name]
            commit = section["git_commit"][:10] + (" and uncommitted changes" if section["uncommitted_changes"] else "")
            others = percent(section["cpu_share_of_others"])
            record = f"[record](../benches/record/{sources[name].name})"
            when = section["when"][:16].replace("T", " ")
            own = [value for of, value in about(machines[name]).items() if of not in shared]
            rows.append([title, record, when, commit, others, *own])
    differing = [of for of in about(next(iter(machines.values()))) if of not in shared]
    return table(["section", "record", "when, UTC", "commit", "processors used by others", *differing], rows)


def page(sections: Sections, sources: dict[str, Path], machines: dict[str, dict]) -> str:
    text = (
        "# Benchmarks\n\n<!-- Made by benches/render.py from the records under benches/record; a test compares it. "
        "-->\n\n"
    )
    if not sections:
        return text + "There is no record yet: run `scripts/bench`.\n"
    if "baseline" in sections:
        text += f"![{plots.title(sections['baseline'])}](benchmarks/replaced.svg)\n\n"
    if sections.keys() >= set(SHOWN):
        text += f"{headline(sections)}\n{explained(sections)}\n\n"
    shared = common(machines)
    text += f"Measured on {', '.join(shared.values())}. " if "processor" in shared else ""
    text += (
        "`scripts/bench` measures everything, and renders this page from its "
        "[records](#records). Every benchmark checks the answers that it times. Ratios are within one run, in which "
        "contestants take turns. The number after ± is half of the range.\n"
    )
    for name, (title, part) in PARTS.items():
        if name in sections:
            text += f"\n## {title}\n\n{part(sections[name])}"
    marks = {True: "reached", False: "not reached", None: ""}
    rows = [[goal.work, goal.goal, goal.measured, marks[goal.met], goal.limit] for goal in goals(sections)]
    text += "\n## Goals\n\n" + table(["work", "goal", "measured", "result", "limited by"], rows)
    return f"{text}\n## Records\n\n{runs(sections, sources, machines)}"


def readme(text: str, sections: Sections, sources: dict[str, Path], machines: dict[str, dict]) -> str:
    """Return the README with a new table; without records of its benchmarks, unchanged."""
    if not sections.keys() >= set(SHOWN):
        return text
    records = dict.fromkeys(f"[record](benches/record/{sources[name].name})" for name in SHOWN)
    machine = machines["baseline"]
    where = (
        f" Measured on {machine['cores']} cores of {machine['cpu']} ({', '.join(records)}); [all "
        "benchmarks](docs/benchmarks.md)."
    )
    made = f"\n{headline(sections)}\n{explained(sections, where)}\n\n"
    return MARKED.sub(lambda found: found[1] + made + found[2], text)


def rendered(records: Path = RECORDS) -> dict[Path, str]:
    """Return every file by its path in the repository."""
    found = newest(records)
    files = {PAGE: page(*found), README: readme((ROOT / README).read_text(), *found)}
    return files | {Path(f"docs/benchmarks/{name}.svg"): drawing for name, drawing in plots.drawn(found[0]).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=Path, default=RECORDS, help="the folder of the records")
    parser.add_argument("--into", type=Path, default=ROOT, help="the folder to write docs/ and README.md in")
    arguments = parser.parse_args()
    for name, text in rendered(arguments.records).items():
        path = arguments.into / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"wrote {name}")


if __name__ == "__main__":
    main()
