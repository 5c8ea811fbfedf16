"""What was built, and where: in target, or where CARGO_TARGET_DIR says."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: Where cargo builds. A relative path is one from the root of the repository, where the scripts run.
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")

#: The command.
QORPUS = Path(os.environ.get("QORPUS_BIN", TARGET / "release" / "qorpus")).resolve()
