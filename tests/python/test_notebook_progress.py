"""Progress in notebooks: one bar that is updated in place, and that never stops a job."""

import os
import sys
import types

import pytest
import qorpus
from qorpus import _notebook


class Notebook:
    """A kernel of a notebook, as far as a bar needs it."""

    def __init__(self):
        self.displayed, self.updates = [], []
        self.kernel = types.SimpleNamespace(session=types.SimpleNamespace(pid=os.getpid()))

    def display(self, standing, display_id):
        assert display_id is True
        self.displayed.append(standing)
        return types.SimpleNamespace(update=self.updates.append)


@pytest.fixture
def notebook(monkeypatch):
    notebook = Notebook()
    modules = {"IPython": types.ModuleType("IPython"), "IPython.display": types.ModuleType("IPython.display")}
    modules["IPython"].get_ipython = lambda: notebook
    modules["IPython.display"].display = lambda *arguments, **options: notebook.display(*arguments, **options)
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(_notebook, "DELAY", 0)
    monkeypatch.setattr(_notebook, "INTERVAL", 0)
    return notebook


def test_one_bar_that_is_updated(notebook, tmp_path):
    qorpus.generate(tmp_path / "c.db", random=300_000)
    assert len(notebook.displayed) == 1 and notebook.updates
    last = notebook.updates[-1]
    assert "300,000 of 300,000 records (100.0 %)" in repr(last) and "value='1.0000'" in last._repr_html_()


def test_enumerations_show_their_phase(notebook, tmp_path):
    qorpus.distinct(tmp_path / "c.db", gates="h,t,cx", qubits=2, max_length=5)
    assert len(notebook.displayed) == 1
    lines = [repr(standing) for standing in notebook.displayed + notebook.updates]
    assert any("length 5: " in line for line in lines) and all(" distinct" in line for line in lines)


def test_splits_by_unitary_show_their_records(notebook):
    split = qorpus.Recipe(gates="h,t,cx", qubits=2, random=50_000).split(by="unitary", train=0.5)["train"]
    assert len(split) > 0 and len(notebook.displayed) == 1
    assert "50,000 of 50,000 records" in repr((notebook.displayed + notebook.updates)[-1])


def test_ray_shows_the_same_bar(notebook):
    show = qorpus.ray._shown(0)
    show(5, 10)
    show(10, 10)
    assert len(notebook.displayed) == len(notebook.updates) == 1 and "10 of 10 records" in repr(notebook.updates[0])


def test_a_display_that_fails_stops_nothing(notebook, tmp_path):
    """Neither the first display nor an update does."""

    def fail(*_, **__):
        raise OSError("the notebook is closed")

    notebook.display = fail
    assert len(qorpus.generate(tmp_path / "a.db", random=100_000)) == 100_000
    notebook.display = lambda *_, **__: types.SimpleNamespace(update=fail)
    assert len(qorpus.generate(tmp_path / "b.db", random=100_000)) == 100_000


def test_an_interrupt_while_it_is_shown_stops_the_job(notebook, tmp_path):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    notebook.display = interrupted
    with pytest.raises(KeyboardInterrupt):
        qorpus.generate(tmp_path / "c.db", random=3_000_000)
    assert qorpus.open(tmp_path / "c.db").info["records"] < 3_000_000


@pytest.mark.parametrize("progress", [False, lambda done, of: None])
def test_no_bar_is_shown_unless_it_is_wanted(notebook, tmp_path, progress):
    qorpus.generate(tmp_path / "c.db", random=100_000, progress=progress)
    assert notebook.displayed == []


def test_short_jobs_show_none(notebook, tmp_path, monkeypatch):
    monkeypatch.setattr(_notebook, "DELAY", 60)
    qorpus.generate(tmp_path / "c.db", random=1000)
    assert notebook.displayed == []


def test_only_the_process_of_the_kernel_has_a_bar(notebook):
    """A fork of it cannot reach the notebook, and a program without a notebook has none."""
    assert _notebook.bar() is not None
    notebook.kernel.session.pid += 1
    assert _notebook.bar() is None
    notebook.kernel = None
    assert _notebook.bar() is None
    del sys.modules["IPython"]
    assert _notebook.bar() is None


def test_lines_are_escaped():
    assert "<b>" not in _notebook._Standing(1, 2, "<b>'x'</b>")._repr_html_()
    assert "value='0.0000'" in _notebook._Standing(1, 0, "")._repr_html_()
