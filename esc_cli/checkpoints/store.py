"""Where checkpoints live, and which file a name or a path means. No torch."""

from __future__ import annotations

import hashlib
import math
import os
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from esc_cli.checkpoints.catalog import Record, read_records
from esc_cli.errors import UsageError, WeightsError
from esc_cli.model.config import VARIANTS

DEFAULT_SCALE = 4
SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin")


@dataclass(frozen=True)
class Checkpoint:
    """A file that exists, with the record it came with, if any."""

    path: Path
    record: Record | None = None

    @property
    def name(self) -> str:
        """The record's name, or the file's."""
        return self.record.name if self.record else self.path.name

    def read_verified(self) -> bytes:
        """The file's bytes, after their sha256 was compared with the record's.

        Raises WeightsError when the file cannot be read or is not the recorded one.
        """
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise WeightsError(f"cannot be read: {error.strerror}", self.path) from error
        if self.record and hashlib.sha256(content).hexdigest() != self.record.sha256:
            what = f"damaged: its sha256 is not {self.record.sha256[:12]}..."
            raise WeightsError(what, self.path, "reinstall esc")
        return content

    def sha256(self) -> str:
        """The hexadecimal digest of the (verified) file."""
        return hashlib.sha256(self.read_verified()).hexdigest()


def bundled_folder() -> Path:
    """The folder of the weights that came with the package (or lie in its source tree)."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "_weights"
    return installed if installed.is_dir() else package.parent / "weights"


@lru_cache(maxsize=1)
def bundled() -> tuple[Checkpoint, ...]:
    """The checkpoints that came with the package."""
    folder = bundled_folder()
    return tuple(Checkpoint(folder / record.file, record) for record in read_records(folder))


def looks_like_path(name: str) -> bool:
    """Whether a model's name means a file: it has a checkpoint's suffix or a folder in it."""
    return name.lower().endswith(SUFFIXES) or os.sep in name or "/" in name


def find(name_or_path: str | None, scale: float | None = None) -> Checkpoint:
    """The checkpoint that a name or a path means.

    None is the bundled default. A name takes the smallest scale that reaches `scale` (default 4);
    a path is taken as it is, whatever the scale. Raises WeightsError when there is none.
    """
    if name_or_path is not None and looks_like_path(name_or_path):
        return _file(Path(name_or_path))
    return _named(name_or_path, DEFAULT_SCALE if scale is None else scale)


def _file(path: Path) -> Checkpoint:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise WeightsError(f"cannot be opened: {error.strerror}", path) from error
    if not stat.S_ISREG(mode):
        what = "is a folder" if stat.S_ISDIR(mode) else "is no regular file"
        raise WeightsError(what, path, "give a .safetensors or .pth file")
    return Checkpoint(path)


def _named(name: str | None, scale: float) -> Checkpoint:
    if name is not None and name not in VARIANTS and name not in {c.name for c in bundled()}:
        raise UsageError(f"no model named {name!r}", advice=_choices())
    named = [c for c in bundled() if c.record and name in {None, c.record.variant, c.record.name}]
    if not named:
        raise WeightsError(
            f"no checkpoint of {name} is installed", advice=f"give the path of one; {_choices()}"
        )
    scales = {c.record.scale: c for c in named if c.record}
    reaching = [factor for factor in sorted(scales) if factor >= scale - 1e-9]
    if not reaching:
        raise WeightsError(
            f"no network reaches scale {scale:g}", advice=f"the largest here is {max(scales)}"
        )
    return scales[reaching[0]]


def _choices() -> str:
    names = sorted({c.record.variant for c in bundled() if c.record})
    return f"installed: {', '.join(names)}; or a .safetensors or .pth file"


def exact_scale(scale: float) -> int | None:
    """The whole number that a scale is, or None."""
    return round(scale) if math.isclose(scale, round(scale), abs_tol=1e-9) else None
