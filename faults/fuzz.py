"""Coverage-guided fuzzing of everything read from outside, by nightly Rust and cargo-fuzz.

Without them it prints a note, and `cargo test` remains: it checks the properties on the seeds, on
every input that was ever found, and on some thousand mutations of them.
"""

import os
import re
import subprocess
from collections import Counter

from built import ROOT, TARGET
from outcome import Outcome, Summary

TITLE = "Fuzzing"
TARGETS = ["chunk", "recipe", "gates", "circuit", "file"]
#: The time of each target, after it is built.
SECONDS = 45
#: The memory that an input may take, in all and in one allocation.
MEMORY_MIB, ALLOCATION_MIB = 1024, 256
FUZZ = ["cargo", "+nightly", "fuzz"]


def is_missing() -> bool:
    try:
        return subprocess.run([*FUZZ, "--version"], capture_output=True, cwd=ROOT).returncode != 0
    except FileNotFoundError:
        return True


def tasks(quick: bool, seed: int) -> list[str]:
    """Return all targets; none in a quick run, as `cargo test` checks the same properties."""
    if not quick and is_missing():
        print(f"no fuzzing: '{' '.join(FUZZ)}' fails; install nightly Rust and 'cargo install cargo-fuzz'", flush=True)
        return []
    return [] if quick else TARGETS


def work(target: str) -> Outcome:
    # New inputs are kept out of the committed corpus; a person adds them.
    (found := TARGET / "fuzz" / "corpus" / target).mkdir(parents=True, exist_ok=True)
    committed = [ROOT / "fuzz" / name / target for name in ("corpus", "regressions")]
    folders = map(str, [found, *(folder for folder in committed if folder.is_dir())])
    limits = [f"-max_total_time={SECONDS}", f"-rss_limit_mb={MEMORY_MIB}", f"-malloc_limit_mb={ALLOCATION_MIB}"]
    command = [*FUZZ, "run", target, *folders, "--", *limits, "-timeout=20", "-max_len=8192", "-print_final_stats=1"]
    environment = os.environ | {"CARGO_TARGET_DIR": str(TARGET / "fuzz")}
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    executed = re.search(r"stat::number_of_executed_units: +(\d+)", process.stderr)
    failures = [f"{target}: {process.stderr[-3000:]}"] if process.returncode else []
    return Outcome(Counter({f"inputs of {target}": int(executed[1]) if executed else 0}), failures)


def summed(counts: Counter[str]) -> Summary:
    missed = [f"control: {what}: none" for what, count in counts.items() if not count]
    return {"inputs": sum(counts.values())} | dict(sorted(counts.items())), missed
