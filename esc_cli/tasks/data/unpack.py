"""Archives of pictures, unpacked so that nothing they hold can do harm."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from esc_cli.errors import SetupError
from esc_cli.evaluation.datasets import SUFFIXES

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What an archive may hold, so that a bomb is refused before it fills the disk."""

    unpacked_bytes: int = 512 << 20  # Urban100, the largest, has 135 MB
    members: int = 1000


def unpack(archive: Path, folder: Path, limits: Limits = Limits()) -> dict[str, str]:
    """Write the pictures of a .tar.gz into the new `folder`; return their sha256 by name.

    Only the last part of a member's name counts, so that nothing can be written elsewhere; other
    files are skipped. Raises SetupError, and leaves no folder, for an archive that is damaged or
    above the limits, or that holds links, devices, absolute names, `..` or two of one name.
    """
    folder.mkdir()
    try:
        return _unpacked(archive, folder, limits)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile)):
            raise _refused(f"is damaged: {error}", archive) from error
        raise


def _unpacked(archive: Path, folder: Path, limits: Limits) -> dict[str, str]:
    pictures: dict[str, str] = {}
    with gzip.open(archive) as unzipped:
        stream = _Limited(cast(BinaryIO, unzipped), limits.unpacked_bytes, archive)
        with tarfile.open(fileobj=cast(BinaryIO, stream), mode="r|") as tar:
            for number, member in enumerate(tar, 1):
                if number > limits.members:
                    raise _refused(f"has more than {limits.members} members", archive)
                stream.claim(member.size)
                name = _picture_name(member, archive, folder)
                content = tar.extractfile(member)
                if name is None or content is None:
                    continue
                if name.lower() in {known.lower() for known in pictures}:
                    raise _refused(f"holds {name!r} twice", archive)
                pictures[name] = _write(content, folder / name)
        while stream.read(_CHUNK_BYTES):  # to the checksum at the end
            pass
    return pictures


def _picture_name(member: tarfile.TarInfo, archive: Path, folder: Path) -> str | None:
    """The file name of a picture, None for what is skipped. Raises SetupError if it is unsafe."""
    path = PurePosixPath(member.name)
    outside = path.is_absolute() or ".." in path.parts or any(c in member.name for c in "\\:\0")
    if outside or not (member.isreg() or member.isdir()):
        why = "leads outside" if outside else "is a link or a device"
        raise _refused(f"holds {member.name!r}, which {why}", archive)
    data_filter = getattr(tarfile, "data_filter", None)  # from 3.10.12 and 3.11.4 on
    if data_filter is not None:
        data_filter(member, str(folder))
    wanted = member.isreg() and path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    return path.name if wanted else None


def _write(content: IO[bytes], path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("xb") as stream:
        while chunk := content.read(_CHUNK_BYTES):
            digest.update(chunk)
            stream.write(chunk)
        stream.flush()
        os.fsync(stream.fileno())
    return digest.hexdigest()


def _refused(why: str, archive: Path) -> SetupError:
    return SetupError(f"the archive {why}", archive, "nothing was kept; report it")


class _Limited:
    """Reads until more came out of an archive than allowed, then raises SetupError."""

    def __init__(self, stream: BinaryIO, most_bytes: int, archive: Path):
        self._stream, self._most_bytes, self._archive = stream, most_bytes, archive
        self._read_bytes = self._claimed_bytes = 0

    def read(self, size: int) -> bytes:
        chunk = self._stream.read(size)
        self._read_bytes += len(chunk)
        self._refuse_above(self._read_bytes)
        return chunk

    def claim(self, size: int) -> None:
        """Count what a member says of itself; a sparse one unpacks to more than is read."""
        self._claimed_bytes += size
        self._refuse_above(self._claimed_bytes)

    def _refuse_above(self, count: int) -> None:
        if count > self._most_bytes:
            raise _refused(f"unpacks to more than {self._most_bytes} bytes", self._archive)
