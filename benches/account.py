"""Runs a command and prints the kernel's account as JSON: seconds, processor time, peak memory.

It imports little, because the account of a process starts with the memory of its parent. The time of
the first thread is separate: `qorpus generate` commits in it.

    python -I benches/account.py COMMAND ARGUMENTS...
"""

import json
import os
import sys
import time


def processor_time_of_first_thread(process: int) -> float:
    """Return the seconds that the thread has run; it may have ended."""
    with open(f"/proc/{process}/task/{process}/schedstat") as file:
        return int(file.read().split()[0]) / 1e9


def main() -> None:
    start = time.perf_counter()
    process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
    # The process has ended, but its account is still there.
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
    seconds, first = time.perf_counter() - start, processor_time_of_first_thread(process)
    _, status, usage = os.wait4(process, 0)
    account = {
        "status": os.waitstatus_to_exitcode(status),
        "seconds": seconds,
        "user": usage.ru_utime,
        "system": usage.ru_stime,
        "first_thread": first,
        "peak_bytes": usage.ru_maxrss << 10,
    }
    print(json.dumps(account))


if __name__ == "__main__":
    main()
