"""Writes the table of docs/reliability.md from the newest run of each campaign under faults/record.

A test checks that what is committed is what this makes, so no number there can be other than the record's.

    .venv/bin/python faults/render.py
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "faults" / "record"
PAGE = Path("docs/reliability.md")
MARKED = re.compile(r"(<!-- campaigns -->\n).*?(<!-- /campaigns -->)", re.DOTALL)


def spaced(count: int) -> str:
    return f"{count:,}".replace(",", " ")


def sections(records: Path) -> dict[str, tuple[Path, dict[str, Any]]]:
    """The newest run of each campaign, by the time of day as well: names alone do not tell."""
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
    """The page, with the table made again; as it is while there is no record."""
    text, found = (ROOT / PAGE).read_text(), sections(records)
    return MARKED.sub(lambda marks: marks[1] + table(found) + marks[2], text) if found else text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=Path, default=RECORDS, help="where the records are")
    parser.add_argument("--into", type=Path, default=ROOT, help="where docs/ is written")
    arguments = parser.parse_args()
    path = arguments.into / PAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(rendered(arguments.records))
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
