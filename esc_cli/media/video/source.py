"""Opening videos: local regular files, a demuxer chosen by us, and no way to anything else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from esc_cli.errors import EscError, MissingExtraError, ReadError, UnsupportedError
from esc_cli.files.source import open_source
from esc_cli.media.video.demuxers import (
    HEAD_BYTES,
    PROBED,
    demuxer_by_name,
    demuxer_of,
    may_be_probed,
)
from esc_cli.media.video.out_of_memory import has_room

if TYPE_CHECKING:
    from av.container import InputContainer

# SVT-AV1 reports to stderr by itself; 1 leaves its errors.
os.environ.setdefault("SVT_LOG", "1")


def load_av() -> Any:
    """The module `av`; MissingExtraError with the install line when it is not there."""
    try:
        import av
    except ImportError as error:
        advice = "pip install 'esc-cli[video]'"
        raise MissingExtraError("videos need the package av (PyAV)", advice=advice) from error
    return av


@contextmanager
def open_video(path: Path, hwaccel: Any = None) -> Iterator[InputContainer]:
    """The demuxer of a local video file, and its name in `format.name`.

    hwaccel: PyAV's, for its decoders. What a file asks to open besides itself is refused. Raises
    ReadError, UnsupportedError and MissingExtraError with the path.
    """
    av = load_av()
    with open_source(path) as stream:
        demuxer = demuxer_of(stream.read(HEAD_BYTES)) or demuxer_by_name(path)
        if demuxer is None and not may_be_probed(path):
            raise UnsupportedError("not a video that esc knows", path)
        stream.seek(0)
        options = {} if demuxer else {"format_whitelist": PROBED}
        with decoding(path, _DAMAGED) if demuxer else _probing(path):
            container = av.open(
                stream,
                format=demuxer,
                io_open=_refuse,
                container_options={"protocol_whitelist": "none"} | options,
                metadata_errors="surrogateescape",
                hwaccel=hwaccel,
            )
        with container:
            yield container


def tags_of_file(path: Path) -> dict[str, str]:
    """The tags of a video itself, not of its streams. Raises as `open_video`."""
    with open_video(path) as container:
        return dict(container.metadata)


_DAMAGED = "the video cannot be opened, it is damaged or cut short"


def _refuse(url: str, _flags: int, _options: dict[str, str]) -> NoReturn:
    raise PermissionError(f"a video may open nothing but itself, and asks for {url}")


def sought(container: InputContainer, time_s: float) -> bool:
    """Whether the demuxer went to the key frame before a time; if not, it reads from the start.

    Streams without a clock, and some old kinds, have no way there.
    """
    if container.start_time is None:
        return False
    try:
        container.seek(max(0, int(time_s * 1_000_000)))
    except Exception as error:
        if not is_ffmpeg_error(error):
            raise
        return False
    return True


def without_guesses(container: InputContainer) -> None:
    """Leave packets that have no PTS without one: FFmpeg's guess is wrong for reordered frames."""
    container.flags &= ~int(load_av().container.Flags.gen_pts.value)


@contextmanager
def decoding(path: Path, what: str) -> Iterator[None]:
    """The boundary around FFmpeg: whatever it raises becomes a ReadError saying `what`."""
    try:
        yield
    except EscError:
        raise
    except MemoryError as error:
        raise ReadError("not enough memory to decode it", path) from error
    except Exception as error:
        # What PyAV raises by itself over odd bytes speaks of its own objects.
        reason = getattr(error, "strerror", None)
        raise ReadError(f"{what}: {reason}" if reason else what, path) from error


@contextmanager
def _probing(path: Path) -> Iterator[None]:
    """The boundary around the search for a demuxer, of which none may be found."""
    try:
        yield
    except Exception as error:
        raise UnsupportedError("not a video that esc knows, or it is damaged", path) from error


_ROOM = 1 << 28
"""Bytes that a machine has which does not lack memory; more than a frame takes."""


def is_ffmpeg_error(error: BaseException) -> bool:
    """Whether an exception comes from FFmpeg, over what a file holds.

    Not so where memory has run out. A damaged file too can ask for more than there is, and then
    there is still room.
    """
    av: Any = load_av()
    is_short = isinstance(error, MemoryError) and not has_room(_ROOM)
    return isinstance(error, av.FFmpegError) and not is_short
