"""Runs the Python blocks of a Markdown page, one after the other, in one namespace, which is that
of this program.

    python run_page.py PAGE.md

Blocks that begin with `>>>` are doctests, the others are executed. Other blocks, and indented ones,
are left alone.
"""

import doctest
import multiprocessing
import re
import sys
from pathlib import Path

BLOCK = re.compile(r"^```(?:python|pycon)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def run(page: Path, namespace: dict) -> None:
    text = page.read_text()
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    for block in BLOCK.finditer(text):
        source, line = block[1], text.count("\n", 0, block.start(1))
        if source.startswith(">>>"):
            test = doctest.DocTestParser().get_doctest(source, {}, page.name, str(page), line)
            test.globs = namespace
            runner.run(test, clear_globs=False)
        else:
            exec(compile("\n" * line + source, str(page), "exec"), namespace)
    sys.exit(1 if runner.failures else 0)


if __name__ == "__main__":
    # A page is no module that other processes could import.
    multiprocessing.set_start_method("fork")
    run(Path(sys.argv[1]).resolve(), globals())
