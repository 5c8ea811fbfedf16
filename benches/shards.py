"""Times opening and reading thousands of shards, and models a thousand nodes on a file system.

The first part measures small real shards. The second simulates forty thousand: sparse files with
true receipts, so that `seal` and `open` run without the files' bytes. A calculation follows from
these times. It prints JSON and records nothing.

    python benches/shards.py --qorpus target/release/qorpus --directory /var/tmp

With --ray, three Ray nodes on this machine generate records into a directory or bucket, while one
of them is killed and two tasks run twice. Then 10,000 random records are read back, and everything
is compared with a file that one process wrote.

    python benches/shards.py --ray s3://bucket/big --records 200M --directory /var/tmp
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import qorpus
import xxhash
from harness import QORPUS

# Long circuits make chunks of few records, and shards of one chunk are small.
SMALL = ["--gates", "h,s,t", "--qubits", "1", "--length", "200..300", "--no-unitaries"]
CHUNK = 975

# Operations of a node on a shared file system for a shard with --stage: create, link and remove a
# draft and its receipt, look at each twice, and sync both files and directories.
OPERATIONS = 14


def timed(action: Callable[[], Any]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def resident() -> int:
    """Return the megabytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def real(command: str, directory: Path, shards: int) -> dict[str, Any]:
    """Open and read many shards, beside one file with the same records."""
    one, many = directory / "one.db", directory / "many"
    recipe = [*SMALL, "--random", str(shards * CHUNK), "--quiet", "--durability", "off"]
    for out in [[one], [f"{many}/", "--shard", "1"]]:
        subprocess.run([command, "generate", *map(str, out), *recipe], check=True)
    before = resident()
    opening = timed(lambda: qorpus.open(many)[0])
    corpus, file = qorpus.open(many), qorpus.open(one)
    count = len(list(many.glob("*.db")))
    random = np.random.default_rng(1)
    near = [int(id) for id in random.integers(0, 48 * CHUNK, 20_000)]
    far = [int(id) for id in random.integers(0, len(corpus), 20_000)]

    def singles(source: qorpus.Corpus, ids: list[int], warm: bool = True) -> float:
        for id in ids if warm else []:
            source[id]
        return len(ids) / timed(lambda: [source[id] for id in ids])

    scattered = random.integers(0, len(corpus), 100_000)
    near_shards = singles(corpus, near)
    first, again = singles(corpus, far, warm=False), singles(corpus, far)
    # Before the one file is read, whose mapping counts, too.
    more, descriptors = resident() - before, len(os.listdir("/proc/self/fd"))
    return {
        "shards": count,
        "open_and_first_record_seconds": opening,
        "manifest_bytes": (many / "manifest.json").stat().st_size,
        "singles_per_second": {
            "one_file": singles(file, near),
            "among_48_shards": near_shards,
            "one_file_anywhere": singles(file, far),
            "anywhere_the_first_time": first,
            "anywhere_again": again,
        },
        "100000_at_once_per_second": {
            "one_file": len(scattered) / timed(lambda: file.circuits(scattered)),
            "shards": len(scattered) / timed(lambda: corpus.circuits(scattered)),
        },
        "megabytes_more": more,
        "descriptors": descriptors,
    }


def simulated(command: str, directory: Path, shards: int) -> dict[str, Any]:
    """Seal and open a directory whose files have only a size."""
    path = directory / "sparse"
    recipe = qorpus.Recipe("h,s,t", 1, random=shards * (1 << 24), length=(5, 14), unitaries=False)
    begun = qorpus._qorpus.begin(f"{path}/", recipe.json, 1 << 24)
    size, of, bytes_of = begun["shard_records"], begun["of"], 64 << 20
    for number in range(of):
        first, end = number * size, min((number + 1) * size, len(recipe))
        text = (
            f'{{"qorpus_receipt":1,\n"recipe_hash":"{recipe_hash(path)}",\n"first_id":{first},\n"end_id":{end},\n"records":{end - first},\n'
            f'"content_hash":"{number:032x}",\n"bytes":{bytes_of},\n"xxh128":"{number:032x}",\n'
        )
        name = f"{first:0{max(12, len(str(len(recipe))))}}-{end:0{max(12, len(str(len(recipe))))}}"
        check = xxhash.xxh3_128_hexdigest(text.encode())
        (path / "receipts" / f"{name}.json").write_text(f'{text}"check":"{check}"}}\n')
        with (path / f"{name}.db").open("wb") as file:
            file.truncate(bytes_of)
    sealing = timed(lambda: subprocess.run([command, "seal", path], check=True, capture_output=True))
    again = timed(lambda: subprocess.run([command, "seal", path], check=True, capture_output=True))
    opening = timed(lambda: qorpus.open(path))
    return {
        "shards": of,
        "seal_seconds": sealing,
        "seal_again_seconds": again,
        "open_seconds": opening,
        "manifest_bytes": (path / "manifest.json").stat().st_size,
    }


def on_nodes(place: str, recipe: qorpus.Recipe, directory: Path) -> dict[str, Any]:
    """Let three nodes make shards, kill one of them, and read some records back."""
    import qorpus.ray
    import ray
    from ray.cluster_utils import Cluster

    store = {"object_store_memory": 80 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **store})
    nodes = [cluster.add_node(num_cpus=1, **store) for _ in range(3)]
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False)
    again = ray.remote(num_cpus=0.5)(qorpus.ray.make_shard)
    killed, twice = [], []

    def progress(records: int, expected: int) -> None:
        if records > expected / 4 and not killed:
            killed.append(nodes.pop())
            cluster.remove_node(killed[0], allow_graceful=False)
        if records > expected / 2 and not twice:
            of = qorpus.seal(place)["of"]
            twice.extend(again.remote(place, recipe.json, number, of, 1, os.fspath(directory), None) for number in (0, of - 1))

    made: list[qorpus.Corpus] = []
    shard = -(-len(recipe) // 40)
    making = timed(lambda: made.append(qorpus.ray.generate(recipe, place, shard=shard, stage=directory, progress=progress)))
    ray.get(twice)
    ray.shutdown()
    cluster.shutdown()
    corpus, ids = made[0], np.random.default_rng(1).integers(0, len(recipe), 10_000)
    read: list[Any] = []
    reading = timed(lambda: read.append(corpus.circuits(ids)))
    one = qorpus.generate(directory / "one.db", recipe, progress=False)
    assert killed and corpus.complete and corpus.content_hash == one.content_hash
    assert read[0] == recipe.circuits(ids)
    return {
        "records": len(recipe),
        "shards": qorpus.seal(place)["of"],
        "bytes": corpus.info["bytes"],
        "making_seconds": making,
        "reading_10000_seconds": reading,
        "content_hash": corpus.content_hash,
    }


def recipe_hash(path: Path) -> str:
    """Return the hash in a manifest, read once."""
    if path not in HASHES:
        HASHES[path] = json.loads((path / "manifest.json").read_text())["recipe_hash"]
    return HASHES[path]


HASHES: dict[Path, str] = {}


def calculated(nodes: int, cores: int, shards: int, rate: float, record_bytes: float, sim: dict[str, Any]) -> dict[str, Any]:
    """Calculate what nodes would ask of a shared file system, from the rate of one core."""
    records = shards * (1 << 24)
    seconds = records / rate / cores / nodes
    return {
        "nodes": nodes,
        "cores_of_a_node": cores,
        "records": records,
        "bytes": records * record_bytes,
        "computing_seconds": seconds,
        "seconds_between_publications_of_a_node": seconds * nodes / shards,
        "publications_per_second": shards / seconds,
        "operations_per_second": OPERATIONS * shards / seconds,
        "bytes_per_second": records * record_bytes / seconds,
        "seal_seconds_at_1_ms_an_operation": shards * 3 * 1e-3,
        "manifest_bytes": sim["manifest_bytes"] / sim["shards"] * shards,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--qorpus", default=str(QORPUS))
    parser.add_argument("--directory", type=Path)
    parser.add_argument("--real", type=int, default=5_000)
    parser.add_argument("--simulated", type=int, default=40_000)
    parser.add_argument("--ray", metavar="PLACE")
    parser.add_argument("--records", default="200M")
    arguments = parser.parse_args()
    if arguments.ray:
        recipe = qorpus.Recipe("h,s,t", 1, random=arguments.records, length=(5, 14), unitaries=False)
        with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
            print(json.dumps(on_nodes(arguments.ray, recipe, Path(name)), indent=2))
        return
    with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
        directory = Path(name)
        found: dict[str, Any] = {"real": real(arguments.qorpus, directory, arguments.real)}
        found["simulated"] = simulated(arguments.qorpus, directory, arguments.simulated)
    plan = [arguments.qorpus, "plan", "--gates", "h,s,t", "--qubits", "1", "--length", "5..14", "--random", "1G", "--json"]
    derived = json.loads(subprocess.run(plan, check=True, capture_output=True).stdout)["ways"]["derived"]
    rate, record_bytes = derived["records_per_second_per_core"], derived["bytes"] / 1e9
    found["calculated"] = calculated(1_000, 32, 1 << 20, rate, record_bytes, found["simulated"])
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
