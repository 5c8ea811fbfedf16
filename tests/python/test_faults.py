"""The fault campaigns find what is wrong when something is, and no number that is shown is other
than a record's.

The campaigns themselves are run by scripts/faults, and in small by scripts/test.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import writing
from command import ROOT

FAULTS = ROOT / "faults"
sys.path.insert(0, str(FAULTS))

import crash_states  # noqa: E402
import flips  # noqa: E402
import ledger  # noqa: E402
import oracle  # noqa: E402
import power_cuts  # noqa: E402
import tracing  # noqa: E402
from jobs import BY_NAME  # noqa: E402
from process_server import ProcessServer  # noqa: E402
from shim import Fault  # noqa: E402


@pytest.fixture(scope="module")
def server():
    with ProcessServer() as made:
        yield made


def finished(server, job):
    """Return the directory of an undisturbed run, and its end."""
    end = oracle.undisturbed(server, job)
    return server.root / "undisturbed", end


@pytest.mark.parametrize("name", ["Writer", "generate"])
def test_a_ledger_that_claims_more_than_there_is_is_reported(server, name):
    job = BY_NAME[name]
    directory, end = finished(server, job)
    told = ledger.ledgers(directory)
    assert oracle.examine(server, directory, job, told, end, True) == oracle.Finding(oracle.WHOLE)
    told["0.ledger"] += f"{end.records + 1}\n"
    found = oracle.examine(server, directory, job, told, end, False)
    assert found.state == oracle.LOST and str(end.records + 1) in found.reason


@pytest.mark.parametrize("sqlite_first", [True, False])
def test_changed_bytes_are_reported(server, sqlite_first):
    """In the middle of a chunk SQLite does not see it: Qorpus must."""
    job = BY_NAME["Writer"]
    directory, end = finished(server, job)
    told, path = ledger.ledgers(directory), directory / "c.db"
    content = bytearray(path.read_bytes())
    content[content.index(writing.unitaries(0, [5]).tobytes())] ^= 1
    path.write_bytes(content)
    assert oracle.examine(server, directory, job, told, end, sqlite_first).state == oracle.RUINED


def test_records_of_another_run_are_reported(server):
    job = BY_NAME["Writers, three processes"]
    directory, end = finished(server, job)
    keys = oracle.expanded(end.keys)
    other = oracle.Final(end.records, end.hash, [[process, number, number + 1] for process, number in reversed(keys)])
    found = oracle.examine(server, directory, job, {}, other, True, same_run=True)
    assert found.state == oracle.RUINED and "first ones" in found.reason


def test_what_a_killed_process_told_nobody_of_may_stay(server):
    """Its last commit may follow the run's records, whole, and nothing else."""
    job = BY_NAME["Writers, three processes"]
    directory, end = finished(server, job)
    keys = oracle.expanded(end.keys)
    last = next(place for place in range(len(keys)) if len({process for process, _ in keys[place:]}) == 1)
    own = len(keys) - last
    # In this run others came next.
    other = oracle.Final(end.records, end.hash, [[p, n, n + 1] for p, n in keys[:last] + keys[last:][::-1]])
    for unacknowledged, state in [(own, oracle.WHOLE), (own - 1, oracle.RUINED), (0, oracle.RUINED)]:
        assert oracle.examine(server, directory, job, {}, other, True, True, unacknowledged).state == state


def test_the_shim_counts_kills_and_fails(server):
    job = BY_NAME["generate"]
    # The step is a write to the corpus; others, like the sign in the lock file, may fail.
    for fault, status in [(None, 0), (Fault(30, "kill-within"), -9), (Fault(30, "EIO"), 1), (Fault(10**6, "EIO"), 0)]:
        directory = server.directory()
        observed = server.observed(directory)
        (answer,) = server.run(*job.requests(server, directory, "full"), environment=observed.environment(fault))
        assert answer.status == status, answer
        assert observed.steps() > 100 if status == 0 else observed.steps() >= 30


def test_a_trace_replayed_is_the_directory(server):
    """Nothing that changes the files escapes the shim: with every write kept, the last moment is
    what is there."""
    for name in ("generate", "generate, resumed after a kill", "Writers, three processes"):
        trace, _ = power_cuts.record(server, BY_NAME[name], "full")
        directory = server.root / "recorded"
        replayed = crash_states.CrashStates(trace).state(len(trace.events), seed_that_keeps(trace))
        assert replayed == {path.name: path.read_bytes() for path in directory.iterdir()}, name


def seed_that_keeps(trace):
    """Return a seed of a crash state that keeps everything and tears nothing."""
    return next(seed for seed in range(1000) if keeps_all(len(trace.events), seed))


def keeps_all(crash, seed):
    keep, tear = crash_states.odds(crash_states.random.Random(f"{crash} {seed}"))
    return all(keep() for _ in range(200)) and not any(tear() for _ in range(200))


def trace_of(*events):
    trace = tracing.Trace.__new__(tracing.Trace)
    trace.before, trace.names, trace.events = {"f": b"a" * 8192}, {1: "f"}, list(events)
    return trace


def event(kind, data=b"", error=0, file=1, name=""):
    return tracing.Event(kind, error, file, name, 0, data)


def outcomes(trace, lying_disk=False):
    states = crash_states.CrashStates(trace, lying_disk)
    return [states.state(len(trace.events), seed) for seed in range(300)]


def test_synced_bytes_last_and_nothing_else():
    new = b"b" * 8192
    write, sync = event(tracing.WRITE, new), event(tracing.SYNC)
    assert all(left == {"f": new} for left in outcomes(trace_of(write, sync)))
    # A disk that lies, a sync that failed although a later one did not, and no sync at all.
    for left in (
        outcomes(trace_of(write, sync), lying_disk=True),
        outcomes(trace_of(write, event(tracing.SYNC, error=5), sync)),
        outcomes(trace_of(write)),
    ):
        contents = {one["f"] for one in left}
        assert {b"a" * 8192, new} < contents, "it is kept, dropped and torn"


def test_a_new_name_lasts_from_a_sync_of_the_directory_on():
    made, sync, of_directory = (
        event(tracing.CREATE, file=2, name="g"),
        event(tracing.SYNC, file=2),
        event(tracing.SYNC, file=0),
    )
    assert {"g" in left for left in outcomes(trace_of(made, sync))} == {True, False}
    assert all(left["g"] == b"" for left in outcomes(trace_of(made, of_directory)))


def test_pages_show_the_records(tmp_path):
    """The page is equal to the committed one when it is rendered again."""
    subprocess.run([sys.executable, FAULTS / "render.py", "--into", tmp_path], check=True, capture_output=True)
    made = (tmp_path / "docs/reliability.md").read_bytes()
    assert (ROOT / "docs/reliability.md").read_bytes() == made, "run faults/render.py"


def test_free_space_is_never_read(tmp_path):
    """Whatever bytes are there, Qorpus reads the same records, and SQLite finds the file in
    order."""
    for path in flips.small(tmp_path):
        content, truth = bytearray(path.read_bytes()), flips.reading(path)
        spans = flips.free(bytes(content))
        assert sum(map(len, spans)) > 0.9 * len(content)
        for span in spans:
            content[span.start : span.stop] = os.urandom(len(span))
        path.write_bytes(content)
        assert flips.reading(path) == truth and oracle.integrity(path) == "ok"


def of_session(session):
    """Yield processes of a session that have not ended."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of, *_ = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(of) == session and state != "Z":
            yield int(path.parent.name)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_campaign_leaves_nothing_behind(tmp_path, number):
    call = f"process_server.workspace = {str(tmp_path)!r}; sys.argv[1:] = ['--quick', '--only', 'kills']; sys.exit(campaign.main())"
    program = f"import sys; sys.path.insert(0, {str(FAULTS)!r}); import campaign, process_server; {call}"
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
    process = subprocess.Popen([sys.executable, "-c", program], **options)
    # Corpora are being made.
    while not list(tmp_path.glob("*/*/observed/*")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    process.send_signal(number)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 128 + number, said
    assert list(tmp_path.iterdir()) == [] and list(of_session(process.pid)) == [], said
