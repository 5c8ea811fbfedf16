"""Writes the tables of docs/reliability.md from the newest run of each campaign in faults/record.

A test compares the committed page with this, so every number there is a record's.

    .venv/bin/python faults/render.py
"""

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from built import ROOT

RECORDS = ROOT / "faults" / "record"
PAGE = Path("docs/reliability.md")
SUMMARY = re.compile(r"(<!-- campaigns -->\n).*?(<!-- /campaigns -->)", re.DOTALL)
DETAILS = re.compile(r"(<!-- counts -->\n).*?(<!-- /counts -->)", re.DOTALL)

Counts = dict[str, int]
Found = dict[str, tuple[Path, dict[str, Any]]]

#: Parts of the labels and titles in records, and the words of the page for them.
WORDS = {
    "Storms of kills": "Random kills",
    "Wrong surroundings": "Unsupported environments",
    "Bits flipped": "Bit flips",
    "the log written back": "WAL checkpointed",
    "processes of append": "processes that append",
    "processes of generate": "processes that generate",
    "moments and seeds tried": "power cuts",
    "a disk that lies": "disk that ignores syncs",
    "a write-ahead log": "a WAL",
    "EIO of a sync": "EIO in a sync",
    "EIO of a write": "EIO in a write",
    "EIO of anything": "EIO in any call",
    "for ever": "from then on",
    "of these, runs that ended with a clear error": "runs with one of these errors that ended with a clear message",
    "power cuts after a sync that failed": "power cuts after a failed sync",
    "stopped in its turn for 30 s: longest until others went on, ms": "longest wait of others once it continued, ms",
    "killed in its turn: longest until others went on, ms": "longest wait of others after such a kill, ms",
    "stopped in its turn for 30 s": "holders of the write lock stopped for 30 s",
    "killed in its turn": "holders of the write lock killed",
    "log with a reader that never ends: largest, MiB": "largest WAL beside a reader that never ends, MiB",
    "writers that waited for a reader, and said so": "writers that waited for a reader and reported it",
    "times that 64 processes created one corpus": "corpora created by 64 processes at once",
    "while the log was reset": "while the WAL was reset",
    "files taken away under a writer, which said so": "files removed or replaced under a writer, which reported it",
    "as statfs names them": "by their statfs types",
    "a corpus finished": "finished corpus",
    "a corpus unfinished": "unfinished corpus",
    "a corpus killed in a commit": "corpus of a writer killed during a commit",
    "a corpus killed with a log": "corpus of a writer killed with a WAL",
    "what SQLite may look at": "bytes that SQLite reads",
    "pages of 4 KiB, everything": "pages of 4 KiB, all bytes",
}


def counted(count: int, what: str) -> str:
    return f"{count:,} {what}"


def total(counts: Counts, end: str) -> int:
    return sum(count for name, count in counts.items() if name.endswith(end))


def injected(counts: Counts) -> str:
    errors = sum(count for name, count in counts.items() if name.startswith(("EIO", "ENOSPC", "short")))
    cuts, full = total(counts, "power cuts after a sync that failed"), total(counts, "file systems filled")
    return f"{counted(errors, 'errors')}, {counted(cuts, 'power cuts after a failed sync')}, {counted(full, 'full disks')}"


def contended(counts: Counts) -> str:
    most = max(int(name.split()[0]) for name in counts if name.endswith("Qorpus: writes"))
    writes, errors = total(counts, "Qorpus: writes"), total(counts, "Qorpus: lock errors")
    return f"{counted(writes, 'writes')} by up to {most} processes, {counted(errors, 'lock errors')}"


#: The extent of a campaign in a few words, by its name in records, in the order of the page.
EXTENTS: dict[str, Callable[[Counts], str]] = {
    "kills": lambda counts: counted(counts["kills"], "kills"),
    "shards": lambda counts: counted(counts["kills"], "kills"),
    "storms": lambda counts: counted(counts["kills"], "kills"),
    "cuts": lambda counts: counted(counts["moments and seeds tried"], "power cuts"),
    "disks": injected,
    "locks": contended,
    "surroundings": lambda counts: counted(sum(counts.values()), "cases"),
    "hostile": lambda counts: f"{counted(counts['hostile files'], 'files')}, {counted(counts['commands'], 'commands')}",
    "flips": lambda counts: counted(total(counts, ": flipped"), "bits"),
    "fuzz": lambda counts: counted(counts["inputs"], "inputs"),
}


def in_words(label: str) -> str:
    for old, new in WORDS.items():
        label = label.replace(old, new)
    return label


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def sections(records: Path) -> Found:
    """Return the newest run of each campaign, by the time in its record."""
    read = [(path, json.loads(path.read_text())) for path in records.glob("*.json")]
    found: Found = {}
    for path, record in sorted(read, key=lambda one: one[1]["when"]):
        found |= {name: (path, record) for name in record["campaigns"]}
    # A campaign without an extent is an error, not a row less.
    return {name: found[name] for name in sorted(found, key=list(EXTENTS).index)}


def summary(found: Found) -> str:
    """Return a row for each campaign: its extent, its failures, its record."""
    rows = []
    for name, (path, record) in found.items():
        campaign = record["campaigns"][name]
        title = in_words(campaign["title"])
        heading = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        run = f"[record](../faults/record/{path.name})"
        extent = EXTENTS[name](campaign["counts"])
        rows.append([f"[{title}](#{heading})", extent, f"{len(campaign['failures']):,}", run])
    return table(["test", "tried", "failures", ""], rows)


def details(found: Found) -> str:
    """Return all counts. Labels `a: b` with at least three b make a table of a by b."""
    text = ""
    for name, (_, record) in found.items():
        campaign, machine = record["campaigns"][name], record["machine"]
        groups: dict[str, Counts] = {}
        for label, count in campaign["counts"].items():
            row, _, column = label.rpartition(": ")
            groups.setdefault(row, {})[column] = count
        wide = {row: cells for row, cells in groups.items() if row and len(cells) >= 3}
        text += f"\n**{in_words(campaign['title'])}**, {campaign['seconds'] / 60:.1f} minutes on {machine['cores']} cores of "
        text += f"{machine['cpu']}, commit {record['git_commit'][:10]}:\n"
        if wide:
            columns = list(next(iter(wide.values())))
            rows = [[in_words(row), *(f"{cells.get(column, 0):,}" for column in columns)] for row, cells in wide.items()]
            text += "\n" + table(["", *columns], rows)
        rows = [
            [in_words(label), f"{count:,}"]
            for label, count in campaign["counts"].items()
            if label.rpartition(": ")[0] not in wide
        ]
        if rows:
            text += "\n" + table(["", "count"], rows)
    return f"{text}\n"


def rendered(records: Path = RECORDS) -> str:
    """Return the page with new tables; without a record, the page unchanged."""
    text, found = (ROOT / PAGE).read_text(), sections(records)
    if not found:
        return text
    text = SUMMARY.sub(lambda marks: marks[1] + summary(found) + marks[2], text)
    return DETAILS.sub(lambda marks: marks[1] + details(found) + marks[2], text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=Path, default=RECORDS, help="the folder of the records")
    parser.add_argument("--into", type=Path, default=ROOT, help="the folder to write docs/ in")
    arguments = parser.parse_args()
    path = arguments.into / PAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(rendered(arguments.records))
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
