"""An environment with the oldest Qiskit that pyproject.toml allows: made once, in the directory
that is named.

Run by scripts/setup, and by the test that needs it if it is not there yet.
"""

import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parents[1] / "qiskit-lowest.txt"
PAUSES = [0, 5, 15, 45]


def environment(directory: Path) -> Path:
    """The environment's Python. A change of the requirements makes it anew."""
    stamp, version = directory / "requirements.sha256", hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    python = directory / "bin" / "python"
    if stamp.is_file() and stamp.read_text() == version:
        return python
    shutil.rmtree(directory, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    pip = ["pip", "--python", python, "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
    # uv takes a tenth of pip's time, but need not be there. Networks fail now and then.
    for pause, install in [(0, ["uv", "pip", "install", "--quiet", "--python", python]), *((pause, pip) for pause in PAUSES)]:
        time.sleep(pause)
        if subprocess.run([sys.executable, "-m", *install, "-r", REQUIREMENTS]).returncode == 0:
            break
    else:
        raise SystemExit(f"the libraries of {REQUIREMENTS} could not be installed in {directory}")
    stamp.write_text(version)
    return python


if __name__ == "__main__":
    environment(Path(sys.argv[1]).resolve())
