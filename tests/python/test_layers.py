"""Imports run down: a file uses its own floor and the floors below it, files never use each other in
a circle, and nothing takes the way round through the names that a crate offers to others."""

import graphlib
import re
from pathlib import Path

import pytest
from command import ROOT

# From the ground up, the folders and files of each floor. Files that are not listed are the ground.
FLOORS = {
    "qorpus": "options | os | sqlite | tables | corpus | produce | distinct | verify | shards | read environments | ops | export",
    "qorpus-core": "gate | alphabet | instruction circuit | kernel simd random | arithmetic pauli clifford | exact approximate binary"
    " | qasm drawing target channel tableau | space labels | recipe | codec | order | environment",
}


def flattened(tree, prefix=()):
    """The paths of a `use`: `a::{b, c::d}` is a::b and a::c::d."""
    head, brace, rest = tree.strip().partition("{")
    names = [name for name in re.split(r"::|\s+as\s+\w+|\s", head) if name]
    if not brace:
        return [(*prefix, *names)]
    items, depth, item = [], 0, ""
    for sign in rest.rsplit("}", 1)[0] + ",":
        depth += (sign == "{") - (sign == "}")
        if sign == "," and depth == 0:
            items, item = items + [item], ""
        else:
            item += sign
    return [path for item in items if item.strip() for path in flattened(item, (*prefix, *names))]


def imports(source, file):
    """The files of this crate that a file uses outside of its tests, each with the path by which it
    does."""
    text = re.sub(r"//.*", "", re.split(r"#\[cfg\(test\)\]\s*(?:#\[.*\]\s*)?(?:pub\S* )?mod ", file.read_text())[0])
    used = [path for tree in re.findall(r"\buse ([^;]+);", text) for path in flattened(tree)]
    used += [tuple(path.split("::")) for path in re.findall(r"\bcrate(?:::\w+)+", re.sub(r"\buse [^;]+;", "", text))]
    for path in used:
        assert path[0] != "super", f"{file}: {'::'.join(path)}: files name each other from the crate on"
        if path[0] == "crate":
            # From the longest: the noun of a folder may be in its mod.rs.
            prefixes = [source.joinpath(*path[1:end]) for end in range(len(path), 1, -1)]
            files = [file for prefix in prefixes for file in (prefix.with_suffix(".rs"), prefix / "mod.rs")]
            found = next(filter(Path.exists, files), None)
            assert found, f"{file} uses {'::'.join(path)}, a name that the crate offers to others, instead of its file"
            yield found


@pytest.mark.parametrize("crate", FLOORS)
def test_imports_run_down(crate):
    source = ROOT / "crates" / crate / "src"
    floors = enumerate(FLOORS[crate].split("|"), 1)
    heights = {name: height for height, names in floors for name in names.split()}
    assert all(source.joinpath(name).exists() or source.joinpath(name + ".rs").exists() for name in heights)

    def height(file):
        return heights.get(file.relative_to(source).with_suffix("").parts[0], 0)

    graph = {}
    for file in source.rglob("*.rs"):
        if file.name not in ("lib.rs", "impostor.rs"):
            graph[file] = set(imports(source, file)) - {file}
    upwards = [f"{file} -> {used}" for file in graph for used in graph[file] if height(used) > height(file)]
    assert not upwards
    # An error names the files of a circle.
    graphlib.TopologicalSorter(graph).prepare()
    assert sum(map(len, graph.values())) > len(graph)
