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
PAUSES = [5, 15, 45]


def environment(directory: Path) -> Path:
    """The environment's Python. A change of the requirements makes it anew."""
    stamp, version = directory / "requirements.sha256", hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    python = directory / "bin" / "python"
    if stamp.is_file() and stamp.read_text() == version:
        return python
    shutil.rmtree(directory, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", directory], check=True)
    install = [python, "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check", "-r", REQUIREMENTS]
    # Networks fail now and then.
    for pause in PAUSES:
        if subprocess.run(install).returncode == 0:
            break
        time.sleep(pause)
    else:
        subprocess.run(install, check=True)
    stamp.write_text(version)
    return python


if __name__ == "__main__":
    environment(Path(sys.argv[1]).resolve())
