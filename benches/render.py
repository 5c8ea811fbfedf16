"""Writes docs/benchmarks.md, its plots and the tables of the README from the records.

The newest section of each benchmark counts. A test compares the committed files with this, so every
number there is a record's.

    .venv/bin/python benches/render.py
"""

import argparse
import json
import re
from pathlib import Path

import plots
from goals import Sections, goals, millions, number, percent
from harness import RECORDS, ROOT
from tables import PARTS, count, table

PAGE = Path("docs/benchmarks.md")
README = Path("README.md")
MARKED = re.compile(r"(<!-- benchmarks -->\n).*?(<!-- /benchmarks -->)", re.DOTALL)


def newest(records: Path) -> tuple[Sections, dict[str, Path], dict[str, dict]]:
    """Return the newest sections, their records, and the machines, by benchmark."""
    sections, sources, machines = {}, {}, {}
    for path in sorted(records.glob("*.json")):
        record = json.loads(path.read_text())
        for name, section in record.get("sections", {}).items():
            if name not in sections or section["when"] >= sections[name]["when"]:
                sections[name], sources[name], machines[name] = section, path, record["machine"]
    return sections, sources, machines


def goals_table(sections: Sections) -> str:
    marks = {True: "met", False: "missed", None: ""}
    rows = [[goal.work, goal.goal, goal.measured, marks[goal.met], goal.binds] for goal in goals(sections)]
    return table(["work", "goal", "measured", "", "what binds"], rows)


def about(sections: Sections, sources: dict[str, Path], machines: dict[str, dict]) -> str:
    rows = []
    for name, (title, _) in PARTS.items():
        if name in sections:
            section, machine = sections[name], machines[name]
            where = f"{machine['cores']} cores of {machine['cpu']}, {machine['memory_bytes'] / 2**30:.0f} GiB, "
            where += f"{machine['file_system']}, Linux {machine['kernel']}, Python {machine['python']}, "
            where += machine["rustc"].split(" (")[0]
            commit = section["git_commit"][:10] + (" and uncommitted changes" if section["uncommitted_changes"] else "")
            others = percent(section["cpu_share_of_others"])
            record = f"[record](../benches/record/{sources[name].name})"
            rows.append([title, record, section["when"][:16].replace("T", " "), commit, others, where])
    return table(["", "", "when, UTC", "commit", "processors used by others", "machine"], rows)


def page(sections: Sections, sources: dict[str, Path], machines: dict[str, dict]) -> str:
    text = (
        "# Benchmarks\n\n<!-- Made by benches/render.py from the records under benches/record; a test compares it. "
        "-->\n\n`scripts/bench` measures all of this in under 20 minutes on two cores and renders this page from its "
        "record. Every benchmark checks the answers it times. Ratios are of one run; repetitions take turns; what "
        "stands behind ± is half of the range.\n\n"
    )
    if not sections:
        return text + "There is no record yet: run `scripts/bench`.\n"
    text += about(sections, sources, machines) + "\n## Goals\n\n" + goals_table(sections)
    for name, (title, part) in PARTS.items():
        if name in sections:
            text += f"\n## {title}\n\n" + part(sections[name])
    return text


def baseline_table(section: dict, cores: int, link: str) -> str:
    text = (
        "\nBeside the program it replaces (Python, `multiprocessing`, `sqlite3` with WAL and `synchronous=OFF`, a row "
        f"a matrix), in the same run on {cores} cores, medians of {section['repetitions']} ({link}):\n\n"
    )
    rows, shares = [], []
    for workload in section["workloads"]:
        rates, disk = workload["records_per_second"], workload["disk_bytes_per_second"]["median"]
        base, size = rates["original"]["median"], workload["qorpus_sizes"]["qorpus stored"]
        names = ["original with a Writer", "qorpus stored", "qorpus derived"]
        cells = [f"{millions(rates[name]['median'])} M/s ({number(rates[name]['median'] / base)} x)" for name in names]
        gates = workload["gates"].replace(",", " ")
        qubits = {1: "one qubit", 2: "two qubits"}[workload["qubits"]]
        rows.append([f"{qubits}, {gates}, 5 to 14 gates", f"{millions(base)} M/s", *cells])
        shares.append(percent(rates["qorpus stored"]["median"] * size["bytes"] / size["records"] / disk))
    heads = ["original, unsafe", "the same with a `Writer`", "`qorpus generate`, `synchronous=FULL`", "circuits alone"]
    written = f"With unitaries stored it writes {' and '.join(shares)} of what the disk takes of the same bytes in sequence."
    return f"{text}{table(['', *heads], rows)}\n{written}\n"


def peers_table(section: dict, link: str) -> str:
    text = (
        f"\nFrom Python, beside other stores: {count(section['records'])} one-qubit records, one process, warm cache, "
        f"millions of records a second, medians of {section['repetitions']} ({link}). Every store is synced, "
        "gives circuit and unitary, and has its answers checked.\n\n"
    )
    columns = ["write", "random single", "random 1024", "shuffled epoch", "sequential", "loader, 2 workers"]
    rows = []
    for name, rates in section["records_per_second"].items():
        cells = [number(rates[column]["median"] / 1e6) if column in rates else "" for column in columns]
        rows.append([name, *cells, number(section["bytes_per_record"][name])])
    ours = section["records_per_second"]["Qorpus, records of your own"]
    given, computed = (millions(ours[f"append, unitary {how}"]["median"]) for how in ("given", "computed"))
    appended = f"`append` takes {given} M records a second with a unitary, and {computed} M when it computes it."
    return f"{text}{table(['', *columns, 'bytes a record'], rows)}\n{appended}\n"


def unitaries_table(section: dict, link: str) -> str:
    names = list(section["how"])
    results = [result for result in section["results"] if result["length"] == 10]
    rows = [
        [str(result["qubits"]), *(number(result["unitaries_per_second"][name]["median"] / 1e3) for name in names)]
        for result in results
    ]
    text = f"\nUnitaries computed on one core, ten letters of {section['gates']}, thousands a second ({link}):\n\n"
    return text + table(["qubits", *names], rows)


def readme(text: str, sections: Sections, sources: dict[str, Path], machines: dict[str, dict]) -> str:
    """Return the README with new tables; without records of these benchmarks, unchanged."""
    parts = ("baseline", "peers", "unitaries")
    if not sections.keys() >= set(parts):
        return text
    links = {name: f"[record](benches/record/{sources[name].name})" for name in parts}
    made = baseline_table(sections["baseline"], machines["baseline"]["cores"], links["baseline"])
    made += peers_table(sections["peers"], links["peers"]) + unitaries_table(sections["unitaries"], links["unitaries"])
    made += (
        "\n[docs/benchmarks.md](docs/benchmarks.md) has all of it: spreads, settings, scaling, and the goals that are "
        "missed.\n\n"
    )
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
