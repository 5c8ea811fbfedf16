"""Writes the table of docs/reliability.md from the newest record under faults/record.

A test checks that what is committed is what this makes, so no number there can be other than the record's.

    .venv/bin/python faults/render.py
"""

import argparse
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "faults" / "record"
PAGE = Path("docs/reliability.md")
MARKED = re.compile(r"(<!-- campaigns -->\n).*?(<!-- /campaigns -->)", re.DOTALL)


def spaced(count: int) -> str:
    return f"{count:,}".replace(",", " ")


def newest(records: Path) -> Path | None:
    """By the time of day as well: names alone do not tell."""
    return max(records.glob("*.json"), key=lambda path: json.loads(path.read_text())["when"], default=None)


def table(path: Path) -> str:
    record = json.loads(path.read_text())
    machine, campaigns = record["machine"], record["campaigns"]
    minutes = sum(campaign["seconds"] for campaign in campaigns.values()) / 60
    lines = [
        f"From the record `faults/record/{path.name}`: {machine['cpu']}, {machine['cores']} cores, {minutes:.0f} minutes; "
        f"the other SQLite is {machine['other_sqlite']}.\n",
        "| campaign | what | count |",
        "| --- | --- | --- |",
    ]
    for campaign in campaigns.values():
        title = f"**{campaign['title']}**"
        for what, count in [*campaign["counts"].items(), ("failures", len(campaign["failures"]))]:
            lines.append(f"| {title} | {what} | {spaced(count)} |")
            title = ""
    return "\n".join(lines) + "\n"


def rendered(records: Path = RECORDS) -> str:
    """The page, with the table made again; as it is while there is no record."""
    text, path = (ROOT / PAGE).read_text(), newest(records)
    return MARKED.sub(lambda found: found[1] + table(path) + found[2], text) if path else text


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
