"""The documentation is true: its code runs, its links lead somewhere, and it builds without a
network."""

import functools
import html
import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import qorpus
from command import PATIENCE, QORPUS, ROOT
from docstrings import EXAMPLES, public, run_examples

# Pages of the site that are links to files at the root are tested there.
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not path.is_symlink()
    and not any(part.startswith(".") or part == "target" for part in path.relative_to(ROOT).parts)
)
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"(?:^    .*\n)+", re.MULTILINE)
CODE = re.compile(r"^```(?:python|pycon|console)\n", re.MULTILINE)

#: Pages with code, but for those of the page that needs a cluster: test_clusters_page.py.
RUNNABLE = [page for page in PAGES if CODE.search(page.read_text()) and page.name != "clusters.md"]
#: Pages of many tasks, each of which is to be copied alone.
TASKS = {"cookbook.md"}

#: The commands of `qorpus` that pages show.
COMMANDS = "generate distinct find plan info show seal sql verify repair export merge view".split()

#: Columns of code that a page of the site shows between its two menus on a screen of 1400 pixels.
#: Narrower screens fold lines.
WIDTH = 76


def run(*command, directory):
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=directory, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def name(page):
    return str(page.relative_to(ROOT))


def test_pages_with_code_are_found():
    assert {"README.md", "docs/index.md", "docs/tutorial.md", "docs/cookbook.md", "docs/gates.md"} <= {*map(name, RUNNABLE)}


@pytest.mark.parametrize("page", RUNNABLE, ids=name)
def test_code_of_a_page(page, tmp_path):
    if page.name == "README.md":
        # Its first command builds the one that is tested here.
        (arguments,) = re.findall(r"^cargo run --release --bin qorpus -- (.*)$", page.read_text(), re.MULTILINE)
        subprocess.run([QORPUS, *arguments.split()], cwd=tmp_path, check=True, timeout=PATIENCE)
    options = ["--sections"] if page.name in TASKS else []
    run(Path(__file__).with_name("run_page.py"), page, *options, directory=tmp_path)


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
    text = "".join(page.read_text() for page in PAGES)
    (excerpt,) = re.findall(r"^```diff\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    for line in excerpt.splitlines():
        assert line[0] == " " or line[1:] in (before if line[0] == "-" else after), line


def columns(page):
    """The lines of a page's code, without the indentation of the block."""
    text = page.read_text()
    fenced = [block[block.index("\n") + 1 : block.rindex("\n")] for block in FENCED.findall(text) if not block.startswith("```diff")]
    indented = [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in INDENTED.findall(FENCED.sub("", text))]
    indented = [block for block in indented if not block.startswith("options:")]
    return "\n".join([*fenced, *indented]).splitlines()


@pytest.mark.parametrize("page", RUNNABLE, ids=name)
def test_code_fits_on_a_screen(page):
    """Narrower screens, and longer lines, fold: test_site."""
    assert [line for line in columns(page) if len(line) > WIDTH] == []


@functools.cache
def options(*command):
    """The options of a command, from its help."""
    help = subprocess.run([QORPUS, *command, "--help"], capture_output=True, text=True, check=True).stdout
    return {*re.findall(r"(?<![\w-])--[a-z][a-z-]*", help)}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_have_their_options(page):
    """Commands that a page shows are not all run: some need a cluster, or days."""
    text = re.sub(r"\\\n", "", "\n".join(columns(page)))
    for command, arguments in re.findall(r"\bqorpus (?:-- )?([a-z]+)\b(.*)", text):
        if command in COMMANDS:
            used = {*re.findall(r"(?<![\w-])--[a-z][a-z-]*", arguments.split(" # ")[0].split(" | ")[0])}
            assert used <= options(command), f"qorpus {command}{arguments}"


#: The lists of standard gates and presets.
GATES = (ROOT / "crates/qorpus-core/src/gate/standard.rs").read_text()


def rows(page, heading):
    """The rows of the table of a section, without the marks of code."""
    section = re.split(r"^## ", (ROOT / page).read_text(), flags=re.MULTILINE)
    (text,) = [part for part in section if part.startswith(heading + "\n")]
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.replace("`", " ").strip() for cell in line] for line in lines[2:]]


def test_presets_of_the_page():
    listed = rows("docs/gates.md", "Presets")
    for preset, gates in listed:
        assert list(qorpus.Recipe(gates=preset, qubits=2).gates) == gates.split(), preset
    assert [preset for preset, _ in listed] == re.findall(r'^    \("(.*?)", &\[', GATES, re.MULTILINE)


def test_matrices_of_the_page():
    """The page's expressions, with i, r, diag and control, are the matrices of the gates."""
    pi, a, b, c = numpy.pi, 0.7, -1.1, 0.4
    names = {name: getattr(numpy, name) for name in ("sin", "cos", "exp")}
    names |= {"i": 1j, "r": 0.5**0.5, "pi": pi, "a": a, "b": b, "c": c, "diag": lambda *entries: numpy.diag(entries)}

    def control(target):
        size = len(target)
        return numpy.block([[numpy.eye(size), numpy.zeros((size, size))], [numpy.zeros((size, size)), target]])

    names["control"] = control
    listed = rows("docs/gates.md", "Standard gates")
    for gate, text in listed:
        base, *angles = re.findall(r"\w+", gate)
        array = re.sub(r"\[\[.*\]\]", lambda found: f"array({found[0]})", text)
        matrix = eval(array, {"array": numpy.array, **names})
        values = ",".join(repr({"a": a, "b": b, "c": c}[angle]) for angle in angles)
        known = qorpus._qorpus.matrix(f"{base}({values})" if angles else base)
        numpy.testing.assert_allclose(numpy.asarray(matrix, complex), known, atol=1e-15, err_msg=gate)
        # Later rows control this one.
        names[base] = functools.partial(lambda matrix, angle: matrix, matrix) if angles else matrix
    assert f"{len(listed)} standard gates" in (ROOT / "README.md").read_text()
    standard = re.search(r"STANDARD: .*? = \[(.*?)\];", GATES, re.DOTALL)[1]
    assert [gate.partition("(")[0] for gate, _ in listed] == re.findall(r'"(\w+)', standard)


def prose(page):
    """A page without its code."""
    return re.sub(r"`[^`\n]*`", "`code`", FENCED.sub("", page.read_text()))


def anchors(page):
    """The anchors of a page's headings, as GitHub and MkDocs name them."""
    headings = re.findall(r"^#+ +(.*?) *#*$", FENCED.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links(page):
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(page)) + re.findall(r"^\[[^\]]+\]: +(\S+)", prose(page), re.MULTILINE)
    targets += re.findall(r"<img [^>]*src=\"([^\"]+)\"", prose(page))
    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{target} is not there"
        assert file.is_relative_to(ROOT), f"{target} is outside"
        assert not anchor or anchor in anchors(file), f"{target}: no such heading"


def text_of(page):
    """The text of a page of the site."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", page.read_text())))


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
    writer = text_of(site / "reference/writer.html")
    assert inspect.getdoc(qorpus.Writer.append).partition("\n")[0].replace("`", "") in writer
    assert "durability: str" in writer
    # Options that are passed on are shown and described one by one, with the defaults of their owner.
    corpora = text_of(site / "reference/corpora.html")
    made = re.search(r" generate\( .*?\) -> Corpus", corpora)[0].replace('"', "'")
    options = list(inspect.signature(qorpus.Recipe.__new__).parameters.values())[1:]
    for option in options:
        assert re.search(rf"\b{option.name}: [^=]* = {re.escape(repr(option.default))},".replace("000", "_?000"), made), option
        assert corpora.count(f"{option.name} ( ") + corpora.count(f"{option.name} (") >= 2, option
    for page in (site / "reference").glob("*.html"):
        assert "Unpack[" not in text_of(page) and "= ..." not in text_of(page), page.name
    # Long lines of code fold.
    assert re.search(r"pre > code \{[^}]*white-space: pre-wrap", (site / "assets/site.css").read_text())
    assert all("assets/site.css" in page.read_text() for page in site.rglob("*.html"))
