"""The manual page tells of every option, and is the one that the commands make."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from esc_cli.cli.app import app

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "esc.1"


def commands(group, name="esc"):
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


def sections():
    """The text below each command's heading."""
    parts = PAGE.read_text(encoding="utf-8").replace("\\-", "-").split("\n.SS ")[1:]
    return dict(part.split("\n", 1) for part in parts)


@pytest.mark.parametrize(("name", "command"), list(commands(typer.main.get_command(app))))
def test_every_option_of_a_command_stands_in_its_section(name, command):
    told = sections()[name]
    for option in command.params:
        if option.param_type_name == "option" and "--help" not in option.opts:
            for spelling in (*option.opts, *option.secondary_opts):
                assert f"\\fB{spelling}\\fR" in told


def test_the_page_is_the_one_that_the_commands_make():
    made = subprocess.run([sys.executable, DOCS / "man.py"], capture_output=True, check=True)
    assert made.stdout.decode() == PAGE.read_text(encoding="utf-8"), "run docs/man.py > docs/esc.1"


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
def test_groff_has_nothing_to_say_about_the_page():
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8", PAGE], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


@pytest.mark.parametrize("text", ["Folder of datasets;", "Replace an output", "Refuse larger pic"])
def test_an_option_of_several_commands_says_the_same_in_each(text):
    told = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if text in line]
    assert len(told) > 1
    assert len(set(told)) == 1
