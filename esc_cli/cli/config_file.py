"""Options from a file: which esc.toml holds for a command, and what it says."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esc_cli.errors import UsageError, shown

NAME = "esc.toml"
CONFIG = "ESC_CONFIG"
"""Environment variable: the file to take, as --config; "none" for no file."""
NONE = "none"


@dataclass(frozen=True)
class Setting:
    """A value for an option, and the file that it is from."""

    value: Any
    file: Path


@dataclass(frozen=True)
class Asked:
    """Whose settings are looked for. command: such as "weights pull". options: the parameter by
    the option's name without dashes. commands: all there are, and those above them ("weights").
    """

    command: str
    options: Mapping[str, str]
    commands: frozenset[str]


def settings_for(asked: Asked, first: str | None, wanted: str | None) -> dict[str, Setting]:
    """What files say about a command, by parameter.

    `first`: its first argument. `wanted`: the value of --config. Without it, esc.toml of the user's
    configuration counts, and above it that beside the first argument, or in the current folder.
    Raises UsageError for files that cannot be read or say what no command or option means.
    """
    chosen = wanted or os.environ.get(CONFIG) or ""
    if chosen == NONE:
        return {}
    paths = [Path(chosen)] if chosen else list(_usual(first))
    found: dict[str, Setting] = {}
    for path in paths:
        for name, value in _section(path, asked).items():
            found[name] = Setting(value, path)
    return found


def _usual(first: str | None) -> Iterator[Path]:
    """The files that are there, the one that counts most last."""
    import platformdirs

    user = platformdirs.user_config_path("esc") / NAME
    if user.is_file():
        yield user
    there = first is not None and os.path.lexists(first)
    beside = [Path(os.path.abspath(first)).parent] if first and there else []  # noqa: PTH100 - beside a link, not its target
    for folder in (*beside, Path.cwd()):
        path = folder / NAME
        if path.is_file():
            _refuse_strangers(path)
            yield path
            return


def _refuse_strangers(path: Path) -> None:
    """A file that somebody else left in a shared folder is not obeyed unasked."""
    own = getattr(os, "getuid", lambda: None)()
    if own is not None and path.stat().st_uid not in (own, 0):
        what = "belongs to another user, and is not read unasked"
        raise UsageError(what, path, f"--config {shown(path)}, or --config {NONE}")


def _section(path: Path, asked: Asked) -> dict[str, Any]:
    """The table of a command, by parameter."""
    whole = _read(path)
    _check_tables(path, whole, "", asked.commands)
    table: dict[str, Any] = whole
    for word in asked.command.split():
        table = table.get(word, {})
    found = {}
    for key, value in table.items():
        name = key.replace("_", "-")
        if isinstance(value, dict):
            continue  # of a command below this one
        if name not in asked.options:
            what = f"[{asked.command}] has an unknown option {key!r}"
            help_ = f"see esc {asked.command} --help"
            raise UsageError(what, path, _nearest(name, asked.options) or help_)
        found[asked.options[name]] = value
    return found


def _check_tables(path: Path, table: Any, above: str, commands: frozenset[str]) -> None:
    """Refuse what no command reads: it would be passed by in silence."""
    if not isinstance(table, dict):
        raise UsageError(f"[{above}] is no table", path)
    group = not above or any(name.startswith(f"{above} ") for name in commands)
    for key, value in table.items():
        name = f"{above} {key}".strip()
        if name in commands:
            _check_tables(path, value, name, commands)
        elif isinstance(value, dict):
            what = f"[{name.replace(' ', '.')}] is no command of esc"
            raise UsageError(what, path, _nearest(name, commands))
        elif group:
            what = f"{key!r} stands outside the table of a command"
            raise UsageError(what, path, "such as [upscale] or [weights.pull]")


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0].replace(' ', '.')}?" if near else ""


def _read(path: Path) -> dict[str, Any]:
    try:
        # Editors on Windows put a mark before the first byte.
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"is no TOML: {error}", path) from error
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", path) from error
