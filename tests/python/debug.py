"""A module that was built without optimisation says so when it is imported: run by scripts/test after a debug build."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        package = Path(directory) / "qorpus"
        shutil.copytree(ROOT / "python" / "qorpus", package, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "target" / "debug" / "lib_qorpus.so", package / "_qorpus.abi3.so")
        command = [sys.executable, "-c", "import qorpus"]
        found = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True).stderr
    assert "RuntimeWarning: qorpus was built without optimisation" in found, found
    print("a debug build warns")


if __name__ == "__main__":
    main()
