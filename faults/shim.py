"""The shim (shim.c), compiled, and what the processes behind it are told."""

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from built import ROOT, TARGET

SOURCE = ROOT / "faults" / "shim.c"


@dataclass(frozen=True)
class Fault:
    """What happens at the step `at`; see shim.c for the names."""

    at: int
    action: str
    kinds: tuple[str, ...] = ()
    for_ever: bool = False

    def __str__(self) -> str:
        kinds = f" of {', '.join(self.kinds)}" if self.kinds else ""
        return f"{self.action} at step {self.at}{kinds}{' and ever after' if self.for_ever else ''}"


class Observed:
    """A directory whose changes are seen; the counter and the trace lie in another."""

    def __init__(self, directory: Path, scratch: Path):
        self.directory = directory.resolve()
        self.state, self.trace = scratch / "state", scratch / "trace"

    def environment(self, fault: Fault | None = None, record: bool = False, go_on: bool = False) -> dict[str, str]:
        """For processes that begin now; the counter starts at nought, and the trace does unless it is to `go_on`."""
        self.state.write_bytes(bytes(4096))
        told = {"FAULTS_DIRECTORY": str(self.directory), "FAULTS_STATE": str(self.state)}
        if record:
            told["FAULTS_TRACE"] = str(self.trace)
            if not go_on:
                self.trace.write_bytes(b"")
        if fault:
            told |= {"FAULTS_AT": str(fault.at), "FAULTS_ACTION": fault.action}
            told |= {"FAULTS_KINDS": ",".join(fault.kinds)} if fault.kinds else {}
            told |= {"FAULTS_FOR_EVER": "1"} if fault.for_ever else {}
        return told

    def steps(self) -> int:
        """How many there were."""
        return int.from_bytes(self.state.read_bytes()[:8], "little")


def library() -> Path:
    """The shim's shared object, for LD_PRELOAD."""
    name = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    path = TARGET / "faults" / f"shim-{name}.so"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        warnings = ["-Wall", "-Wextra", "-Werror"]
        command = ["cc", "-O2", *warnings, "-shared", "-fPIC", "-o", str(draft), str(SOURCE), "-ldl", "-pthread"]
        subprocess.run(command, check=True)
        draft.replace(path)
    return path
