"""Coverage-guided fuzzing of what is read from outside, where nightly Rust and cargo-fuzz are.

Without them it says so, and what remains is `cargo test`, which runs the same properties on the seeds, on all that was
ever found, and on some thousand mutations of them.
"""

import os
import re
import subprocess
from collections import Counter
from pathlib import Path

from built import ROOT, TARGET

TITLE = "Fuzzing"
TARGETS = ["chunk", "recipe", "gates", "circuit", "file"]
#: For each target, after it is built.
SECONDS = 45
#: What an input may take in memory, in MiB: all of it, and at once.
MEMORY, ALLOCATION = 1024, 256
FUZZ = ["cargo", "+nightly", "fuzz"]


def is_missing() -> bool:
    try:
        return subprocess.run([*FUZZ, "--version"], capture_output=True, cwd=ROOT).returncode != 0
    except FileNotFoundError:
        return True


def tasks(quick: bool, seed: int) -> list[str]:
    """None in the quick run, where `cargo test` has tried the same properties."""
    if not quick and is_missing():
        print(f"no fuzzing: '{' '.join(FUZZ)}' fails; install nightly Rust and 'cargo install cargo-fuzz'", flush=True)
        return []
    return [] if quick else TARGETS


def work(target: str) -> tuple[Counter[str], list[str]]:
    # What is found stays out of the committed corpus until someone puts it there.
    (found := TARGET / "fuzz" / "corpus" / target).mkdir(parents=True, exist_ok=True)
    folders = [found, *(folder for name in ("corpus", "regressions") if (folder := ROOT / "fuzz" / name / target).is_dir())]
    limits = [f"-max_total_time={SECONDS}", f"-rss_limit_mb={MEMORY}", f"-malloc_limit_mb={ALLOCATION}", "-timeout=20", "-max_len=8192"]
    command = [*FUZZ, "run", target, *map(str, folders), "--", *limits, "-print_final_stats=1"]
    environment = os.environ | {"CARGO_TARGET_DIR": str(TARGET / "fuzz")}
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    executed = re.search(r"stat::number_of_executed_units: +(\d+)", process.stderr)
    failures = [f"{target}: {process.stderr[-3000:]}"] if process.returncode else []
    return Counter({f"inputs of {target}": int(executed[1]) if executed else 0}), failures


def summed(counts: Counter[str]) -> tuple[dict[str, int], list[str]]:
    missed = [f"control: {what}: none" for what, count in counts.items() if not count]
    return {"inputs": sum(counts.values())} | dict(sorted(counts.items())), missed
