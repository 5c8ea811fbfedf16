"""The `qorpus` command, which runs the code of the binary."""

from __future__ import annotations

import os
import sys

from qorpus._qorpus import command


def main() -> int:
    """Run the command with the arguments of this process, and return its exit status."""
    return command(sys.argv[1:], view)


def view(corpus: os.PathLike[str], port: int | None, open: bool) -> int:
    """Serve a corpus to a browser until Ctrl-C, and return the exit status."""
    try:
        from qorpus.view.server import serve
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "qorpus":
            raise
        print("error: 'qorpus view' needs Datasette; pip install 'qorpus[view]'", file=sys.stderr)
        return 1
    return serve(os.fspath(corpus), port, open)


if __name__ == "__main__":
    sys.exit(main())
