"""How objects look: one line at a prompt, a card in a notebook, a circuit as a picture."""

import pickle
import re
from xml.etree import ElementTree

import numpy as np
import pytest
import qorpus
from qorpus._heat_map import colour, heat_map

SVG = "{http://www.w3.org/2000/svg}"
RECIPE = {"gates": "clifford+t,rz(0.3)", "qubits": 2, "random": 6000, "length": (0, 12), "seed": 5}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("cards")


@pytest.fixture(scope="module")
def shared(directory):
    return qorpus.generate(directory / "shared.db", progress=False, **RECIPE)


@pytest.fixture(scope="module")
def appended(directory):
    path = directory / "appended.db"
    with qorpus.Writer(path, gates="h,t,cx", qubits=2) as writer:
        for number in range(300):
            writer.append(["h 0", "cx 0 1", "t 1"][: number % 4], reward=number / 8)
    return qorpus.open(path)


@pytest.fixture(scope="module")
def enumerated(directory):
    return qorpus.distinct(directory / "distinct.db", gates="h,t,cx", qubits=2, max_length=3, progress=False)


class Page:
    """HTML of a card, which has to be well-formed XML."""

    def __init__(self, html: str):
        self.html = html
        self.root = ElementTree.fromstring(f"<div>{html}</div>")
        self.tags = [element.tag.removeprefix(SVG) for element in self.root.iter()]
        self.texts = [text for element in self.root.iter() for text in (element.text, element.tail) if text]

    @property
    def text(self) -> str:
        return " ".join(self.texts)

    @property
    def letters(self) -> list[str]:
        """The titles of the letters that are drawn."""
        return [letter.find(f"{SVG}title").text for letter in self.root.iter(f"{SVG}g") if letter.get("class") == "letter"]

    @property
    def cells(self) -> dict[tuple[int, int], str]:
        """The numbers of a heat map, by row and column."""
        titles = [rect.find(f"{SVG}title") for rect in self.root.iter(f"{SVG}rect")]
        matches = [re.fullmatch(r"\[(\d+), (\d+)\] (.*)", title.text) for title in titles if title is not None]
        return {(int(match[1]), int(match[2])): match[3] for match in matches}

    def wires(self) -> list[ElementTree.Element]:
        return [path for path in self.root.iter(f"{SVG}path") if path.get("class") == "wire"]


def page(thing) -> Page:
    return Page(thing._repr_html_())


def drawn(circuit: str, qubits: int) -> Page:
    """The picture of a circuit as a file has it."""
    return Page(qorpus.Drawing(tuple(circuit.split("; ")) if circuit else (), qubits).svg)


# One line at a prompt.


def test_representations(shared, appended, enumerated):
    """The text at the prompt has the file, the number of records, and the recipe."""
    assert re.fullmatch(r"Corpus\('/.*/shared\.db': 6,000 records; h, s, .*rz\(0\.3\) on 2 qubits; .*\)", repr(shared))
    assert "300 records" in repr(appended) and "2 files" in repr(qorpus.open(appended.paths * 2))
    text = r"Recipe\(h, .* on 2 qubits; 6,000 random circuits of 0 to 12 letters, seed 5; .*\)"
    assert re.fullmatch(text, repr(shared.recipe))
    assert repr(shared[7]) == f"Record(id=7, circuit={shared[7].circuit!r}, qubits=2)"
    split = shared.split(train=0.8, test=0.2)["test"]
    assert re.match(r"Split\('test': 1,200 of the records of Corpus\(", repr(split))
    stream = shared.stream(64, columns=("unitaries", "circuits", "labels"))
    assert re.match(r"Stream\(epoch 0, batch 0 of 94, of Corpus\(", repr(stream))
    batch = next(iter(stream))
    longest = batch.circuits.shape[1]
    columns = f"ids (64,) int64, unitaries (64, 4, 4) complex128, circuits (64, {longest}) int32, labels count_cx, "
    assert repr(batch).startswith(f"Batch(64 records: {columns}")
    assert repr(enumerated.levels[1]) == "Level(cost=0, length=1, ids=range(1, 7))"
    assert repr(enumerated.find("h 0")) == "Found(circuit=('h 0',), id=1, none_up_to=None)"
    assert repr(shared.torch()) == f"Dataset(circuits padded to 12 letters, of {shared!r})"
    assert repr(shared.torch(batch_size=64)) == f"qorpus.torch.Stream(epoch 0, batch 0 of 94, of {shared!r})"
    shown = [shared, shared.recipe, shared[7], shared.present(), split, stream, batch, enumerated.find("h 0")]
    assert not [repr(thing) for thing in shown if "\n" in repr(thing)]


def test_the_text_of_a_long_circuit_is_short():
    record = qorpus.Recipe(gates="h,t", qubits=1, random=1, length=5000)[0]
    assert repr(record).endswith(f"{record.circuit[31]!r}, ... 4968 more), qubits=1)") and len(repr(record)) < 500


# Cards.


def test_cards_of_sequences_show_circuits_and_a_record(shared, appended, enumerated):
    """The first circuits are written, and the longest of the first is drawn beside its unitary."""
    split = shared.split(train=0.8, test=0.2)["test"]
    for records in [shared, shared.recipe, appended, enumerated, split, shared.present()]:
        card, first = page(records), records.circuits(range(32))
        longest = max(first, key=len)
        assert card.tags.count("svg") == 2 and card.letters == list(longest) and len(card.cells) == 16
        for circuit in first[:5]:
            assert "; ".join(circuit) in card.texts or not circuit
    assert shared.content_hash in page(shared).text
    assert "1,200 of 6,000" in page(split).text


def test_cards_of_records(shared):
    record = shared[7]
    card = page(record)
    assert card.letters == list(record.circuit) and "; ".join(record.circuit) in card.texts
    assert card.cells[0, 0] == f"{record.unitary[0, 0]:.4g}" and len(card.cells) == 16
    assert f"length {len(record.circuit)}" in card.texts


def test_the_identity_is_not_blank(enumerated):
    """Record 0 of an enumeration has wires, and says that it is the empty circuit."""
    card = page(enumerated[0])
    assert card.letters == [] and len(card.wires()) == 2 and card.texts.count("the empty circuit") == 2
    assert "length 0" in card.texts and card.cells[3, 3] == "1+0j"


def test_cards_without_records(tmp_path, appended):
    """A corpus of which nothing is made yet, and the recipe of appended records, are shown without
    circuits."""
    with pytest.warns(qorpus.QorpusWarning, match="part 0/1000000 has nothing to generate"):
        unmade = qorpus.generate(tmp_path / "c.db", random=3000, part=(0, 10**6), progress=False)
    assert "0 of 3,000" in page(unmade).text
    assert "appended" in page(appended.recipe).text
    with qorpus.Writer(tmp_path / "empty.db", gates="h", qubits=1):
        pass
    assert "svg" not in page(qorpus.open(tmp_path / "empty.db")).tags


def test_cards_of_streams_batches_and_answers(shared, enumerated):
    stream = shared.stream(64, seed=3, window=1000, rank=1, world_size=2)
    assert {"epoch 0, batch 0 of 47", "1 of 2", "shuffled, seed 3, in windows of 1,024 records"} <= set(page(stream).texts)
    assert "(64, 4, 4) complex128" in page(next(iter(stream))).texts
    found = enumerated.find("cx 0 1; t 1")
    card = page(found)
    assert "Circuit found" in card.texts and card.letters == list(found.circuit) and str(found.id) in card.texts
    absent = enumerated.find("rz(0.1) 0")
    assert absent.none_up_to and f"No circuit up to {absent.none_up_to}" in page(absent).texts


def test_everything_is_escaped(tmp_path):
    """Names of files and gates, and labels, cannot bring elements of their own into a page."""
    evil = "<script>alert('1')</script>"
    path = tmp_path / "<img src=x> & co.db"
    with qorpus.Writer(path, gates="h", qubits=1) as writer:
        writer.append(["h"], name=evil, **{evil: 1.0})
    corpus = qorpus.open(path)
    rows = corpus.sql("select *, '<u>' as \"<u>\" from records")
    for shown in [corpus, corpus.recipe, corpus[0], corpus.stream(1), next(iter(corpus.stream(1, columns=["labels"]))), rows]:
        assert not {"script", "img", "u"} & set(page(shown).tags)
    assert evil in page(corpus[0]).text and "<img src=x> & co.db" in page(corpus).text


def test_cards_have_the_colours_of_the_notebook(shared, enumerated):
    """Text and lines have the colour of the notebook, there is no background, and cards begin at
    the left."""
    rows = shared.sql("select * from records limit 3")
    for shown in [shared, shared[7], shared.recipe, shared.stream(64), rows, enumerated.find("h 0"), shared[7].draw()]:
        html = shown._repr_html_()
        assert not re.search(r"background|white|black|#fff|#000", html) and "text-align:left" in html
        styled = page(shown).root.iter()
        assert not [element.get("style") for element in styled if re.search(r"(^|;) *color:", element.get("style", ""))]


def test_cards_stay_small():
    """Eight qubits, or thousands of letters and labels, do not make a card large. Of a large
    unitary a cell of the map shows the largest entry of a block."""
    record = qorpus.Recipe(gates="h,t,cx", qubits=8, random=10, length=30)[3]
    card = page(record)
    assert len(card.cells) == 32 * 32 and len(card.html) < 300_000
    for (row, column), number in list(card.cells.items())[:50]:
        block = record.unitary[row // 8 * 8 :, column // 8 * 8 :][:8, :8]
        assert abs(record.unitary[row, column]) == np.abs(block).max() and number == f"{record.unitary[row, column]:.4g}"
    record = qorpus.Recipe(gates="clifford+t", qubits=8, random=1, length=20_000)[0]
    card = page(record)
    assert len(card.letters) == 150 and len(card.html) < 500_000 and "… 19,850 more letters" in card.texts


# Drawings.


def test_a_drawing_has_an_element_a_letter():
    """The columns are those of the text, and a box interrupts its wire, as nothing else does."""
    circuit = "h 0; cx 0 2; tdg 1; swap 1 2; ccx 0 2 1; rz(3*pi/4) 1"
    picture = drawn(circuit, 3)
    assert picture.letters == circuit.split("; ") and picture.tags.count("svg") == 1
    assert [wire.get("d").count("m") for wire in picture.wires()] == [1, 2, 0]
    # Controls and the targets of controlled NOTs; boxes; names of wires and boxes.
    assert picture.tags.count("circle") == 1 + 2 + 1 + 1 and picture.tags.count("rect") == 3
    assert {"q0", "q1", "q2", "H", "T†", "RZ", "3π/4"} <= set(picture.texts)
    assert picture.root[0].get("role") == "img"
    assert picture.root[0].get("aria-label") == f"Circuit of 6 letters on 3 qubits: {circuit}"


def test_letters_in_one_column_are_beside_each_other():
    lefts = [rect.get("x") for rect in drawn("h 0; t 1; h 1", 2).root.iter(f"{SVG}rect")]
    assert lefts[0] == lefts[1] != lefts[2]


def test_gates_of_ones_own_are_boxes(tmp_path):
    """A gate on two qubits is two boxes that are joined, with the numbers of its qubits; an opaque
    gate without qubits covers all of them."""
    gates = {"mine": np.eye(4)[[1, 0, 3, 2]], "h": None, "unknown": None}
    with qorpus.Writer(tmp_path / "c.db", gates=gates, qubits=3, check="none") as writer:
        writer.append(["mine 2 0", "unknown"], np.eye(8))
    picture = Page(qorpus.open(tmp_path / "c.db")[0].draw().svg)
    assert picture.letters == ["mine 2 0", "unknown"] and picture.tags.count("rect") == 5
    texts = [text.text for text in picture.root.iter(f"{SVG}text")]
    assert texts[3:7] == ["mine", "1", "mine", "0"]


def test_long_circuits_wrap():
    """Each row has all wires and is no wider than a page; no letter is lost."""
    record = qorpus.Recipe(gates="h,t,cx", qubits=3, random=1, length=3000)[0]
    picture = Page(record.draw().svg)
    assert sorted(picture.letters) == sorted(record.circuit)
    assert len(picture.wires()) % 3 == 0 and len(picture.wires()) > 60
    assert float(picture.root[0].get("width")) <= 740
    in_notebook = page(record.draw())
    assert sorted(in_notebook.letters) == sorted(record.circuit[:1000]) and "… 2,000 more letters" in in_notebook.texts
    assert Page(record.draw()._repr_svg_()).letters == in_notebook.letters


def test_drawings_are_text_where_they_are_printed(shared, tmp_path):
    """The text is that of `qorpus show`; a file gets the SVG."""
    drawing = qorpus.Recipe(gates="h,cx", qubits=2, words=True, length=(0, 2))[7].draw(tmp_path / "bell.svg")
    assert str(drawing) == repr(drawing) == "q0 ─H─●─\n      │\nq1 ───⊕─"
    assert (tmp_path / "bell.svg").read_text() == drawing.svg + "\n"
    copy = pickle.loads(pickle.dumps(drawing))
    assert (copy.circuit, copy.qubits, copy.svg) == (drawing.circuit, drawing.qubits, drawing.svg)
    with pytest.raises(FileNotFoundError):
        drawing.save(tmp_path / "none" / "bell.svg")


@pytest.mark.parametrize(("circuit", "qubits"), [(("h 2",), 2), (("h x",), 2), (("h -1",), 2), ((), 17), ((3,), 1)])
def test_circuits_that_cannot_be_drawn(circuit, qubits):
    with pytest.raises((qorpus.InvalidArgument, qorpus.WrongType)):
        qorpus.Drawing(circuit, qubits)


# Heat maps.


def test_heat_maps():
    """Opacity is the magnitude relative to the largest entry, and hue the phase; numbers that are
    not finite are shown as zero."""
    picture = Page(heat_map(np.array([[0.5, 0.25j], [-0.5, np.nan]])))
    cells = list(picture.root.iter(f"{SVG}rect"))
    assert [float(cell.get("fill-opacity")) for cell in cells] == [1, 0.5, 1, 0]
    assert [cell.get("fill") for cell in cells][:3] == [colour(0), colour(np.pi / 2), colour(np.pi)]
    assert list(picture.cells.values()) == ["0.5+0j", "0+0.25j", "-0.5+0j", "nan+0j"]
    assert {"π", "0", "−π", "phase", "magnitude"} <= set(picture.texts) and "0.5" in picture.texts


def test_hues_are_equally_light():
    def light(hexadecimal):
        parts = np.array([int(hexadecimal[at : at + 2], 16) for at in (1, 3, 5)]) / 255
        return parts**2.2 @ [0.2126, 0.7152, 0.0722]

    lights = [light(colour(phase)) for phase in np.linspace(0, 2 * np.pi, 50)]
    assert max(lights) / min(lights) < 1.6
