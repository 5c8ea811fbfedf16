"""The paths of the build: in target, or in CARGO_TARGET_DIR."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: Cargo's directory. A relative path starts at the root of the repository, where scripts run.
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
#: The command.
QORPUS = Path(os.environ.get("QORPUS_BIN", TARGET / "release" / "qorpus")).resolve()

# `writing` has the records that writers append, for tests and campaigns.
sys.path.append(str(ROOT / "tests" / "python"))
