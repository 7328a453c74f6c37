"""ZIP archives of pictures (CBZ): what they hold, read within bounds, and written again.

Nothing is ever unpacked to the names that an archive holds. The result has the names, order, times
and comments of the source, whatever the encoding of its names.
"""

from __future__ import annotations

import errno
import lzma
import os
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, Literal

from esc_cli.errors import ItemError, ReadError, TooLargeError, UnsupportedError, shown
from esc_cli.files.source import open_source
from esc_cli.media.formats import INPUT_SUFFIXES
from esc_cli.media.output_formats import FORMATS, SUFFIXES

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
FREE_BYTES = 1 << 30
RATIO = 200
"""All entries together may unpack to `FREE_BYTES`, or to so many times the archive's size."""
BYTES_PER_PIXEL = 8
"""Of one picture's file: 16 bits in four channels, without compression."""
_CHUNK_BYTES = 1 << 20
_ENCRYPTED = 0x01 | 0x40 | 0x2000  # also strongly, and its directory (APPNOTE.TXT, 4.4.4)
_UTF8 = 0x800
_PICTURES = INPUT_SUFFIXES.union(*SUFFIXES.values())

Kind = Literal["picture", "folder", "other"]


@dataclass(frozen=True)
class Entry:
    """One entry of an archive, in its place. `size`: bytes, unpacked."""

    number: int
    name: str
    kind: Kind
    info: zipfile.ZipInfo

    @property
    def size(self) -> int:
        """Bytes, unpacked; a reader never gets more."""
        return self.info.file_size


class Archive:
    """An archive that is open for reading; its entries are in the order of its directory."""

    def __init__(self, path: Path, file: zipfile.ZipFile, size: int) -> None:
        self.path, self._file = path, file
        self.comment = file.comment
        self.entries = tuple(_entry(number, info) for number, info in enumerate(file.infolist()))
        _check_bounds(self.entries, size)

    def picture(self, entry: Entry, max_pixels: int) -> bytes:
        """The bytes of a picture's file. Raises ReadError, and TooLargeError by `max_pixels`."""
        most = BYTES_PER_PIXEL * max_pixels + _CHUNK_BYTES
        if entry.size > most:
            what = f"{entry.size:,} bytes are more than a picture of {max_pixels:,} pixels has"
            raise TooLargeError(what, advice="raise it with --max-pixels")
        with self._open(entry) as stream, _in_words():
            return stream.read()

    def copy(self, entry: Entry, target: IO[bytes], check: Callable[[], None]) -> None:
        """Copy an entry as it is; `check` may raise in between."""
        with self._open(entry) as stream:
            while chunk := _chunk(stream):
                check()
                target.write(chunk)

    @contextmanager
    def _open(self, entry: Entry) -> Iterator[IO[bytes]]:
        with _in_words():
            stream = self._file.open(entry.info)
        with stream:
            yield stream


def _chunk(stream: IO[bytes]) -> bytes:
    with _in_words():
        return stream.read(_CHUNK_BYTES)


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """The archive of this name.

    Raises ReadError for a damaged one and for entries that lead outside, UnsupportedError for
    encrypted ones, TooLargeError for one that unpacks to more than its bounds.
    """
    try:
        with open_source(path) as stream:
            with _in_words():
                size = stream.seek(0, os.SEEK_END)
                file = zipfile.ZipFile(stream)
            with file:
                yield Archive(path, file, size)
    except ItemError as error:
        if error.path is not None:
            raise
        raise type(error)(error.what, path, error.advice) from error


@contextmanager
def _in_words() -> Iterator[None]:
    """What zipfile raises over damaged bytes, without its words."""
    try:
        yield
    except NotImplementedError as error:
        raise UnsupportedError("a compression of this archive is not supported") from error
    except UnicodeDecodeError as error:
        raise ReadError("the archive is damaged: a name in it is no UTF-8") from error
    except MemoryError as error:  # LZMA states how much it wants
        raise ReadError("not enough memory to unpack it") from error
    except (EOFError, zlib.error, lzma.LZMAError) as error:
        raise ReadError("the archive is damaged: it cannot be unpacked") from error
    # RuntimeError is of an entry whose own header calls it encrypted, and its directory does not.
    except (zipfile.BadZipFile, struct.error, ValueError, RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}:
            raise ReadError(f"cannot be read: {error.strerror}") from error
        raise ReadError("the archive is damaged, or cut short") from error


def is_archive(head: bytes) -> bool:
    """Whether a file that begins so is a ZIP archive."""
    return head.startswith(MAGIC)


def _entry(number: int, info: zipfile.ZipInfo) -> Entry:
    name = info.filename
    if _leads_outside(name):
        what = f"its entry {shown(name)} would leave the archive"
        raise ReadError(what, advice="pack it again without it")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "a link" if kind == stat.S_IFLNK else "no file"
        raise ReadError(f"its entry {shown(name)} is {what}", advice="pack it again without it")
    if info.flag_bits & _ENCRYPTED:
        what = f"its entry {shown(name)} is encrypted"
        raise UnsupportedError(what, advice="unpack it with its password and pack it again")
    return Entry(number, name, _kind(info), info)


def _leads_outside(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return not parts[0] or parts[0][1:2] == ":" or ".." in parts


def _kind(info: zipfile.ZipInfo) -> Kind:
    if info.is_dir():
        return "folder"
    path = PurePosixPath(info.filename.replace("\\", "/"))
    # As in folders, what is hidden is no picture; macOS keeps notes under the names of pictures.
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return "picture" if path.suffix.lower() in _PICTURES and not hidden else "other"


def _check_bounds(entries: tuple[Entry, ...], size: int) -> None:
    unpacked, most = sum(entry.size for entry in entries), max(FREE_BYTES, RATIO * size)
    if unpacked > most:
        what = f"its {size:,} bytes unpack to {unpacked:,}, more than the limit of {most:,}"
        raise TooLargeError(what, advice="unpack it, and give the folder")


class _AsWritten(zipfile.ZipInfo):
    """An entry whose name keeps the bytes that it had, in whatever encoding that was."""

    raw_name = b""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - zipfile's own name
        return self.raw_name, self.flag_bits & ~_UTF8  # Python 3.14 sets it for every entry


@dataclass(frozen=True)
class Writer:
    """Writes an archive, entry by entry."""

    file: zipfile.ZipFile

    @contextmanager
    def entry(self, source: Entry, name: str, size: int, form: str = "") -> Iterator[IO[bytes]]:
        """A stream for an entry in the place of `source`, called `name`, of `size` bytes.

        form: of a picture, its format, which may be compressed already.
        """
        info = _like(source.info, name)
        packed = form in FORMATS and FORMATS[form].compressed
        if packed or source.info.compress_type == zipfile.ZIP_STORED:
            info.compress_type = zipfile.ZIP_STORED
        else:
            info.compress_type = zipfile.ZIP_DEFLATED
        info.file_size = size
        self.file.NameToInfo.pop(info.filename, None)  # two of one name are no reason to warn
        with self.file.open(info, "w") as stream:
            yield stream

    def put(self, source: Entry, name: str, path: Path, form: str) -> None:
        """A picture from its file."""
        with path.open("rb") as stream, self.entry(source, name, path.stat().st_size, form) as to:
            shutil.copyfileobj(stream, to, _CHUNK_BYTES)

    def folder(self, source: Entry) -> None:
        """A folder."""
        self.file.NameToInfo.pop(source.info.filename, None)
        self.file.writestr(_like(source.info, source.name), b"")


@contextmanager
def writing(stream: BinaryIO, comment: bytes) -> Iterator[Writer]:
    """A new archive with this comment in an empty file."""
    with zipfile.ZipFile(stream, "w") as file:
        file.comment = comment
        yield Writer(file)


def _like(source: zipfile.ZipInfo, name: str) -> zipfile.ZipInfo:
    """Name, time and attributes as in `source`."""
    info: zipfile.ZipInfo = zipfile.ZipInfo(name, source.date_time)
    if not source.flag_bits & _UTF8 and not name.isascii():
        raw = _raw_name(source, name)
        if raw is not None:
            info = _AsWritten(name, source.date_time)
            info.raw_name = raw
    info.create_system, info.external_attr = source.create_system, source.external_attr
    info.comment = source.comment
    return info


def _raw_name(source: zipfile.ZipInfo, name: str) -> bytes | None:
    """The bytes of a name of no stated encoding, which zipfile reads as code page 437."""
    if source.filename != source.orig_filename:  # Unicode came from elsewhere in the entry
        return None
    try:
        return name.encode("cp437")
    except UnicodeEncodeError:
        return None
