"""Commands of the documentation, word for word, where `esc` is installed as on a user's machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from command import ROOT


def marked(page: str, name: str) -> str:
    """The commands of docs/<page> behind the marker <!-- name -->."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    _, marker, behind = text.partition(f"<!-- {name} -->\n```sh\n")
    assert marker, f"docs/{page} marks nothing as {name}"
    return behind.partition("```")[0]


def machine(folder: Path, words: str = "") -> dict[str, str]:
    """The environment of a machine where `esc` is this tree's, and `python` this interpreter.

    They are written to <folder>/bin. `words` are put behind the others where `esc` upscales.
    """
    tools = folder / "bin"
    tools.mkdir()
    more = f'[ "$1" = upscale ] && set -- "$@" {words}\n' if words else ""
    for name, module in (("esc", " -m esc_cli"), ("python", "")):
        lines = more if name == "esc" else ""
        (tools / name).write_text(f'#!/bin/sh\n{lines}exec "{sys.executable}"{module} "$@"\n')
        (tools / name).chmod(0o755)
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    own = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": paths}
    return os.environ | own | {"OMP_NUM_THREADS": "1"}
