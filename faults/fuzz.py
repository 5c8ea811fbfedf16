"""Coverage-guided fuzzing of what is read from outside, where nightly Rust and cargo-fuzz are.

    python faults/fuzz.py [--seconds N]

Without them it says so, and what remains is `cargo test`, which runs the same properties on the seeds, on all that was
ever found, and on some thousand mutations of them.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TITLE = "Fuzzing"
TARGETS = ["chunk", "recipe", "gates", "circuit", "file"]
# What an input may take in memory, in MiB: all of it, and at once.
MEMORY, ALLOCATION = 1024, 256


def missing() -> str | None:
    """What is not there, if anything is."""
    for command in [["cargo", "+nightly", "--version"], ["cargo", "+nightly", "fuzz", "--version"]]:
        try:
            if subprocess.run(command, capture_output=True, cwd=ROOT).returncode == 0:
                continue
        except FileNotFoundError:
            pass
        return " ".join(command)
    return None


def fuzz(seconds: int) -> tuple[dict[str, int], list[str]]:
    """Fuzzes each target for so long: what was counted, and what must be mended."""
    counts: Counter = Counter()
    failures: list[str] = []
    if reason := missing():
        print(f"no fuzzing: '{reason}' fails; install nightly Rust and 'cargo install cargo-fuzz'", file=sys.stderr)
        return {"fuzz executions": 0}, []
    environment = os.environ | {"CARGO_TARGET_DIR": str(ROOT / "target" / "fuzz")}
    for target in TARGETS:
        # What is found stays out of the committed corpus until someone puts it there.
        (found := ROOT / "target" / "fuzz" / "corpus" / target).mkdir(parents=True, exist_ok=True)
        seeds = [folder for name in ["corpus", "regressions"] if (folder := ROOT / "fuzz" / name / target).is_dir()]
        limits = [f"-max_total_time={seconds}", f"-rss_limit_mb={MEMORY}", f"-malloc_limit_mb={ALLOCATION}", "-timeout=20", "-max_len=8192"]
        command = ["cargo", "+nightly", "fuzz", "run", target, found, *seeds, "--", *limits, "-print_final_stats=1"]
        process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        executed = re.search(r"stat::number_of_executed_units: +(\d+)", process.stderr)
        counts["fuzz executions"] += int(executed[1]) if executed else 0
        counts[f"executions of {target}"] = int(executed[1]) if executed else 0
        counts["fuzz seconds"] += seconds
        if process.returncode != 0:
            failures.append(f"{target}: {process.stderr[-3000:]}")
            print(failures[-1], file=sys.stderr)
    return dict(counts), failures


def tasks(quick: bool, seed: int) -> list[int]:
    """Seconds for each target: none in the quick run, where `cargo test` has tried the same properties."""
    return [] if quick else [100]


def work(seconds: int) -> tuple[Counter, list[str]]:
    counts, failures = fuzz(seconds)
    return Counter(counts), failures


def summed(counts: Counter) -> tuple[dict, list[str]]:
    return dict(counts), []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=120, help="for each target")
    counts, failures = fuzz(parser.parse_args().seconds)
    print(json.dumps(counts))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
