"""Runs the benchmarks in Rust and records Criterion's medians and their confidence intervals.

Older results in target/criterion are left out.

    target/package/bin/python benches/criterion.py          # after scripts/test or scripts/bench
"""

import json
import subprocess
import time

from harness import ROOT, TARGET, Neighbours, keep, parser


def run(smoke: bool) -> None:
    """Run all benchmarks of all crates, which check their answers first."""
    # With another profile, other packages or features, libraries would be compiled again.
    checked = ["test", "--release", "--config", "scripts/libraries.toml", "--config", "scripts/checked.toml"]
    command = ["cargo", *(checked if smoke else ["bench"]), "--quiet", "--locked", "--workspace", "--all-features"]
    for path in sorted(ROOT.glob("crates/*/benches/*.rs")):
        command += ["--bench", path.stem]
    subprocess.run(command, check=True, cwd=ROOT)


def estimates(since: float) -> dict[str, dict]:
    """Return the results since a moment by name: median nanoseconds and elements a second."""
    found = {}
    for path in sorted((TARGET / "criterion").rglob("new/estimates.json")):
        if path.stat().st_mtime < since:
            continue
        median = json.loads(path.read_text())["median"]
        about = json.loads(path.with_name("benchmark.json").read_text())
        interval = median["confidence_interval"]
        row = {"nanoseconds": rounded(median["point_estimate"])}
        row["confidence"] = [rounded(interval["lower_bound"]), rounded(interval["upper_bound"])]
        for unit, amount in (about["throughput"] or {}).items():
            row[f"{unit.lower()}_per_second"] = rounded(amount / median["point_estimate"] * 1e9)
        found[about["full_id"]] = row
    return found


def rounded(number: float) -> float:
    return float(f"{number:.5g}")


def main() -> None:
    arguments = parser(__doc__, repetitions=1).parse_args()
    neighbours, since = Neighbours(), time.time()
    run(arguments.smoke)
    found = estimates(since)
    keep("rust", arguments, {"benchmarks": found}, neighbours)


if __name__ == "__main__":
    main()
