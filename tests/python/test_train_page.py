"""The page "Train a compiler" shows the records of its examples."""

import importlib.util
import json
import re
import sys

import pytest
from command import ROOT

PAGE = ROOT / "docs/train.md"
RECORDS = ROOT / "docs/train"


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"examples/{name}.py")
    found = importlib.util.module_from_spec(spec)
    sys.modules[name] = found
    spec.loader.exec_module(found)
    return found


@pytest.mark.parametrize("name", ["agent", "ppo"])
def test_page_shows_the_record(name, tmp_path):
    example = load(f"train_{name}")
    record = json.loads((RECORDS / f"{name}.json").read_text())
    page = PAGE.read_text()
    assert example.table(record) in page, f"paste what examples/train_{name}.py prints"
    assert f"(train/{name}.svg)" in page and f"(train/{name}.json)" in page
    example.plot(record, tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").read_text() == (RECORDS / f"{name}.svg").read_text(), "draw it again"
    assert record["processor_minutes"] < 10
    assert f"{record['processor_minutes']:.1f} minutes" in re.sub(r"\s+", " ", page)


def test_network_keeps_its_promises():
    record = json.loads((RECORDS / "agent.json").read_text())
    rows = record["scores"][f"network, beam {record['beams'][-1]}"]["rows"]
    assert [row["distance"] for row in rows] == list(range(1, record["farthest"] + 1))
    for row in rows[: record["longest"]]:
        assert row["solved"] >= 0.95 * row["targets"]
        assert row["excess"] < 0.5 * row["solved"]
    assert f"{record['unitaries']:,} unitaries" in PAGE.read_text()
