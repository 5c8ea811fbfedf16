"""The page for clusters does what it says: each of its commands and each of its Python blocks runs,
smaller, section by section."""

import os
import re
import subprocess

import pytest
import qorpus
from command import PATIENCE, QORPUS, ROOT, generate, info
from nodes import STORE
from object_store import BUCKET, KEY, SECRET, running

PAGE = (ROOT / "docs" / "clusters.md").read_text()

#: The page's cluster, and its replacement here: smaller corpora in more shards than parts, and
#: directories of the test.
HERE = {
    "--random 10G": "--random 1M --shard 1",
    "--random 20G": "--random 1200k",
    'random="10G"': 'random="100k"',
    "7_000_000_000": "700_000",
    "/shared/": "shared/",
    "--stage /tmp": "--stage stage",
    'stage="/tmp"': 'stage="stage"',
    "s3://bucket": f"s3://{BUCKET}",
    "AWS_REGION=eu-1": "AWS_REGION=us-east-1",
    "AWS_ACCESS_KEY_ID=...": f"AWS_ACCESS_KEY_ID={KEY}",
    "AWS_SECRET_ACCESS_KEY=...": f"AWS_SECRET_ACCESS_KEY={SECRET}",
    "max_length=14": "max_length=4",
}

#: GNU parallel, as far as the page uses it: `parallel --jobs N COMMAND ::: ARGUMENTS`.
PARALLEL = """#!/bin/bash
set -euo pipefail
[ "$1" = --jobs ] && jobs=$2 && shift 2
command=()
while [ "$1" != ::: ]; do command+=("$1"); shift; done
shift
printf '%s\\n' "$@" | xargs -P "$jobs" -I {} "${command[@]}"
"""


def sections():
    """The commands and Python blocks of each section, in order."""
    found = {}
    for section in re.split(r"^#+ ", PAGE, flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        blocks = re.findall(r"^```python\n(.*?)^```$|((?:^    [^\n]+\n)+)", text, re.DOTALL | re.MULTILINE)
        if blocks:
            found[title] = [python or "".join(line[4:] + "\n" for line in shell.splitlines()) for python, shell in blocks]
    return found


SECTIONS = sections()


def is_shell(block):
    return all(line.split(" ")[0] in ("qorpus", "parallel", "export") for line in block.splitlines())


def here(block, store):
    for there, instead in {**HERE, "https://store.example": store.endpoint}.items():
        block = block.replace(there, instead)
    return block


@pytest.fixture(scope="module")
def store():
    with running() as store:
        yield store


@pytest.fixture
def page(tmp_path, store, monkeypatch):
    """Return a function that runs the blocks of a section, and returns exit statuses and results."""
    binaries = tmp_path / "bin"
    for directory in (binaries, tmp_path / "shared", tmp_path / "stage"):
        directory.mkdir()
    (binaries / "parallel").write_text(PARALLEL)
    (binaries / "parallel").chmod(0o755)
    (binaries / "qorpus").symlink_to(QORPUS)
    monkeypatch.chdir(tmp_path)
    environment = {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}", "QORPUS_CACHE": str(tmp_path / "cache")}
    environment |= {name: "127.0.0.1" for name in ("NO_PROXY", "no_proxy")}

    def run(title):
        statuses, namespace = [], {"qorpus": qorpus}
        for block in SECTIONS[title]:
            if is_shell(block):
                lines = (f"{line}\necho $? >> statuses\n" for line in here(block, store).splitlines())
                done = subprocess.run(["bash"], input="".join(lines), env=environment, capture_output=True, text=True, timeout=PATIENCE)
                assert "panicked" not in done.stderr and "not found" not in done.stderr, done.stderr
                assert "nothing to generate" not in done.stdout, done.stdout
                said = zip(block.splitlines(), (tmp_path / "statuses").read_text().split(), strict=True)
                statuses += [(line.split()[1] if line.startswith("qorpus") else line.split()[0], int(status)) for line, status in said]
                assert all(status == 0 or command == "seal" for command, status in statuses), f"{statuses}\n{done.stdout}\n{done.stderr}"
                (tmp_path / "statuses").unlink()
            else:
                exec(compile(here(block, store), title, "exec"), namespace)
        return statuses, namespace

    return run


def test_every_block_is_run_by_a_test_below():
    """A command that is written in a section without a test is found here."""
    assert set(SECTIONS) == {"Many machines", "Parts: GNU parallel, ssh", "While the job runs", "Grow it", "Network file systems", "Object stores", "Ray", "Distinct unitaries on Ray"}
    commands = [line for blocks in SECTIONS.values() for block in blocks if is_shell(block) for line in block.splitlines()]
    assert len(commands) == len(re.findall(r"^    \S", re.sub(r"^```.*?^```$", "", PAGE, flags=re.DOTALL | re.MULTILINE), re.MULTILINE))
    for there in HERE:
        assert there in PAGE, f"{there} is not in the page any more"


def test_one_machine(page):
    statuses, _ = page("Many machines")
    assert [command for command, _ in statuses] == ["generate", "info", "show", "verify", "plan"]
    assert info("big")["complete"]


def test_parts(page):
    statuses, _ = page("Parts: GNU parallel, ssh")
    assert statuses == [("parallel", 0), ("seal", 0)]
    assert info("big")["complete"]


def test_while_the_job_runs(page):
    for part in (0, 2):
        generate("big/", *"--gates h,s,t --qubits 1 --random 100k --length 100..120 --no-unitaries --shard 1".split(), "--part", f"{part}/4")
    statuses, namespace = page("While the job runs")
    assert statuses == [("info", 0), ("merge", 0)]
    assert info("so-far.db")["records"] == info("big")["unsealed"]["records"] == len(namespace["present"])
    assert namespace["state"]["present"] == namespace["present"].ranges and namespace["stream"].epoch == 1


def test_grow_it(page):
    page("Many machines")
    assert page("Grow it")[0] == [("generate", 0)]
    assert info("big")["complete"] and info("big")["records"] == 1_200_000


def test_network_file_systems(page, tmp_path):
    assert page("Network file systems")[0] == [("generate", 0)]
    assert info("shared/big")["unsealed"]["shards"] >= 1 and not list((tmp_path / "stage").rglob("*.db"))


def test_object_stores(page, store):
    statuses, _ = page("Object stores")
    # One part of many is there.
    assert statuses == [("export", 0), ("generate", 0), ("seal", 1), ("info", 0)]
    assert any(name.endswith(".db") for name in store.objects("big/"))


# Ray's own, of its own parts.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_ray(page):
    ray = pytest.importorskip("ray")
    ray.init(address="local", num_cpus=1, include_dashboard=False, object_store_memory=STORE, log_to_driver=False)
    try:
        _, namespace = page("Ray")
        assert namespace["corpus"].complete and namespace["dataset"].count() == 100_000
        _, namespace = page("Distinct unitaries on Ray")
        assert namespace["corpus"].complete
    finally:
        ray.shutdown()
