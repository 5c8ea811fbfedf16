"""Writes the table of docs/reliability.md from the newest run of each campaign under faults/record.

A test compares the committed page with this, so every number there is a record's.

    .venv/bin/python faults/render.py
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from built import ROOT

RECORDS = ROOT / "faults" / "record"
PAGE = Path("docs/reliability.md")
MARKED = re.compile(r"(<!-- campaigns -->\n).*?(<!-- /campaigns -->)", re.DOTALL)


def spaced(count: int) -> str:
    return f"{count:,}".replace(",", " ")


def sections(records: Path) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Return the newest run of each campaign. Names have no time of day, records have."""
    read = [(path, json.loads(path.read_text())) for path in records.glob("*.json")]
    found: dict[str, tuple[Path, dict[str, Any]]] = {}
    for path, record in sorted(read, key=lambda one: one[1]["when"]):
        found |= {name: (path, record) for name in record["campaigns"]}
    return found


def table(found: dict[str, tuple[Path, dict[str, Any]]]) -> str:
    lines = ["| campaign | what | count |", "| --- | --- | --- |"]
    for name, (path, record) in found.items():
        campaign, machine = record["campaigns"][name], record["machine"]
        title = f"**{campaign['title']}**"
        for what, count in [*campaign["counts"].items(), ("failures", len(campaign["failures"]))]:
            lines.append(f"| {title} | {what} | {spaced(count)} |")
            title = ""
        run = f"{campaign['seconds'] / 60:.1f} minutes at {record['git_commit'][:10]}, {machine['cpu']}, {machine['cores']} cores"
        lines.append(f"| | [record](../faults/record/{path.name}) | {run} |")
    return "\n".join(lines) + "\n"


def rendered(records: Path = RECORDS) -> str:
    """Return the page with a new table; without a record, the page as it is."""
    text, found = (ROOT / PAGE).read_text(), sections(records)
    return MARKED.sub(lambda marks: marks[1] + table(found) + marks[2], text) if found else text


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
