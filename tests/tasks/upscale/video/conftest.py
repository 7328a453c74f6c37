"""What is drawn for the measurements of videos."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

DRAWN = Path(__file__).parents[4] / "docs" / "benchmarks" / "contents.py"


@pytest.fixture(scope="session")
def contents() -> Any:
    """The three kinds of content that the benchmarks measure."""
    spec = importlib.util.spec_from_file_location("contents", DRAWN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.KINDS
