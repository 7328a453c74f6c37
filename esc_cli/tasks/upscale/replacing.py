"""One input gives way to its result, so that a kill at any moment loses nothing.

The order: the result is read back, the original is copied and the copy compared, the record is
appended, and only then takes the result the original's name, in one step.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from esc_cli.errors import ReadError, WriteError, shown
from esc_cli.files.atomic import part_name, remove_stale_parts, sync_folder
from esc_cli.files.digest import has_content
from esc_cli.files.retries import rename_patiently
from esc_cli.files.source import read_source
from esc_cli.media.confined import Bounds, decode, probe
from esc_cli.media.paths import ancestors
from esc_cli.media.video.demuxers import is_video
from esc_cli.tasks.upscale.events import Item
from esc_cli.tasks.upscale.memory_limit import bounds
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.records import FileState, OutputRecord, Records


@dataclass(frozen=True)
class Places:
    """The folders of a run in place: of the inputs, of results on their way, of the originals."""

    root: Path
    staging: Path
    backup: Path

    def kept(self, relative: Path) -> Path:
        """Where the original of an input goes."""
        return self.backup / relative

    def is_staged(self, item: Item) -> bool:
        """Whether an item has an output on its way."""
        return item.output is not None and Path(item.output).is_relative_to(self.staging)


@dataclass(frozen=True)
class Replacing:
    """Puts results in the places of their inputs. `staged`: the records of results on their way."""

    places: Places
    options: UpscaleOptions
    staged: Records
    own: Records

    def replace(self, item: Item, output: Path) -> Item:
        """The item as done, once the result `output` has its input's place.

        Raises ReadError, WriteError, DiskError of records and OSError; then the original stands.
        """
        relative = output.relative_to(self.places.staging)
        place, kept = self.places.root / relative, self.places.kept(relative)
        record = self._read_back(output, item)
        keep(place, kept, record.source)
        if not record.source.fits(place, by_content=False):
            raise ReadError("changed while the batch ran", place, "run again")
        with contextlib.suppress(OSError):  # what the file system does not have
            shutil.copymode(place, output)
        mine = replace(record, input=os.fspath(kept.resolve()), output=self.own.relative(place))
        self.own.append(mine, sync=True)
        rename_patiently(output, place)
        sync_folder(place.parent)
        size = record.result.size
        return replace(item, input=kept, output=place, status="done", reason="", output_bytes=size)

    def _read_back(self, output: Path, item: Item) -> OutputRecord:
        """The record of a result that is as it was written, and decodes.

        Raises WriteError, and ReadError; the result is then removed, to be made anew.
        """
        record = self.staged.find(output)
        try:
            if record is None or not record.result.fits(output, by_content=True):
                raise WriteError("is not on the disk as it was written", output, "run again")
            # A video's frames were compared with its source before it had its name (--verify).
            if not is_video(output):
                decode_all(output, item.output_size, bounds(self.options))
        except (ReadError, WriteError):
            output.unlink(missing_ok=True)
            raise
        return record


def decode_all(path: Path, size: tuple[int, int] | None, bound: Bounds) -> None:
    """Raise ReadError or WriteError unless a picture decodes, with this (width, height)."""
    bound = replace(bound, max_pixels=sys.maxsize)  # which is for inputs
    picture = decode(read_source(path), probe(path, bound), bound)
    found = picture.header.width, picture.header.height
    if size is not None and found != size:
        what = f"was read back as {found[0]} x {found[1]} and not {size[0]} x {size[1]}"
        raise WriteError(what, path)


def keep(original: Path, kept: Path, state: FileState) -> None:
    """Copy an original of this state to `kept`, unless its bytes are there already.

    The name appears with all bytes, which have reached the disk and were compared by their digest.
    Raises WriteError where the name is taken by something else, ReadError for an original that is
    not of this state, and OSError.
    """
    kept.parent.mkdir(parents=True, exist_ok=True)
    remove_stale_parts(kept.parent)
    if os.path.lexists(kept):
        if not has_content(kept, state.size, state.sha256):
            raise taken(kept)
        return
    part = kept.with_name(part_name(kept.name))
    try:
        with original.open("rb") as source, part.open("xb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
        with contextlib.suppress(OSError):  # attributes that the other file system does not have
            shutil.copystat(original, part)
        if not has_content(part, state.size, state.sha256):
            raise ReadError("its copy is not what was enlarged", original, "run again")
        _name(part, kept)
    finally:
        part.unlink(missing_ok=True)
    for folder in ancestors(kept):
        sync_folder(folder)


def _name(part: Path, kept: Path) -> None:
    """Give a copy its name, which must be free. Raises WriteError."""
    try:
        os.link(part, kept)
    except FileExistsError as error:
        raise taken(kept) from error
    except OSError as error:  # a file system without hard links
        if os.path.lexists(kept):
            raise taken(kept) from error
        rename_patiently(part, kept)


def taken(kept: Path) -> WriteError:
    """The error for an original whose name in the backup is taken."""
    what = f"the backup holds another file of this name: {shown(kept)}"
    return WriteError(what, advice="move it away, or choose another --backup")
