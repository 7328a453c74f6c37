"""Opening videos: local regular files, a demuxer chosen by us, and no way to anything else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from esc_cli.errors import EscError, MissingExtraError, ReadError, UnsupportedError
from esc_cli.files.source import open_source
from esc_cli.media.sniff import HEAD_BYTES
from esc_cli.media.video.demuxers import demuxer_of

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
def open_video(path: Path) -> Iterator[InputContainer]:
    """The demuxer of a local video file, and its name in `format.name`.

    What a file asks to open besides itself is refused. Raises ReadError, UnsupportedError and
    MissingExtraError with the path.
    """
    av = load_av()
    with open_source(path) as stream:
        demuxer = demuxer_of(stream.read(HEAD_BYTES))
        if demuxer is None:
            raise UnsupportedError("not a video that esc knows", path)
        stream.seek(0)
        with decoding(path, "the video cannot be opened, it is damaged or cut short"):
            container = av.open(
                stream,
                format=demuxer,
                io_open=_refuse,
                container_options={"protocol_whitelist": "none"},
                metadata_errors="surrogateescape",
            )
        with container:
            yield container


def _refuse(url: str, _flags: int, _options: dict[str, str]) -> NoReturn:
    raise PermissionError(f"a video may open nothing but itself, and asks for {url}")


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
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ReadError(f"{what}: {reason}", path) from error


def is_ffmpeg_error(error: BaseException) -> bool:
    """Whether an exception comes from FFmpeg, over what a file holds."""
    av: Any = load_av()
    return isinstance(error, av.FFmpegError)
