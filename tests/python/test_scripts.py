"""The scripts build where CARGO_TARGET_DIR says, and what they run looks there."""

import os
import re
import subprocess
import sys

import pytest
from command import ROOT

SCRIPTS = sorted(path for path in (ROOT / "scripts").iterdir() if path.is_file())
PROGRAMS = sorted(path for folder in ("faults", "benches", "tests/python") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize(("given", "expected"), [(None, "target"), ("elsewhere/built", "elsewhere/built"), ("/tmp/x y", "/tmp/x y")])
def test_where_scripts_build(given, expected):
    """Sourced, scripts/setup has an absolute directory, which cargo and the programs that scripts
    run get as well."""
    environment = {name: value for name, value in os.environ.items() if name not in ("CARGO_TARGET_DIR", "QORPUS_BIN")}
    environment |= {"CARGO_TARGET_DIR": given} if given else {}
    for folder, module in [("tests/python", "command"), ("benches", "harness"), ("faults", "built")]:
        program = f"import sys; sys.path.insert(0, {folder!r}); from {module} import TARGET, QORPUS; print(TARGET); print(QORPUS)"
        shell = f'set -eu; . scripts/setup; echo "$target"; "{sys.executable}" -c "{program}"'
        said = subprocess.run(["bash", "-c", shell], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        target = str(ROOT / expected)
        assert said.stdout.splitlines() == [target, target, os.path.realpath(f"{target}/release/qorpus")]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_name_no_directory_of_their_own(path):
    """Commands say $target; target/ alone is in comments only."""
    commands = [line.split(" #")[0] for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    assert [line for line in commands if re.search(r"(?<![\w$/-])target/", line)] == []


def test_programs_name_no_directory_of_their_own():
    """Programs join paths to TARGET, which one module of each folder defines."""
    found = [(path.name, line) for path in PROGRAMS for line in path.read_text().splitlines() if re.search(r'/ "target"', line)]
    assert found == [] or {name for name, _ in found} == {"test_scripts.py"}
