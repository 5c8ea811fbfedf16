"""`qorpus view`: pages and JSON of the real server against the corpus, and a browser that clicks
through them."""

import base64
import contextlib
import http.client
import json
import re
import signal
import subprocess
import sys
from urllib.parse import quote, urlencode, urlsplit

import numpy as np
import pytest
import qorpus
from chromium import Browser
from command import ENVIRONMENT, PATIENCE, snapshot
from command import qorpus as run_binary

COMMAND = [sys.executable, "-m", "qorpus", "view"]
HOSTILE = "<script>alert(1)</script>"


@contextlib.contextmanager
def served(path, *options):
    """Serve a corpus by the wheel's command, as long as this lasts."""
    process = subprocess.Popen(
        [*COMMAND, str(path), *options], text=True, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        address = re.fullmatch(r"(http://127\.0\.0\.1:\d+/)  \(Ctrl-C ends it\)\n", process.stdout.readline())
        assert address, process.stderr.read()
        yield Server(address[1])
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in said and "error" not in said, said


class Server:
    def __init__(self, address):
        self.address, self.host = address, urlsplit(address).netloc

    def get(self, path, method="GET", **headers):
        """The status and the text of an answer."""
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            self.headers = answer.headers
            return answer.status, answer.read().decode()

    def json(self, path, status=200, **arguments):
        found, text = self.get(f"{path}?{urlencode(arguments)}" if arguments else path)
        assert found == status, text
        return json.loads(text)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("view")


@pytest.fixture(scope="module")
def corpus(directory):
    return qorpus.generate(directory / "demo.db", random=20_000, seed=5, progress=False)


@pytest.fixture(scope="module")
def server(corpus):
    with served(corpus.paths[0]) as server:
        yield server


@pytest.fixture(scope="module")
def every(directory):
    return qorpus.distinct(directory / "every.db", gates="h,t,tdg,cx", qubits=2, max_length=4, progress=False)


@pytest.fixture(scope="module")
def enumeration(every):
    with served(every.paths[0]) as server:
        yield server


@pytest.fixture(scope="module")
def labelled(directory):
    """Labels whose names and values would be HTML or SQL."""
    path = directory / "labelled.db"
    with qorpus.Writer(path, gates="h,t", qubits=1, durability="off") as writer:
        for number in range(300):
            labels = {"reward": number / 8, "from": HOSTILE if number % 2 else "b", 'q"; --': number, "<i>": 1.5}
            writer.append(list("hth")[: number % 4], **labels)
    return qorpus.open(path)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


# JSON.


@pytest.mark.parametrize(
    "query",
    [
        "select * from records where id < 50",
        "select id, circuit, length, unitary from records where count_t = 3 order by id desc limit 20",
        "select length, count(*), avg(count_cx) from records group by length",
        "with some as (select id from records where length = 5) select max(id) from some; ",
        "select 1e999, -1e999, null, 'a\"<b>' -- the end",
        "values (1, 'x')",
    ],
)
def test_sql_is_that_of_the_corpus(server, corpus, query):
    found, expected = server.json("/corpus/sql.json", sql=query, limit=10_000), corpus.sql(query)
    special = {np.inf: {"$float": "inf"}, -np.inf: {"$float": "-inf"}}
    rows = [[special.get(value, value) if not isinstance(value, bytes) else blob(value) for value in row] for row in expected]
    assert found == {"columns": expected.columns, "rows": rows, "truncated": False} and rows


def blob(value):
    return {"$base64": True, "encoded": base64.b64encode(value).decode()}


def test_parameters_and_limits(server, corpus):
    query = "select id from records where length = :length and circuit like :like"
    found = server.json("/corpus/sql.json", sql=query, length=5, like="%cx%", limit=7)
    expected = corpus.sql(query, {"length": 5, "like": "%cx%"})
    assert found["rows"] == [list(row) for row in expected[:7]] and found["truncated"] and len(expected) > 7
    assert len(server.json("/corpus/sql.json", sql="select id from records")["rows"]) == 100


def test_records(server, corpus):
    found = server.json("/corpus/records.json?from=1000")
    assert [record["id"] for record in found["records"]] == list(range(1000, 1025)) and found["next"] == 1025
    for shown in found["records"]:
        record = corpus[shown["id"]]
        assert shown["circuit"] == list(record.circuit) and shown["labels"] == record.labels
        parts = np.array(shown["unitary"])
        assert (parts[..., 0] + 1j * parts[..., 1] == record.unitary).all()
    assert server.json("/corpus/records.json?from=19990")["next"] is None
    assert server.json("/corpus/record/7.json")["circuit"] == list(corpus[7].circuit)
    facts = server.json("/corpus.json")
    assert facts == json.loads(json.dumps({**corpus.info}))


def test_filters_find_all_records_page_by_page(server, corpus):
    expected = [id for (id,) in corpus.sql("select id from records where length between 6 and 8 and count_t = 4 order by id")]
    found, begin = [], 0
    while begin is not None:
        page = server.json("/corpus/records.json", length="6..8", count_t=4, **{"from": begin})
        found += [record["id"] for record in page["records"]]
        assert page["looked_at"]["first"] == begin
        begin = page["next"]
    assert found == expected and len(found) > 3 * 25


def test_levels_are_filters(enumeration, every):
    page = enumeration.json("/corpus/records.json", level=3)
    assert page["records"][0]["id"] == every.levels[3].ids.start
    assert page["looked_at"]["first"] == every.levels[3].ids.start


def test_labels_are_filters_and_text(labelled):
    with served(labelled.paths[0]) as server:
        for number in (True, False):
            arguments = {'label.q"; --': "10..12"} if number else {"label.from": HOSTILE}
            page = server.json("/corpus/records.json", **arguments)
            ids = [record["id"] for record in page["records"]]
            assert ids == ([10, 11, 12] if number else list(range(1, 50, 2)))
        for path in ["/corpus", "/corpus/records", "/corpus/record/3", "/corpus/sql?sql=select+*+from+records", "/corpus/sql"]:
            status, text = server.get(path)
            # The one script is the page's own file.
            assert status == 200 and text.count("<script") == 1 and "<i>" not in text and "alert(1)" in text or path == "/corpus/sql"


def test_find_in_an_enumeration(enumeration, every):
    found = enumeration.json("/corpus/search.json", q="t 0; h 0; h 0; t 0")["find"]
    assert (tuple(found["circuit"]), found["id"]) == every.find("t 0; h 0; h 0; t 0")[:2]
    matrix = json.dumps(np.stack([every[50].unitary.real, every[50].unitary.imag], axis=-1).tolist())
    assert enumeration.json("/corpus/search.json", q=matrix)["find"]["id"] == 50
    far = "h 0; t 0; cx 0 1; t 1; h 1; cx 1 0; t 0; h 0; t 1; cx 0 1; h 0; t 0; h 1"
    answer = every.find(far)
    assert answer.circuit is None
    assert enumeration.json("/corpus/search.json", q=far)["find"]["none_up_to"] == answer.none_up_to
    assert f"no circuit up to length {answer.none_up_to} makes it" in enumeration.get("/corpus/search?q=" + quote(far))[1]


def test_search_by_circuit_and_distance(server, corpus):
    record = corpus[123]
    found = server.json("/corpus/search.json", q=";  ".join(record.circuit))
    same = [id for (id,) in corpus.sql("select id from records where circuit = ?", ["; ".join(record.circuit)])]
    assert found["same_circuit"]["ids"] == same[:10] and found["find"] is None
    near = found["nearest"]
    query = "select id, distance(unitary, ?) as d from records where id between ? and ? order by d, id limit 10"
    expected = corpus.sql(query, [record.unitary, near["first"], near["last"]])
    distances = [one["distance"] for one in near["records"]]
    assert np.abs(np.array(distances) - [d for _, d in expected]).max() < 1e-7
    assert near["first"] == 0 and near["ended"] == (near["last"] == len(corpus) - 1)
    text = server.get("/corpus/search?record=123")[1]
    assert "The 10 nearest among ids 0 to " in text


# What a server must not do.


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("/corpus/record/20000", 404, "There is no record 20,000; ids reach from 0 to 19,999."),
        ("/corpus/record/-1", 400, "must be a whole number"),
        ("/corpus/record/9999999999999999999", 400, "must be a whole number"),
        ("/corpus/record/%F0%9F%92%A9", 400, "must be a whole number"),
        ("/corpus/records?from=x", 400, "must be a whole number"),
        ("/corpus/records?lenght=3", 400, "There is no filter &#39;lenght&#39;"),
        ("/corpus/records?length=long", 400, "write a number such as 3"),
        ("/corpus/search?q=nope+0", 400, "not a circuit of this corpus"),
        ("/corpus/search?q=1+2%0A3+4", 400, "The matrix is 2 by 2; the corpus has unitaries of 4 by 4"),
        ("/corpus/search?q=" + "[" * 5000, 400, "not a matrix"),
        ("/corpus/search?record=nope", 400, "must be a whole number"),
        ("/corpus/sql?sql=selec", 400, "syntax error"),
        ("/corpus/sql?sql=select+1)+union+select+(2", 400, "syntax error"),
        ("/corpus/sql?sql=delete+from+records", 400, ""),
        ("/corpus/sql?sql=select+1;select+2", 400, ""),
        ("/corpus/sql?sql=select+1&limit=1000000", 400, "must be from 1 to 10,000"),
        ("/corpus/sql?sql=select+:x", 400, ""),
        ("/_memory", 404, "no such page"),
        ("/-/plugins", 404, "no such page"),
        ("/corpus/static/..%2Fsite.py", 404, ""),
    ],
)
def test_bad_requests_get_a_sentence(server, path, status, sentence):
    found, text = server.get(path)
    assert (found, sentence in text) == (status, True), text
    assert "Traceback" not in text
    if "/corpus/" in path and "static" not in path:
        page, _, arguments = path.partition("?")
        message = server.json(f"{page}.json?{arguments}", status=status)["error"]
        assert message.endswith(".") or "syntax error" in message or len(message) > 10


def test_queries_that_never_end(directory):
    """A query is stopped, and the server answers as before; also of a recipe of 10**12 records."""
    path = directory / "recipe.json"
    path.write_text(qorpus.Recipe(random=10**12).json)
    with served(path) as server:
        for query in ["select count(*) from records", "select group_concat(circuit) from records"]:
            message = server.json("/corpus/sql.json", status=400, sql=query)["error"]
            assert "more than 5 seconds" in message
        page = server.json("/corpus/records.json", length=14, count_cx=12)
        assert page["looked_at"]["last"] < 10**9 and page["next"] == page["looked_at"]["last"] + 1
        assert server.json(f"/corpus/record/{10**11}.json")["circuit"] == list(qorpus.Recipe(random=10**12)[10**11].circuit)
        text = server.get("/corpus")[1]
        assert "1,000,000,000,000 random circuits" in text
        assert "a sample of 16,384 of 1,000,000,000,000 records" in text


def test_only_requests_for_this_server(server):
    assert server.get("/corpus", Host="evil.example")[0] == 421
    assert server.get("/corpus", Host="127.0.0.1")[0] == 421
    assert server.get("/corpus", Host=server.host.replace("127.0.0.1", "localhost"))[0] == 200
    assert server.get("/corpus", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")[0] == 403
    assert server.get("/corpus", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert server.get("/corpus", method=method)[0] == 405
    server.get("/corpus")
    assert "default-src 'none'" in server.headers["content-security-policy"]


def test_nothing_is_written(corpus, server, directory):
    before = snapshot(directory)
    for path in ["/corpus", "/corpus/records?length=7", "/corpus/search?q=h+0", "/corpus/sql?sql=select+1"]:
        assert server.get(path)[0] == 200
    assert snapshot(directory) == before


def test_an_unfinished_corpus(directory):
    """Only records that exist are counted and shown; records that come later appear."""
    path = directory / "half.db"
    qorpus.generate(path, random=10_000, part="1/2", progress=False)
    present = qorpus.open(path).present()
    with served(path) as server:
        page = server.json("/corpus/records.json")
        assert [record["id"] for record in page["records"]] == present.ids(slice(0, 25)).tolist()
        assert server.json("/corpus.json")["records"] == len(present)
        assert f"{len(present):,} of 10,000" in server.get("/corpus")[1]
        assert server.get("/corpus/record/0")[0] == 404


@pytest.mark.parametrize(
    "recipe",
    [{"haar": 50, "qubits": 2}, {"cliffords": 50, "qubits": 3}, {"gates": "rz(?),sx,cx", "random": 50}, {"qubits": 8, "random": 30}],
    ids=["haar", "cliffords", "angles", "eight"],
)  # fmt: skip
def test_kinds_of_records(directory, recipe):
    path = directory / f"{next(iter(recipe))}-{recipe.get('qubits', 2)}.json"
    path.write_text(qorpus.Recipe(**recipe).json)
    with served(path) as server:
        for page in ["/corpus", "/corpus/records", "/corpus/record/7", "/corpus/search?record=7", "/corpus/sql"]:
            assert server.get(page)[0] == 200, page
        text = server.get("/corpus/record/7")[1]
        assert ("without a circuit" in text) == ("haar" in recipe)
        assert ('id="tableau"' in text) == ("cliffords" in recipe)
        assert ('id="angles"' in text) == ("gates" in recipe)
        bits = [int(bit) for bit in re.findall(r'<span class="hidden">([01])</span>', text)]
        assert bits == (qorpus.Recipe(**recipe).tableaus([7]).astype(int).ravel().tolist() if "cliffords" in recipe else [])
        assert server.json("/corpus/search.json?record=7")["nearest"]["records"][0]["id"] == 7


def test_more_qubits_than_unitaries_have(directory):
    wide = qorpus.distinct(directory / "wide.db", gates="h,cx", qubits=10, coupling="line", max_length=2, up_to="pauli", progress=False)
    with served(wide.paths[0]) as server:
        for page in ["/corpus", "/corpus/records", "/corpus/record/7", "/corpus/search?record=7", "/corpus/sql?sql=select+*+from+records"]:
            assert server.get(page)[0] == 200, page
        assert server.json("/corpus/search.json", q="; ".join(wide[50].circuit))["find"]["id"] == 50


def test_a_directory_of_shards(directory):
    path = directory / "shards"
    path.mkdir()
    corpus = qorpus.generate(path, random=3000, progress=False)
    with served(path) as server:
        assert server.json("/corpus/records.json?from=2990")["records"][-1]["circuit"] == list(corpus[2999].circuit)
        assert server.json("/corpus/sql.json", sql="select count(*) from records")["rows"] == [[3000]]
        assert "all 3,000 records" in server.get("/corpus")[1]


def test_in_a_datasette(directory, corpus, tmp_path):
    """The plugin has its pages beside those of Datasette, and refuses a file that Datasette has opened."""
    import asyncio

    from datasette.app import Datasette
    from datasette.plugins import pm
    from qorpus import view

    pm.is_registered(view) or pm.register(view)
    metadata = {"plugins": {"qorpus": {"corpus": corpus.paths[0]}}}

    async def ask(*paths):
        client = Datasette([], memory=True, metadata=metadata).client
        return [(await client.get(path)).status_code for path in paths]

    assert asyncio.run(ask("/corpus", "/corpus/record/7.json", "/_memory", "/")) == [200] * 4
    with pytest.raises(qorpus.Error, match="is also a database of this Datasette"):
        Datasette([corpus.paths[0]], metadata=metadata).app()


# The command.


def test_the_command_refuses(directory, server):
    for path, sentence in [(directory / "none.db", "does not exist"), (__file__, "is not a Qorpus corpus")]:
        ended = subprocess.run([*COMMAND, str(path)], capture_output=True, text=True, env=ENVIRONMENT, timeout=PATIENCE)
        assert ended.returncode == 1 and sentence in ended.stderr and ended.stderr.startswith("error: ")
    (directory / "bad.json").write_text('{"format_version": 1}')
    taken = ["--port", urlsplit(server.address).port]
    for arguments, sentence in [([directory / "bad.json"], "recipe"), ([directory / "demo.db", *taken], "is not free")]:
        command = [*COMMAND, *map(str, arguments)]
        ended = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=PATIENCE)
        assert ended.returncode == 1 and sentence in ended.stderr and "Traceback" not in ended.stderr


def test_the_binary_names_the_package(corpus):
    ended = run_binary("view", corpus.paths[0], status=1)
    assert "comes with the Python package" in ended.stderr and "qorpus[view]" in ended.stderr


def test_a_port_of_choice(corpus):
    with served(corpus.paths[0]) as server:
        port = urlsplit(server.address).port
    with served(corpus.paths[0], "--port", str(port)) as server:
        assert urlsplit(server.address).port == port


# A browser.


def test_clicking_through(browser, server, corpus):
    browser.shape(1400)
    browser.open(server.address)
    assert browser.run("document.title") == "demo.db · Qorpus"
    assert browser.run("document.querySelectorAll('.record').length") == 8
    # A bar of the histogram leads to its records.
    with browser.loads():
        browser.click(".bars a[href*='length=7']")
    ids = browser.run("Array.from(document.querySelectorAll('.record .id a'), a => parseInt(a.textContent.replaceAll(',', '')))")
    expected = [id for (id,) in corpus.sql("select id from records where length = 7 order by id limit 25")]
    assert ids == expected
    with browser.loads():
        browser.click("a[rel=next]")
    assert browser.run("document.querySelectorAll('.record').length") == 25
    with browser.loads():
        browser.click(".chosen a")
    assert browser.run("location.pathname + location.search") == "/corpus/records"
    with browser.loads():
        browser.click(".record:nth-child(4) .id a")
    assert browser.run("document.querySelector('h1').textContent") == "Record 3"
    # Each letter of the circuit is drawn, and each entry of the unitary.
    letters = browser.run("Array.from(document.querySelectorAll('.letter title'), e => e.textContent)")
    assert letters == list(corpus[3].circuit)
    cells = browser.run("Array.from(document.querySelectorAll('.pair rect'), e => parseFloat(e.getAttribute('fill-opacity')))")
    magnitudes = np.abs(corpus[3].unitary).ravel()
    assert np.abs(np.array(cells) - magnitudes / magnitudes.max()).max() < 1e-2
    with browser.loads():
        browser.click("a[href$='record=3']")
    assert "Search: the unitary of record 3" in browser.run("document.body.innerText")
    with browser.loads():
        browser.click("header a[href='/corpus/sql']")
    with browser.loads():
        browser.click(".examples a")
    assert browser.run("document.querySelectorAll('table.rows tbody tr').length") == 11
    assert not browser.errors


def test_keys(browser, server, corpus):
    browser.shape(1400)
    browser.open(server.address + "corpus/records")
    for _ in range(2):
        browser.press("j")
    browser.press("ArrowDown")
    browser.press("k")
    assert browser.run("document.activeElement.querySelector('.id a').textContent") == "1"
    with browser.loads():
        browser.press("Enter")
    assert browser.run("location.pathname") == "/corpus/record/1"
    for key, path in [("ArrowRight", "2"), ("j", "3"), ("k", "2"), ("ArrowLeft", "1")]:
        with browser.loads():
            browser.press(key)
        assert browser.run("location.pathname") == f"/corpus/record/{path}"
    browser.press("/")
    assert browser.run("document.activeElement.id") == "search"
    browser.type("h 0; cx 0 1")
    # Keys in a box of text are text.
    browser.press("j")
    assert browser.run("document.getElementById('search').value") == "h 0; cx 0 1j"
    browser.run("document.getElementById('search').value = 'h 0; cx 0 1'")
    with browser.loads():
        browser.press("Enter")
    assert "Nearest unitaries" in browser.run("document.body.innerText")
    assert not browser.errors


PAGES = ["corpus", "corpus/records?length=7", "corpus/record/7", "corpus/search?q=h+0%3B+cx+0+1", "corpus/sql?sql=select+*+from+records+limit+5",
         "nowhere"]  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_fits_and_can_be_read(browser, server, page, dark):
    """No page is wider than the screen; text has contrast; controls and pictures have names; focus
    can be seen."""
    for width in (1400, 390):
        browser.shape(width, dark)
        browser.open(server.address + page)
        assert browser.run("document.documentElement.scrollWidth") <= width
        contrasts = browser.run(CONTRASTS)
        assert min(contrasts) >= 4.5 and len(contrasts) > 5
        unnamed = browser.run(
            "Array.from(document.querySelectorAll('svg, input, textarea, a, button')).filter(e => !e.closest('[aria-hidden]')"
            " && !(e.getAttribute('aria-label') || e.textContent.trim() || e.title)).map(e => e.outerHTML)"
        )
        assert unnamed == []
        assert browser.run("document.querySelectorAll('main').length + document.querySelectorAll('h1').length") == 2
    browser.press("Tab")
    assert browser.run("document.activeElement.textContent") == "Skip to content"
    browser.press("Tab")
    assert browser.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    if page != "nowhere":
        assert not browser.errors
    browser.errors.clear()


# The contrast of each text with the page, as WCAG defines it.
CONTRASTS = """(() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = light(getComputedStyle(document.body).backgroundColor);
  const texts = Array.from(document.querySelectorAll("main *, header *, footer *"))
    .filter((e) => !e.closest("svg, .off, .hidden") && Array.from(e.childNodes).some((n) => n.nodeType === 3 && n.data.trim()));
  return texts.map((e) => light(getComputedStyle(e).color))
    .map((text) => (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05));
})()"""
