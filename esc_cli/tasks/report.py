"""`--report FILE`: one JSON object per item and line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import BinaryIO

from esc_cli.errors import DiskError
from esc_cli.tasks.events import Item


class Report:
    """Appends items to a file, each in one write, so that a crash leaves whole lines.

    Raises DiskError when the file cannot be opened or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._stream: BinaryIO = path.open("ab", buffering=0)
        except OSError as error:
            raise DiskError(f"cannot be written: {error.strerror}", path) from error

    def add(self, item: Item) -> None:
        """Append one line."""
        line = json.dumps(item.as_json(), default=os.fspath) + "\n"
        try:
            self._stream.write(line.encode("ascii"))
        except OSError as error:
            raise DiskError(f"cannot be written: {error.strerror}", self.path) from error

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
