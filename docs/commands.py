"""The reference of the command line: every command and flag, from the help of the installed package.

The page `cli.md` has a marker, which this hook replaces. Nothing is written down twice, so nothing can become stale.
"""

import functools
import html
import os
import re
import shlex
import subprocess
import sys
from typing import Any

from mkdocs.structure.pages import Page

MARKER = "<!-- commands -->"

#: Characters of a line of code that fit on a screen of 390 pixels.
WIDTH = 40

#: The indentation of the text of a flag; flags themselves have less.
INDENT = 10


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Insert the reference into its page."""
    return markdown.replace(MARKER, reference()) if page.file.src_uri == "cli.md" else markdown


@functools.cache
def help_of(*command: str) -> str:
    """Return the help of a command, each paragraph on one line."""
    environment = {name: value for name, value in os.environ.items() if name != "CLICOLOR_FORCE"}
    arguments = [sys.executable, "-m", "qorpus", *command, "--help"]
    environment["COLUMNS"] = "10000"
    return subprocess.run(arguments, check=True, capture_output=True, text=True, env=environment).stdout


def commands() -> list[str]:
    """Return the names of all commands, in the order of the help."""
    listed = entries(sections(help_of())["Commands"])
    return [name for name, _ in listed if name != "help"]


def reference() -> str:
    """Return the reference of all commands, in Markdown."""
    whole = [overview()]
    whole += [f"## qorpus {name}\n\n{description(name)}" for name in commands()]
    return "\n\n".join(whole)


def overview() -> str:
    """Describe the program: its commands, and what they have in common."""
    parts = sections(help_of())
    sentences = {name: " ".join(texts) for name, texts in entries(parts["Commands"])}
    links = [f"* [`qorpus {name}`](#qorpus-{name}): {inline(sentences[name])}" for name in commands()]
    blocks = ["\n".join(links)]
    for title in ["Environment", "Exit status"]:
        listed = [f"* {code(name)}: {paragraph(' '.join(texts))}" for name, texts in entries(parts[title])]
        blocks.append(f"**{title}**\n\n" + "\n".join(listed))
    return "\n\n".join(blocks)


def description(name: str) -> str:
    """Describe a command: its sentences, usage, flags and examples."""
    text = help_of(name)
    about, usage = text.split("\nUsage: ")
    sentence, *paragraphs = about.strip().split("\n\n")
    parts = sections(text)
    examples = parts.pop("Examples")
    blocks = [*map(inline, [f"{sentence}.", *paragraphs]), f"**Usage:** {code(usage.splitlines()[0])}"]
    blocks += [f"**{title}**\n\n{definitions(entries(lines), f'qorpus-{name}')}" for title, lines in parts.items()]
    blocks.append("**Examples**")
    for explanation, command in zip(examples[::2], examples[1::2], strict=True):
        blocks += [f"{inline(explanation.strip().removeprefix('# '))}:", f"```sh\n{broken(command.strip())}\n```"]
    return "\n\n".join(blocks)


def sections(text: str) -> dict[str, list[str]]:
    """Return the lines below each title of a help text."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if re.fullmatch(r"[A-Z][a-z ]+:", line):
            lines = found.setdefault(line[:-1], [])
        elif found and line.startswith(" "):
            lines.append(line)
    return found


def entries(lines: list[str]) -> list[tuple[str, list[str]]]:
    """Return the flags, or other names, of a section, each with the lines of its text."""
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        text = line.strip()
        if len(line) - len(line.lstrip()) < INDENT:
            name, *rest = re.split(r" {2,}", text, maxsplit=1)
            found.append((name, rest))
        elif text:
            found[-1][1].append(text)
    return found


def definitions(listed: list[tuple[str, list[str]]], prefix: str) -> str:
    """Describe the names of a section in a definition list; flags get an anchor."""
    items = []
    for name, texts in listed:
        flag = re.search(r"--[a-z-]+", name)
        anchor = f' id="{prefix}{flag[0]}"' if flag else ""
        text = re.sub(r"</ul><br><ul>|<br>(?=<ul>)|(?<=</ul>)<br>", "", "<br>".join(map(paragraph, texts)))
        items.append(f"<dt{anchor}>{code(name)}</dt>\n<dd>{text}</dd>")
    return "\n".join(["<dl>", *items, "</dl>"])


def paragraph(text: str) -> str:
    """Return a line of the text of a flag as HTML: a sentence, a value, a default, or a sentence with its default."""
    if value := re.fullmatch(r"- ([^:]+): +(.*)", text):
        return f"<ul><li>{code(value[1])}: {inline(value[2])}</li></ul>"
    if default := re.fullmatch(r"\[default: (.*)\]", text):
        return f"Default: {code(default[1])}"
    if values := re.fullmatch(r"\[possible values: (.*)\]", text):
        return f"Possible values: {', '.join(map(code, values[1].split(', ')))}"
    if described := re.fullmatch(r"(.*) \[default: (.*)\]", text):
        return f"{inline(described[1])}<br>Default: {inline(described[2])}"
    return inline(text)


def code(text: str) -> str:
    """Return a text as code."""
    return f"<code>{html.escape(text)}</code>"


def inline(text: str) -> str:
    """Return a sentence of the help, with its commands, flags and variables as code."""
    text = html.escape(text, quote=False)
    text = re.sub(r"'(qorpus [^']+)'", r"<code>\1</code>", text)
    text = re.sub(r"(?<![\w-])(AWS_\w+|s3://\w+/\w+)(?![^<]*</code>)", r"<code>\1</code>", text)
    flag = r'<code style="white-space: nowrap">\1</code>'
    return re.sub(r"(?<![\w-])(--[a-z][a-z-]*)(?![^<]*</code>)", flag, text)


def broken(command: str) -> str:
    """Break a command into lines that fit on a narrow screen, as a shell reads them."""
    lines, line = [], ""
    for word in groups(command):
        if line and len(f"{line} {word} \\") > WIDTH:
            lines.append(f"{line} \\")
            word, line = f"    {word}", ""
        line = f"{line} {word}" if line else word
    return "\n".join([*lines, line])


def groups(command: str) -> list[str]:
    """Return the words of a command; a flag and its value are one."""
    words = re.findall(r'"[^"]*"|\S+', command)
    assert shlex.split(command) == [word.strip('"') for word in words]
    found: list[str] = []
    for number, word in enumerate(words):
        is_value = number > 0 and words[number - 1].startswith(("--", ">", "|")) and not word.startswith(("-", ">", "|"))
        if is_value:
            found[-1] += f" {word}"
        else:
            found.append(word)
    return found
