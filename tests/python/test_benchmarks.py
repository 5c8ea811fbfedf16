"""Every benchmark still runs and finds its answers right, and no number that is shown is other than
a record's."""

import os
import re
import subprocess
import sys

import pytest
from command import ROOT

BENCHES = ROOT / "benches"
#: The programs that have the options of a benchmark.
BENCHMARKS = sorted(path.name for path in BENCHES.glob("*.py") if "parser(__doc__, repetitions=" in path.read_text())


def run(*command):
    # Processes that a benchmark has started must not outlive it, nor this test.
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, timeout=1800, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_benchmarks_are_found():
    expected = "baseline clifford_classes cliffords constraints criterion distinct free_angles gym haar peers scaling tableaus unitaries"
    assert BENCHMARKS == [f"{name}.py" for name in expected.split()]
    script = (ROOT / "scripts/bench").read_text()
    assert all(f"benches/{name}" in script for name in BENCHMARKS)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_smoke(name, tmp_path):
    before = set((BENCHES / "record").iterdir())
    # Cargo has its own place; the others write where they are told.
    said = run(BENCHES / name, "--smoke", "--directory", tmp_path)
    assert "of the processors were used by others" in said
    assert set((BENCHES / "record").iterdir()) == before, "a smoke run records nothing"
    assert not os.listdir(tmp_path), "something was left behind"


def test_pages_show_the_records(tmp_path):
    """Rendered again, the page, its plots and the README are as they are committed."""
    run(BENCHES / "render.py", "--into", tmp_path)
    made = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    for name in made:
        assert (ROOT / name).read_bytes() == (tmp_path / name).read_bytes(), f"{name}: run benches/render.py"
    shown = {path.relative_to(ROOT) for path in (ROOT / "docs/benchmarks").glob("*")}
    assert shown <= made, "a plot of no record"


def test_only_records_that_a_page_shows_are_kept():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    shown = set(re.findall(r"benches/record/(\d[\w-]+\.json)", "".join(page.read_text() for page in pages)))
    assert {path.name for path in (BENCHES / "record").iterdir()} == shown, "git rm what newer records replace"
