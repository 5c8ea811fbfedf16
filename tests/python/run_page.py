"""Runs the code of a Markdown page as a reader would, block after block, in the current directory.

    python run_page.py PAGE.md [--sections]

`python` and `pycon` blocks share one namespace, which is that of this program. Blocks that begin
with `>>>` are doctests, the others are executed. In a `console` block each line that begins with
`$ ` is a command for bash; the lines behind it, if there are any, are its output, in which `...`
stands for anything. Blocks of other languages, and indented ones, are left alone.

With `--sections` the code below each heading of the second level is run alone: in a namespace and
a directory of its own.
"""

import argparse
import doctest
import itertools
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SECTION = re.compile(r"^## ", re.MULTILINE)
BLOCK = re.compile(r"^```(python|pycon|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Page:
    def __init__(self, path: Path, namespace: dict) -> None:
        self.path, self.namespace = path, namespace
        self.runner = doctest.DocTestRunner(optionflags=OPTIONS)
        self.failures = 0

    def run(self, text: str, line: int) -> None:
        """Run the blocks of a text that begins behind so many lines of the page."""
        for block in BLOCK.finditer(text):
            self.block(block[1], block[2], line + text.count("\n", 0, block.start(2)))

    def block(self, language: str, source: str, line: int) -> None:
        if language == "console":
            self.console(source, line)
        elif source.startswith(">>>"):
            test = doctest.DocTestParser().get_doctest(source, {}, self.path.name, str(self.path), line)
            test.globs = self.namespace
            self.failures += self.runner.run(test, clear_globs=False).failed
        else:
            exec(compile("\n" * line + source, str(self.path), "exec"), self.namespace)

    def console(self, source: str, line: int) -> None:
        for command, wanted in re.findall(r"^\$ ((?:.*\\\n)*.*\n)((?:(?!\$ ).*\n)*)", source, re.MULTILINE):
            done = subprocess.run(
                ["bash", "-euc", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            shown = not wanted.strip() or doctest.OutputChecker().check_output(wanted, done.stdout, OPTIONS)
            if done.returncode or not shown:
                self.failures += 1
                print(f"{self.path.name}, block of line {line}: {command}status {done.returncode}, output:\n{done.stdout}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--sections", action="store_true", help="run each section alone")
    arguments = parser.parse_args()

    # Functions of a page can be sent to other processes only from the main module.
    names = globals()
    page, base, kept = Page(arguments.page.resolve(), names), Path.cwd(), {*names}
    # Small networks on a busy machine: more threads would wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Datasets of Hugging Face are read without a network, and its copies are not kept.
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": tempfile.mkdtemp(dir=base)}
    # The command that was installed with this Python.
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    text = page.path.read_text()
    starts = [0, *(found.start() for found in SECTION.finditer(text)), len(text)] if arguments.sections else [0, len(text)]
    for start, end in itertools.pairwise(starts):
        if arguments.sections:
            for name in names.keys() - kept:
                del names[name]
            os.chdir(tempfile.mkdtemp(dir=base))
        page.run(text[start:end], text.count("\n", 0, start))
    sys.exit(1 if page.failures else 0)


if __name__ == "__main__":
    # A page is not a module that other processes could import.
    multiprocessing.set_start_method("fork")
    main()
