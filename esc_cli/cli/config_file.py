"""Options from a file: which esc.toml holds for a command, and what it says."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
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


def settings_for(
    command: str, options: Mapping[str, str], arguments: Sequence[str], wanted: str | None
) -> dict[str, Setting]:
    """What files say about a command such as "weights pull", by parameter.

    `options`: the parameter by the option's name without dashes. `wanted`: the value of --config.
    Without it, esc.toml of the user's configuration counts, and above it that beside the first
    argument, or in the current folder. Raises UsageError for files that cannot be read or say what
    no option means.
    """
    chosen = wanted or os.environ.get(CONFIG) or ""
    if chosen == NONE:
        return {}
    paths = [Path(chosen)] if chosen else list(_usual(arguments))
    found: dict[str, Setting] = {}
    for path in paths:
        for name, value in _section(path, command, options).items():
            found[name] = Setting(value, path)
    return found


def _usual(arguments: Sequence[str]) -> Iterator[Path]:
    """The files that are there, the one that counts most last."""
    import platformdirs

    user = platformdirs.user_config_path("esc") / NAME
    if user.is_file():
        yield user
    there = (Path(os.path.abspath(word)) for word in arguments if not word.startswith("-"))  # noqa: PTH100 - beside a link, not its target
    beside = [path.parent for path in there if os.path.lexists(path)][:1]
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


def _section(path: Path, command: str, options: Mapping[str, str]) -> dict[str, Any]:
    """The table of a command, by parameter."""
    table: Any = _read(path)
    for word in command.split():
        if not isinstance(table, dict):
            raise UsageError(f"[{command}] is no table", path)
        table = table.get(word, {})
    if not isinstance(table, dict):
        raise UsageError(f"[{command}] is no table", path)
    found = {}
    for key, value in table.items():
        name = key.replace("_", "-")
        if isinstance(value, dict):
            continue  # of a command below this one
        if name not in options:
            near = difflib.get_close_matches(name, options, n=1)
            advice = f"did you mean {near[0]}?" if near else f"see esc {command} --help"
            raise UsageError(f"[{command}] has an unknown option {key!r}", path, advice)
        found[options[name]] = value
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"is no TOML: {error}", path) from error
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", path) from error
