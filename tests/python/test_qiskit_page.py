"""The page "Exact tables in Qiskit" shows the record of its benchmark, which still runs."""

import importlib.util
import json
import subprocess
import sys

import pytest
from command import ROOT

PAGE = ROOT / "docs/qiskit.md"
RECORD = ROOT / "docs/qiskit/gap.json"
BENCH = ROOT / "benches/optimality_gap.py"


@pytest.fixture(scope="module")
def bench():
    sys.path.insert(0, str(BENCH.parent))
    spec = importlib.util.spec_from_file_location("optimality_gap", BENCH)
    found = importlib.util.module_from_spec(spec)
    sys.modules["optimality_gap"] = found
    spec.loader.exec_module(found)
    yield found
    sys.path.remove(str(BENCH.parent))


def test_page_shows_the_record(bench, tmp_path):
    record, page = json.loads(RECORD.read_text()), PAGE.read_text()
    assert bench.table(record) in page, "paste what benches/optimality_gap.py prints"
    assert "(qiskit/gap.svg)" in page and "(qiskit/gap.json)" in page
    bench.plot(record, tmp_path / "gap.svg")
    assert (tmp_path / "gap.svg").read_text() == RECORD.with_suffix(".svg").read_text(), "draw it again"
    (targets,) = {problem["targets"] for problem in record["problems"]}
    assert f"{targets:,} uniformly random" in page and f"shortest of {record['searches']}" in page
    for name in ("qiskit", "qiskit-gym"):
        assert record["versions"][name] in page


def test_record_is_of_the_benchmark(bench):
    """Every problem and method has its row, and those of tables are optimal."""
    record = json.loads(RECORD.read_text())
    for problem, row in zip(bench.problems(smoke=False), record["problems"], strict=True):
        assert row["name"] == problem.name
        assert {f"Qiskit, {method}" for method in problem.methods} <= row["methods"].keys()
        assert (problem.model is None) == (not any(name.startswith("qiskit-gym") for name in row["methods"]))
        for name, method in row["methods"].items():
            assert method["solved"] == row["targets"] >= method["optimal"]
            assert (method["excess"] == 0) == (method["optimal"] == row["targets"]), name
            assert name != "Qorpus" or method["excess"] == 0


def test_benchmark_runs(tmp_path):
    """It fails if a circuit is not its target, or shorter than the optimum."""
    arguments = ["--smoke", "--targets", "10", "--directory", tmp_path, "--record", tmp_path / "gap.json"]
    done = subprocess.run([sys.executable, BENCH, *arguments], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    problems = json.loads((tmp_path / "gap.json").read_text())["problems"]
    assert [problem["methods"]["Qorpus"]["optimal"] for problem in problems] == [10] * 6
    assert [path.name for path in tmp_path.iterdir()] == ["gap.json"], "a table was left behind"
