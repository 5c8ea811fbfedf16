"""The `qorpus` command: the same as the binary, by the same code."""

import sys

from qorpus._qorpus import command


def main() -> int:
    """Runs the command with the arguments of this process and returns its exit status."""
    return command(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
