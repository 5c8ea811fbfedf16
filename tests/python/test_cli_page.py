"""The page of the command line has every command and flag of the program, and fits on narrow
screens."""

import functools
import importlib.util
import re

import pytest
from command import ROOT, qorpus

spec = importlib.util.spec_from_file_location("commands", ROOT / "docs" / "commands.py")
commands = importlib.util.module_from_spec(spec)
spec.loader.exec_module(commands)


@functools.cache
def page():
    return commands.reference()


def flags():
    """The flags of each command, from another source than the help: the completions for bash."""
    script = qorpus("completions", "bash").stdout
    found = re.findall(r"^ +qorpus(?:__subcmd)?__(\w+)\)\n +opts=\"([^\"]*)\"", script, re.MULTILINE)
        # clap writes a hyphen of a name as "__subcmd__".
    names = {name: name.replace("__subcmd__", "-").replace("__", "-") for name, _ in found}
    return {names[name]: opts.split() for name, opts in found if not name.startswith("help")}


FLAGS = flags()


def section(command):
    """The part of the page about a command."""
    return page().split(f"\n## qorpus {command}\n")[1].split("\n## ")[0]


def test_every_command_is_on_the_page():
    assert len(FLAGS) == 15 and set(FLAGS) == set(commands.commands())
    for command in FLAGS:
        assert page().count(f"\n## qorpus {command}\n") == 1 and f"(#qorpus-{command})" in page()


@pytest.mark.parametrize("command", FLAGS)
def test_every_flag_is_on_the_page(command):
    text = section(command)
    for flag in filter(re.compile("--").match, FLAGS[command]):
        assert f'<dt id="qorpus-{command}{flag}">' in text
    for flag in filter(re.compile("-[a-z]$").match, FLAGS[command]):
        assert f"<code>{flag}, --" in text
    assert re.search(f"<code>qorpus {command}[ <]", text) and f"```sh\nqorpus {command} " in text


def test_defaults_and_values_are_on_the_page():
    text = section("generate")
    for default in ["clifford+t", "1_000_000", "5..15", "full"]:
        assert f"Default: <code>{default}</code><" in text
    assert "<li><code>off</code>: A power cut may corrupt the file</li>" in text
    for variable in ["QORPUS_CACHE", "QORPUS_CACHE_SIZE", "AWS_*"]:
        assert f"* <code>{variable}</code>: " in page()


def test_lines_of_code_fit_on_a_narrow_screen():
    blocks = re.findall(r"^```sh\n(.*?)^```$", page(), re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 2 * len(FLAGS)
    assert max(len(line) for block in blocks for line in block.splitlines()) <= commands.WIDTH


def test_broken_commands_are_those_of_the_help():
    for command in FLAGS:
        for block in re.findall(r"```sh\n(.*?)\n```", section(command), re.DOTALL):
            assert re.sub(r" \\\n +", " ", block) in commands.help_of(command)


def test_the_page_has_its_place():
    assert (ROOT / "docs" / "cli.md").read_text().count(commands.MARKER) == 1
    settings = (ROOT / "mkdocs.yml").read_text()
    assert "docs/commands.py" in settings and "Command line: cli.md" in settings
