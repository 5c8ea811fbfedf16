"""The compiled shim (shim.c), and the environment that tells processes what to do under it."""

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from built import ROOT, TARGET

SOURCE = ROOT / "faults" / "shim.c"
#: The moments of a step at which SIGKILL may come.
KILLS = ("kill-before", "kill-within", "kill-after")


@dataclass(frozen=True)
class Fault:
    """An action at the step `at`; shim.c has the names."""

    at: int
    action: str
    kinds: tuple[str, ...] = ()
    for_ever: bool = False

    def __str__(self) -> str:
        kinds = f" of {', '.join(self.kinds)}" if self.kinds else ""
        return f"{self.action} at step {self.at}{kinds}{' and ever after' if self.for_ever else ''}"


class Observed:
    """A directory whose changes the shim sees; its counter and trace are elsewhere."""

    def __init__(self, directory: Path, scratch: Path):
        self.directory = directory.resolve()
        self.state, self.trace = scratch / "state", scratch / "trace"

    def environment(self, fault: Fault | None = None, record: bool = False, append: bool = False) -> dict[str, str]:
        """Reset the counter, and the trace unless `append`; return variables for new processes."""
        self.state.write_bytes(bytes(4096))
        variables = {"FAULTS_DIRECTORY": str(self.directory), "FAULTS_STATE": str(self.state)}
        if record:
            variables["FAULTS_TRACE"] = str(self.trace)
            if not append:
                self.trace.write_bytes(b"")
        if fault:
            variables |= {"FAULTS_AT": str(fault.at), "FAULTS_ACTION": fault.action}
            variables |= {"FAULTS_KINDS": ",".join(fault.kinds)} if fault.kinds else {}
            variables |= {"FAULTS_FOR_EVER": "1"} if fault.for_ever else {}
        return variables

    def steps(self) -> int:
        """Return how many steps were made."""
        return int.from_bytes(self.state.read_bytes()[:8], "little")


def library() -> Path:
    """Return the shim as a shared object for LD_PRELOAD, compiled if need be."""
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
