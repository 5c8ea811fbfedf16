"""A store in trouble or under attack: busy, silent, one that ignores conditions, objects that
differ from the manifest; and the number of requests. Endless answers and redirects are in the Rust
tests of buckets."""

import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import qorpus as package
from command import described, finish, generate, qorpus, start
from object_store import BUCKET, running
from weather import between

RECIPE = "--gates h,s,t --qubits 1 --random 40000 --length 200..300 --no-unitaries --shard 2000".split()


@pytest.fixture(scope="module")
def server():
    with running() as store:
        with described(store.environment):
            generate(f"s3://{BUCKET}/corpus", *RECIPE)
        yield store


@pytest.fixture
def weather(server, tmp_path):
    """A proxy between this test and the store, and a cache of its own."""
    with between(server) as weather, described({**weather.environment, "QORPUS_CACHE": str(tmp_path / "cache")}):
        yield weather


PATH = f"s3://{BUCKET}/corpus"


def test_a_window_fetches_each_shard_once(server, weather):
    """A cache with room for a few of them is enough."""
    sizes = [size for name, size in server.objects("corpus/").items() if name.endswith(".db")]
    with described({"QORPUS_CACHE_SIZE": str(3 * max(sizes))}):
        stream = package.open(PATH).stream(100, window=20_000, seed=1, columns=["circuits"])
        batch = stream.batch(0)
        fetched = [request.path for request in weather.requests if request.is_shard]
        assert len(set(fetched)) == len(sizes) > 10
        # Two threads that read next to each other may both want one that had to go.
        assert len(fetched) <= 1.5 * len(sizes)
        recipe = package.Recipe("h,s,t", 1, random=40_000, length=(200, 300), unitaries=False)
        assert np.array_equal(batch.ids, stream.ids(0))
        for batch in (batch, stream.batch(7)):
            letters = recipe.letters_array(batch.ids)
            assert np.array_equal(batch.circuits[:, : letters.shape[1]], letters)
        assert len([request for request in weather.requests if request.is_shard]) == len(fetched)


def test_a_busy_store_is_waited_for(weather):
    """Ten seconds of 503, of which people hear."""
    begin = time.monotonic()

    def busy(request, handler):
        if time.monotonic() < begin + 10:
            handler.say(503, b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>")
            return True

    weather.answer = busy
    shown = qorpus("info", PATH)
    assert "s3://" in shown.stdout
    assert "which is busy (status 503); gives up after another 29" in shown.stderr


def silent(request, handler):
    time.sleep(60)
    return True


def test_waiting_ends_with_a_signal_and_stops_no_fork(weather):
    """In Python: a fork in another thread, a warning, and a KeyboardInterrupt."""
    program = f"""
import os, threading, time
import qorpus
corpus = qorpus.open({PATH!r})
print("open", flush=True)
input()
def fork():
    time.sleep(1)
    begin = time.monotonic()
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    print("forked", time.monotonic() - begin, flush=True)
threading.Thread(target=fork).start()
try:
    corpus.unitaries(range(0, 40_000))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", program], env=os.environ, **pipes) as process:
        assert process.stdout.readline() == "open\n"
        weather.answer = silent
        process.stdin.write("\n")
        process.stdin.flush()
        name, seconds = process.stdout.readline().split()
        assert name == "forked" and float(seconds) < 5
        # The wait is announced after five seconds.
        assert "QorpusWarning" in process.stderr.readline()
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=30)
        assert said == "interrupted\n" and process.returncode == 0
        assert time.monotonic() - begin < 10


def test_an_interrupt_is_not_lost_when_the_answer_comes_with_it(weather, monkeypatch):
    """An exception that the announcement of a wait raises ends the read, even if the store answers
    just then."""
    corpus, answers = package.open(PATH), threading.Event()

    def late(request, handler):
        if request.is_shard:
            answers.wait(60)

    def interrupted(*_):
        answers.set()
        raise KeyboardInterrupt

    weather.answer = late
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", interrupted)
        with pytest.raises(KeyboardInterrupt):
            corpus.unitaries([7])
    assert corpus[7].id == 7


def test_a_command_ends_with_a_signal(weather):
    weather.answer = lambda request, handler: request.is_shard and silent(request, handler)
    process = start("verify", PATH, "--quiet")
    while not any(request.is_shard for request in weather.requests):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    begin = time.monotonic()
    assert "interrupted" in finish(process, status=130).stderr
    assert time.monotonic() - begin < 10


def test_an_object_of_another_size_is_not_fetched(server, weather):
    for name in server.objects("corpus/"):
        server.put(f"larger/{name}", server.get(f"corpus/{name}"))
    name = next(name for name in server.objects("larger/") if name.endswith(".db"))
    server.put(f"larger/{name}", bytes(20_000_000))
    corpus = package.open(f"s3://{BUCKET}/larger")
    with pytest.raises(package.Error, match="it has 20000000 bytes instead of"):
        corpus[int(name.split("-")[0])]
    assert not [request for request in weather.requests if request.is_shard]


def test_a_store_that_ignores_conditions_is_refused(server, weather):
    def forget(request, handler):
        for name in [name for name in request.headers if name.lower().startswith("if-")]:
            del request.headers[name]

    weather.answer = forget
    said = qorpus("generate", f"s3://{BUCKET}/ignoring", *RECIPE, status=1).stderr
    assert "ignores If-None-Match" in said and "directory" in said
    assert server.objects("ignoring/") == {}
    # To read needs none.
    assert package.open(PATH)[7].id == 7
