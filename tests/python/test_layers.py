"""Imports run down: a file uses its own folder and the folders below it, files never use each other
in a circle, and nothing takes the way round through the names that a crate offers to others."""

import graphlib
import re

import pytest
from command import ROOT

# From the ground up. Files beside these folders are the ground.
FLOORS = {
    "qorpus": "options os sqlite tables corpus produce distinct verify shards read ops export".split(),
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
            parts = path[1:]
            while parts and not (found := source.joinpath(*parts).with_suffix(".rs")).exists():
                parts = parts[:-1]
            assert parts, f"{file} uses {'::'.join(path)}, a name that the crate offers to others, instead of its file"
            yield found


@pytest.mark.parametrize("crate", FLOORS)
def test_imports_run_down(crate):
    source = ROOT / "crates" / crate / "src"
    heights = {folder: height for height, folder in enumerate(["", *FLOORS[crate]])}
    graph = {}
    for file in source.rglob("*.rs"):
        if file.name not in ("lib.rs", "mod.rs", "impostor.rs"):
            graph[file] = set(imports(source, file)) - {file}
    folder = {file: str(file.relative_to(source).parent).strip(".") for file in graph}
    upwards = [f"{file} -> {used}" for file in graph for used in graph[file] if heights[folder[used]] > heights[folder[file]]]
    assert not upwards
    # An error names the files of a circle.
    graphlib.TopologicalSorter(graph).prepare()
    assert sum(map(len, graph.values())) > len(graph)
