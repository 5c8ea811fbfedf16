"""A module with debug assertions, as in a debug build, says when it is imported that it is slow:
run by scripts/test."""

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
        shutil.copy(sys.argv[1], package / "_qorpus.abi3.so")
        command = [sys.executable, "-c", "import qorpus"]
        found = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True).stderr
    assert "RuntimeWarning: qorpus was built without optimization" in found, found
    print("a debug build warns")


if __name__ == "__main__":
    main()
