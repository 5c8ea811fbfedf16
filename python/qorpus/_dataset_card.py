"""The card of a dataset of Hugging Face: README.md with metadata that its library reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qorpus import _qorpus
from qorpus._letters import has_free_angles

if TYPE_CHECKING:
    from qorpus._qorpus import Records

#: The categories of sizes on the hub, each with the number of records from which on the next one holds.
SIZES = [
    (10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"), (10**9, "100M<n<1B"), (10**10, "1B<n<10B"), (10**11, "10B<n<100B"), (10**12, "100B<n<1T"),
]  # fmt: skip

LICENSE = "The license is yours to choose: add `license:` to the metadata above before you publish."


@dataclass
class Column:
    """A column: its type, whether it is a list, the names of its numbers, and the shape of its arrays."""

    name: str
    dtype: str
    is_list: bool = False
    names: tuple[str, ...] | None = None
    shape: tuple[int, ...] = ()


@dataclass
class Part:
    """A split: its bytes in memory, and those of its files."""

    name: str
    records: Any
    size: int
    bytes: int = 0
    file_bytes: int = 0


def card(source: Records, columns: list[Column], parts: list[Part]) -> str:
    """Return the text of README.md."""
    loading = _loading(parts[0].name, source)
    lines = [*_metadata(source, columns, parts), "", *_text(source, parts), "", *loading, "", *_again(source)]
    return "\n".join(lines) + "\n"


def is_enumeration(source: Records) -> bool:
    """Return whether the records are distinct unitaries, whose labels are integers."""
    space = json.loads(source._recipe_json)["space"]
    return isinstance(space, dict) and "distinct" in space


def _metadata(source: Records, columns: list[Column], parts: list[Part]) -> list[str]:
    """Return the YAML. JSON texts are texts of YAML, too."""
    size = sum(part.size for part in parts)
    category = next((name for least, name in SIZES if size < least), "n>1T")
    features = [line for column in columns for line in _feature(column)]
    splits = [
        line
        for part in parts
        for line in (f"  - name: {part.name}", f"    num_bytes: {part.bytes}", f"    num_examples: {part.size}")
    ]
    files = [line for part in parts for line in (f"  - split: {part.name}", f"    path: data/{part.name}-*")]
    return [
        "---",
        f"pretty_name: {json.dumps(_title(source))}",
        "tags:", "- quantum", *(["- quantum-circuits"] if source.has_circuits else []), "- unitary-synthesis", "- qorpus",
        "size_categories:", f"- {category}",
        "configs:", "- config_name: default", "  data_files:", *files,
        "dataset_info:", "  features:", *features, "  splits:", *splits,
        f"  download_size: {sum(part.file_bytes for part in parts)}",
        f"  dataset_size: {sum(part.bytes for part in parts)}",
        "---",
    ]  # fmt: skip


def _title(source: Records) -> str:
    kind = "Haar-random unitaries"
    if source.has_circuits:
        kind = "Circuits and unitaries" if source.has_unitaries else "Circuits"
    return f"{kind} on {source.qubits} qubit{'s' * (source.qubits > 1)}"


def _feature(column: Column) -> list[str]:
    head = f"  - name: {json.dumps(column.name)}"
    if column.names is not None:
        names = [f"          '{number}': {json.dumps(name)}" for number, name in enumerate(column.names)]
        return [head, "    list:", "      class_label:", "        names:", *names]
    if column.is_list:
        return [head, f"    list: {column.dtype}"]
    if column.shape:
        shape = ", ".join(map(str, column.shape))
        return [head, "    dtype:", "      array3_d:", f"        shape: [{shape}]", f"        dtype: {column.dtype}"]
    return [head, f"    dtype: {column.dtype}"]


def _text(source: Records, parts: list[Part]) -> list[str]:
    dim = 1 << source.qubits
    place = "most" if source.order == "big" else "least"
    given, free = source.label_types(), has_free_angles(source)
    unitary = f"| `unitary` | shape ({dim}, {dim}, 2): rows, columns, real and imaginary part |"
    order = f"Qubit 0 is the {place} significant bit of the numbers of rows and columns."
    if not source.has_circuits:
        return [
            *_head(source, parts),
            "A record is a unitary that is Haar-random: uniform over all unitaries. It has no circuit.",
            "",
            "| column | content |",
            "| --- | --- |",
            "| `id` | the number of the record in the corpus |",
            "| `circuit`, `length` | null |",
            unitary,
            "",
            order,
            "",
            LICENSE,
        ]
    labels = [f"| `{name}` | a label of the record; null if it has none |" for name in given]
    return [
        *_head(source, parts),
        *(
            [
                "A record is a circuit and its unitary, the product of the matrices of its letters. A letter is",
                "a gate on qubits, such as `cx 0 1`.",
            ]
            if source.has_unitaries
            else [
                "A record is a circuit. A letter is a gate on qubits, such as `cx 0 1`. No two circuits have equal tableaus. On",
                f"{source.qubits} qubits they have no unitaries.",
            ]
        ),
        "",
        "| column | content |",
        "| --- | --- |",
        "| `id` | the number of the record in the corpus |",
        "| `circuit` | the letters in time order, joined by `; `: the first acts first |",
        "| `letters` | the letters in time order, as numbers; the feature has their names |",
        *(["| `angles` | the angles in radians of letters with `?`, in the order of the letters |"] if free else []),
        "| `length` | the number of letters |",
        "| `count_GATE` | the number of letters of this gate |",
        *labels,
        *([unitary] if source.has_unitaries else []),
        "",
        *([f"{order} Unitaries have the global phase that the gates define."] if source.has_unitaries else []),
        "Gates are those of OpenQASM 3 `stdgates.inc`.",
        "",
        f"Gates: {', '.join(f'`{gate}`' for gate in source.gates)}.",
        "",
        LICENSE,
    ]  # fmt: skip


def _head(source: Records, parts: list[Part]) -> list[str]:
    """Return the text up to the description of a record."""
    return [
        f"# {_title(source)}",
        "",
        f"{source._recipe_text}. Made by Qorpus {_qorpus.__version__}.",
        "",
        "| split | records |",
        "| --- | --- |",
        *(f"| `{part.name}` | {part.size:,} |" for part in parts),
        "",
        "## Records",
        "",
    ]


def _loading(split: str, source: Records) -> list[str]:
    return [
        "## Loading",
        "",
        "```python",
        "import datasets",
        "import numpy as np",
        "",
        f'records = datasets.load_dataset("PATH", split="{split}")',
        *(['names = records.features["letters"].feature.names'] if source.has_circuits else []),
        *(
            [
                "# Without dtype, Datasets rounds to float32.",
                'batch = records.with_format("numpy", dtype=np.float64)[:64]',
                'parts = batch["unitary"]                 # (64, d, d, 2)',
                "unitaries = parts[..., 0] + 1j * parts[..., 1]",
            ]
            if source.has_unitaries
            else ['circuits = records[:64]["circuit"]']
        ),
        "```",
    ]


def _again(source: Records) -> list[str]:
    lines = ["## Recipe", "", "```json", source._recipe_json, "```", "", f"Hash of the recipe: `{source._recipe_hash}`.", ""]
    if is_enumeration(source):
        return [*lines, "The records are an enumeration of distinct unitaries. `qorpus.distinct` computes it again."]
    if source.is_appended:
        return [*lines, "The records were appended by programs. Those programs decide them, not the recipe."]
    return [
        *lines,
        "Every record is a function of the recipe and its id. Qorpus computes any of them again:",
        "",
        "```python",
        "import qorpus",
        "",
        f"recipe = qorpus.Recipe.from_json({source._recipe_json!r}, order={source.order!r})",
        "records = recipe[:64]",
        "```",
    ]
