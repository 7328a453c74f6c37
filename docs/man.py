"""The manual page, from the commands: `python docs/man.py > docs/esc.1`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

import typer.main

from esc_cli.cli.app import app

COMMON = {"--help", "--install-completion", "--show-completion"}
"""Options that are told once, or that Typer adds by itself."""


def escaped(text: str) -> str:
    """Text that roff takes literally: backslashes, hyphens, and a control character in front."""
    text = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text


def page(root: Any) -> Iterator[str]:
    """The lines of esc(1), in roff's man macros; `root` is the click group."""
    yield '.TH ESC 1 "" esc "User Commands"'
    yield from (".SH NAME", "esc \\- upscale pictures and videos, measure and train the network")
    yield from (".SH SYNOPSIS", ".B esc", "\\fICOMMAND\\fR [\\fIOPTION\\fR]...")
    yield from (".SH DESCRIPTION", escaped(root.help))
    yield from (".SH OPTIONS", *options(root))
    yield from ('.TP\n.BR \\-h ", " \\-\\-help', "Show the options; so does each command.")
    yield from (".TP\n.B \\-\\-install\\-completion", "Let the shell complete the command.")
    yield from (".TP\n.B \\-\\-show\\-completion", "Print the script of that completion.")
    yield ".SH COMMANDS"
    for name, command in leaves(root, "esc"):
        yield from section(name, command)


def leaves(group: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The commands below a group with their whole names, in the order of the help."""
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, f"{name} {word}")
        elif not command.hidden:
            yield f"{name} {word}", command


def section(name: str, command: Any) -> Iterator[str]:
    """A command: what it does, its arguments and options, its exit codes."""
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    shown = " ".join(f"\\fI{escaped(p.metavar or p.name.upper())}\\fR" for p in arguments)
    yield from (f".SS {escaped(name)}", f"\\fB{escaped(name)}\\fR [\\fIOPTION\\fR]... {shown}")
    for paragraph in (command.help or "").split("\n\n"):
        yield from (".PP", escaped(paragraph))
    for argument in arguments:
        yield from (f".TP\n.I {escaped(argument.metavar or argument.name.upper())}",)
        yield escaped(argument.help or "")
    yield from options(command)
    if command.epilog:
        yield from (".PP", escaped(command.epilog))


def options(command: Any) -> Iterator[str]:
    """The options of a command, but those of every command."""
    for option in command.params:
        if option.param_type_name == "option" and not option.hidden and not told(option):
            value = "" if option.is_flag else f" \\fI{escaped(value_name(option, command))}\\fR"
            names = ", ".join(f"\\fB{escaped(name)}\\fR" for name in spellings(option))
            yield from (".TP", f"{names}{value}", escaped((option.help or "") + default(option)))


def told(option: Any) -> bool:
    return bool(COMMON & set(option.opts))


def spellings(option: Any) -> list[str]:
    """All names, short ones first."""
    return sorted([*option.opts, *option.secondary_opts], key=lambda name: name.startswith("--"))


def value_name(option: Any, command: Any) -> str:
    """Choices as such, else the option's name in capitals."""
    annotation = get_type_hints(command.callback).get(option.name)
    kinds = [kind for kind in (annotation, *get_args(annotation)) if kind is not None]
    choices = [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
    return "|".join(choices) or option.metavar or option.name.strip("_").upper().replace("_", "-")


def default(option: Any) -> str:
    """What holds when the option is left out, where that is a word or a number."""
    value = getattr(option.default, "value", option.default)
    known = isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""
    return f" Default: {value}." if known else ""


if __name__ == "__main__":
    sys.stdout.write("\n".join(page(typer.main.get_command(app))) + "\n")
