"""The documentation is true: its code runs, its links lead somewhere, and it builds without a
network."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import qorpus
from command import PATIENCE, ROOT
from docstrings import EXAMPLES, public, run_examples

# Pages of the site that are links to files at the root are tested there.
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not path.is_symlink()
    and not any(part.startswith(".") or part == "target" for part in path.relative_to(ROOT).parts)
)
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


def run(*command, directory):
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=directory, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("page", ["README.md", "docs/index.md", "docs/python.md"])
def test_code_of_a_page(page, tmp_path):
    assert "```python\n" in (ROOT / page).read_text()
    run(Path(__file__).with_name("run_page.py"), ROOT / page, directory=tmp_path)


def test_native_docstrings_are_found():
    assert {"qorpus.Writer", "qorpus._qorpus.Record", "qorpus._qorpus.Records.unitaries"} <= EXAMPLES.keys()


# The examples of qorpus.ray need a cluster: test_ray.py runs them.
@pytest.mark.parametrize("name", [name for name in EXAMPLES if not name.startswith("qorpus.ray.")])
def test_docstring(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_examples(name)


def test_everything_public_has_an_example():
    lacking = {name for name, text in public() if ">>>" not in text}
    assert not lacking


def test_no_example_is_left_unrun():
    """Indented code in a docstring would not be run; examples begin with `>>>`."""
    for name, text in public():
        assert not re.search(r"\n\n {4,}\S", text.partition("Examples:")[0]), name


def test_before_and_after_are_excerpts():
    before = (ROOT / "benches/original.py").read_text().splitlines()
    after = (ROOT / "examples/multiprocessing_writer.py").read_text().splitlines()
    (excerpt,) = re.findall(r"^```diff\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    for line in excerpt.splitlines():
        assert line[0] == " " or line[1:] in (before if line[0] == "-" else after), line


def prose(page):
    """A page without its code."""
    return re.sub(r"`[^`\n]*`", "`code`", FENCED.sub("", page.read_text()))


def anchors(page):
    """The anchors of a page's headings, as GitHub and MkDocs name them."""
    headings = re.findall(r"^#+ +(.*?) *#*$", FENCED.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links(page):
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(page)) + re.findall(r"^\[[^\]]+\]: +(\S+)", prose(page), re.MULTILINE)
    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{target} is not there"
        assert file.is_relative_to(ROOT), f"{target} is outside"
        assert not anchor or anchor in anchors(file), f"{target}: no such heading"


def test_site(tmp_path):
    site = tmp_path / "site"
    # The README's command, which must be one that a warning ends.
    assert "mkdocs build  " in (ROOT / "README.md").read_text()
    run("-m", "mkdocs", "build", "--site-dir", site, directory=ROOT)
    records = set(re.findall(r'href="(?:\.\./)*((?:benches|faults)/[^"]+\.json)"', (site / "benchmarks.html").read_text()))
    assert records and all((site / record).is_file() for record in records)
    for page in site.rglob("*.html"):
        fetched = re.findall(r"<(?:script|img|link|iframe)\b[^>]*(?:src|href)=\"?(https?:[^\"\s>]*)", page.read_text())
        assert not fetched, f"{page.name} needs a network for {fetched}"
    shown = set(re.findall(r'id="qorpus\.(?:\w+\.)*(\w+)"', "".join(page.read_text() for page in site.rglob("*.html"))))
    assert set(qorpus.__all__) - {"__version__"} <= shown, "the reference leaves something out"
    # The docstring and the signature of a native method, which come from different places.
    writer = (site / "reference/writer.html").read_text()
    assert "Accept one record" in writer and "durability" in writer
