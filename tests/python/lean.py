"""The command of a build without features: it works, and names the feature that something needs.
scripts/test runs this.

    python3 lean.py target/debug/qorpus
"""

import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> None:
    program = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as directory:

        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run([program, *arguments], cwd=directory, capture_output=True, text=True)

        for arguments in [("generate", "c.db", "--random", "1k"), ("verify", "c.db"), ("export", "c.db", "c.npy")]:
            done = run(*arguments)
            assert done.returncode == 0, done.stderr
        before = sorted(Path(directory).iterdir())
        for feature, arguments in [
            ("parquet", ("export", "c.db", "c.parquet")),
            ("buckets", ("generate", "s3://bucket/prefix", "--random", "1k")),
            ("buckets", ("info", "s3://bucket/prefix")),
        ]:
            done = run(*arguments)
            assert done.returncode == 1, done
            assert f"'--features {feature}'" in done.stderr and done.stderr.count("\n") == 1, done.stderr
        assert sorted(Path(directory).iterdir()) == before
    print("the command works without features, and names them")


if __name__ == "__main__":
    main()
