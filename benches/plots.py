"""Plots of records as SVG: the same bytes for the same record, readable on light and dark pages."""

import io
import math
import re
from typing import Any

import matplotlib
from goals import number, whole

matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402
from matplotlib.ticker import NullFormatter  # noqa: E402

GREY, OURS, PEERS = "#7d8590", "#1a9c86", "#8f9bb3"
COLOURS = [OURS, "#c77d2e", "#b5528b", "#5b7fd6", "#9a6fd0", "#d05c5c", "#6b9e3f", "#4aa3b5"]
STYLE = {
    "svg.hashsalt": "qorpus",
    "svg.fonttype": "none",
    "font.size": 9,
    "text.color": GREY,
    "axes.labelcolor": GREY,
    "axes.edgecolor": GREY,
    "axes.titlecolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GREY,
    "grid.alpha": 0.25,
    "legend.frameon": False,
}

#: Colours and fonts of the picture of the program that is replaced, on light and on dark pages.
REPLACED_STYLE = """
.back { fill: #ffffff } .track { fill: #eaeef2 } .before { fill: #8c959f } .now { fill: #1a9c86 }
text { font: 17px system-ui, sans-serif; fill: #1f2328 } .head, .rate { font-weight: 600 }
.rate { text-anchor: end }
@media (prefers-color-scheme: dark) {
  .back { fill: #0d1117 } .track { fill: #21262d } .before { fill: #8b949e } .now { fill: #3fb8a2 }
  text { fill: #e6edf3 }
}
"""
#: The bars of that picture by their names in records: a text and a class.
REPLACED_BARS = {
    "original": ("Python, multiprocessing, sqlite3, synchronous=OFF", "before"),
    "original with a Writer": ("the same program with qorpus.Writer", "now"),
    "qorpus stored": ("qorpus generate, synchronous=FULL", "now"),
    "qorpus derived": ("qorpus generate, circuits alone", "now"),
}


def svg(figure: Any) -> str:
    """Return a figure as SVG, with a transparent background and without a date."""
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    # A thousandth of a point is not visible.
    text = re.sub(r"(\d\.\d\d)\d+", r"\1", re.sub(r"<!--.*?-->", "", out.getvalue(), flags=re.DOTALL))
    return re.sub(r"\n\s+", "\n", text)


def decades(values: list[float]) -> tuple[float, float]:
    """Return limits of an axis at powers of ten, which have readable ticks, with room below."""
    found = [math.log10(value) for value in values if value > 0]
    return 10 ** math.floor(min(found) - 0.1), 10 ** math.ceil(max(found) + 1e-9)


def title(section: dict) -> str:
    """Return the title of the picture of the program that is replaced."""
    workload = section["workloads"][0]
    qubits, (shortest, longest) = workload["qubits"], workload["length"]
    return f"Records a second, {qubits} qubit{'s' * (qubits > 1)}, {shortest} to {longest} gates, {section['jobs']} cores"


def replaced(section: dict) -> str:
    """Draw the program that is replaced, and the ways that replace it, as bars to scale."""
    rates = {name: rate["median"] for name, rate in section["workloads"][0]["records_per_second"].items()}
    base, most, width, step = rates["original"], max(rates.values()), 560, 52
    height = 44 + step * len(rates)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width + 40} {height + 12}" role="img" aria-label="{title(section)}">',
        f"<style>{REPLACED_STYLE}</style>",
        f'<rect class="back" width="{width + 40}" height="{height + 12}" rx="6"/>',
        f'<text class="head" x="20" y="30">{title(section)}</text>',
    ]
    for place, (name, rate) in enumerate(rates.items()):
        text, kind = REPLACED_BARS.get(name, (name, "now"))
        times = f" ({number(rate / base)} x)" if name != "original" else ""
        top, bar = 44 + step * place, max(2.0, width * rate / most)
        lines += [
            f'<text x="20" y="{top + 20}">{text}</text>',
            f'<text class="rate" x="{width + 20}" y="{top + 20}">{whole(rate)}{times}</text>',
            f'<rect class="track" x="20" y="{top + 28}" width="{width}" height="12" rx="2"/>',
            f'<rect class="{kind}" x="20" y="{top + 28}" width="{bar:.1f}" height="12" rx="2"/>',
        ]
    return "\n".join([*lines, "</svg>\n"])


def peers(section: dict) -> str:
    """Plot reads, a panel for each way."""
    columns = [column for column in section["columns"] if not column.startswith("write")]
    rates = section["records_per_second"]
    names = list(reversed(rates))
    rows = -(-len(columns) // 4)
    figure, panels = pyplot.subplots(rows, 4, figsize=(11, 2.9 * rows), sharey=True)
    for panel, column in zip(panels.flat, columns):
        found = [rates[name].get(column, {}).get("median", 0) / 1e6 for name in names]
        panel.barh(names, found, color=[OURS if name.startswith("Qorpus") else PEERS for name in names])
        panel.set(xscale="log", title=column, xlim=decades(found))
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.grid(axis="x")
        panel.tick_params(axis="y", length=0)
    for panel in list(panels.flat)[len(columns) :]:
        panel.set_visible(False)
    figure.supxlabel("millions of records a second", color=GREY, fontsize=9)
    figure.tight_layout()
    return svg(figure)


def unitaries(section: dict) -> str:
    """Plot rates by qubits, a panel for each length."""
    lengths = sorted({result["length"] for result in section["results"]})
    figure, panels = pyplot.subplots(
        1, len(lengths), figsize=(4.2 * len(lengths) + 1.2, 3.6), sharey=True, squeeze=False
    )
    for panel, length in zip(panels.flat, lengths):
        results = [result for result in section["results"] if result["length"] == length]
        for colour, name in zip(COLOURS, results[0]["unitaries_per_second"]):
            rates = [result["unitaries_per_second"][name]["median"] for result in results]
            width = 2.5 if name == "Qorpus" else 1.2
            qubits = [result["qubits"] for result in results]
            panel.plot(qubits, rates, color=colour, label=name, linewidth=width, marker="o", markersize=3)
        panel.set(yscale="log", title=f"{length} letters", xlabel="qubits", xticks=qubits)
        panel.grid()
    panels.flat[0].set_ylabel("unitaries a second, one core")
    panels.flat[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    figure.tight_layout()
    return svg(figure)


def scaling(section: dict) -> str:
    """Plot rates by processes on one file, by records, and the model by cores."""
    figure, panels = pyplot.subplots(1, 3, figsize=(11, 3.4))
    for colour, name in zip(COLOURS, ["derived", "stored"]):
        rates = section["processes"][name]
        counts = list(map(int, rates))
        medians = [rate["median"] / 1e6 for rate in rates.values()]
        panels[0].plot(counts, medians, color=colour, label=name, marker="o", markersize=3)
        sizes = section["sizes"].get(name, [])
        medians = [row["records_per_second"]["median"] / 1e6 for row in sizes]
        panels[1].plot([row["records"] for row in sizes], medians, color=colour, marker="o", markersize=3)
    model = section["model"]
    for style, disk in zip(["-", "--", ":", "-."], model["disks"]):
        for colour, name in zip(COLOURS, ["derived", "stored"]):
            rates = [row[disk]["records_per_second"] / 1e6 for row in model["columns"][name]["ways"]["a directory"]]
            panels[2].plot(model["cores"], rates, style, color=colour, label=disk if name == "derived" else None)
    panels[0].set(title="processes on one file", xlabel="processes", xscale="log", yscale="log", ylabel="M records/s")
    panels[1].set(title="one process, more records", xlabel="records", xscale="log", yscale="log")
    panels[2].set(title="model of a directory (not measured)", xlabel="cores", xscale="log", yscale="log")
    for panel, ticks in [(panels[0], counts), (panels[2], model["cores"])]:
        panel.set_xticks(ticks, list(map(str, ticks)))
        panel.minorticks_off()
    for panel in panels:
        values = [float(value) for line in panel.get_lines() for value in line.get_ydata()]
        panel.set_ylim(decades(values))
        panel.yaxis.set_minor_formatter(NullFormatter())
        panel.grid()
    panels[0].legend()
    panels[2].legend(fontsize=7)
    figure.tight_layout()
    return svg(figure)


def drawn(sections: dict[str, dict]) -> dict[str, str]:
    """Return the plots of existing sections by name."""
    with matplotlib.rc_context(STYLE):
        known = {"replaced": ("baseline", replaced)}
        known |= {draw.__name__: (draw.__name__, draw) for draw in (peers, unitaries, scaling)}
        return {name: draw(sections[of]) for name, (of, draw) in known.items() if of in sections}
