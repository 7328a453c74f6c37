"""What a type checker knows of the public Python API."""

from __future__ import annotations

from pathlib import Path

import pytest

import esc_cli


def test_a_type_checker_refuses_names_that_are_not_there(tmp_path):
    mypy = pytest.importorskip("mypy.api")
    script = tmp_path / "script.py"
    lines = [
        *(f"from esc_cli import {name} as _" for name in esc_cli.__all__),
        "",
        "from esc_cli import upscal",
    ]
    script.write_text("\n".join(lines))
    # What is imported is not looked at: that takes half a minute, and is the linters' work.
    options = ("--no-incremental", "--follow-imports=skip", "--config-file=", "--no-error-summary")
    told, errors, _ = mypy.run([*options, str(Path(esc_cli.__file__)), str(script)])
    assert errors == ""
    assert [line for line in told.splitlines() if "has no attribute" in line] == told.splitlines()
    assert told.count('has no attribute "upscal"') == len(told.splitlines()) == 1
