"""A module with debug assertions, as in a debug build, says when it is imported that it is slow:
run by scripts/test.

    .venv/bin/python tests/python/debug.py WHEEL
"""

import subprocess
import sys
import tempfile
import zipfile


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        zipfile.ZipFile(sys.argv[1]).extractall(directory)
        command = [sys.executable, "-c", "import qorpus"]
        found = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True).stderr
    assert "RuntimeWarning: qorpus was built without optimization" in found, found
    print("a debug build warns")


if __name__ == "__main__":
    main()
