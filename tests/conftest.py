"""What the tests of all parts share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread is quickest for the small networks


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of golden vectors; its README says where they come from."""
    return Path(__file__).parent / "golden"
