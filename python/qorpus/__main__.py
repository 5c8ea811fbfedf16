"""The `qorpus` command, which runs the code of the binary."""

import sys

from qorpus._qorpus import command


def main() -> int:
    """Run the command with the arguments of this process, and return its exit status."""
    return command(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
