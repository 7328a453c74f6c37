"""Digests of files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path


def sha256_of(path: Path, check: Callable[[], None] = lambda: None) -> str:
    """The hexadecimal digest of a file's content. `check` is called on the way and may raise."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            check()
            digest.update(block)
    return digest.hexdigest()


def has_content(path: Path, size: int, sha256: str) -> bool:
    """Whether a file that can be read has this many bytes with this digest."""
    try:
        return path.stat().st_size == size and sha256_of(path) == sha256
    except OSError:
        return False
