"""What decoding a video to its end has told, which is known without its frames."""

from __future__ import annotations

import json
from array import array
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from esc_cli.files.atomic import write_atomic
from esc_cli.media.video.reader import Reader
from esc_cli.tasks.upscale.video.journal import folder_failures

READING_NAME = "reading.json"


@dataclass(frozen=True)
class Reading:
    """See `Reader` for each."""

    pts: array[int]
    damage: tuple[str, ...] = ()
    hidden: int = 0
    riding: tuple[str, ...] = ()
    mends: tuple[str, ...] = ()
    decoded_by: str | None = None

    @classmethod
    def of(cls, reader: Reader) -> Reading:
        """That of a reader whose frames have been taken to the end."""
        return cls(
            reader.pts,
            tuple(reader.damage),
            reader.hidden,
            tuple(reader.riding),
            tuple(reader.mends),
            reader.decoded_by,
        )

    def keep(self, folder: Path) -> None:
        """Write it beside a journal, for who joins the steps. Raises WriteError and DiskError."""
        entry = asdict(self) | {"pts": self.pts.tolist()}
        with folder_failures(folder):
            write_atomic(folder / READING_NAME, json.dumps(entry).encode("ascii"))


def kept_reading(folder: Path) -> Reading | None:
    """The one beside a journal, None where there is none that can be read."""
    try:
        entry: dict[str, Any] = json.loads((folder / READING_NAME).read_bytes())
        entry |= {name: tuple(entry[name]) for name in ("damage", "riding", "mends")}
        return Reading(**entry | {"pts": array("q", entry["pts"])})
    except (OSError, ValueError, TypeError, KeyError, OverflowError):
        return None
