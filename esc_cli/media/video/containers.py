"""What containers hold, found by writing a header in memory, and how their files are opened."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from esc_cli.media.video.scheduling import kept_scheduling
from esc_cli.media.video.source import is_ffmpeg_error, load_av

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet
    from av.stream import Stream

Way = Literal["", "plain", "wide"]
"""How a container holds a stream: not at all; as its table of codecs says; as FFmpeg's own program
would write it with less strict compliance."""

AUDIO = {"matroska": "flac", "mp4": "aac", "mov": "aac", "webm": "libopus"}
"""The encoder for sound that a container does not hold: without a loss where it can be."""
TEXTS = {"matroska": "subrip", "mp4": "mov_text", "mov": "mov_text", "webm": "webvtt"}
"""The codec for subtitles of text that a container does not hold."""


def open_result(
    target: Any, container: str, way: Way = "plain", options: dict[str, str] | None = None
) -> OutputContainer:
    """The muxer of a container, writing to `target` (write, seek, tell), which stays open.

    PyAV asks the table of the muxer whether a codec may be there, at normal compliance. The muxer
    tee has no table and hands everything on to Matroska's, which also takes sound and video with
    the names that AVI and ASF have for them (RFC 9559, section 27.2: A_MS/ACM); chapters it keeps
    for itself.
    """
    av = load_av()
    plain: dict[str, Any] = {"metadata_errors": "surrogateescape"}
    if way != "wide":
        result = av.open(target, "w", format=container, container_options=options or {}, **plain)
    else:
        name = f"[f={container}]result"
        opener = _Opener(target)
        result = av.open(name, "w", format="tee", io_open=opener, **plain)
    return result  # type: ignore[no-any-return]


class _Opener:
    """Gives the muxer behind tee its file, without the means to close it."""

    def __init__(self, target: Any) -> None:
        self.write, self.seek, self.tell = target.write, target.seek, target.tell

    def __call__(self, _url: str, _flags: int, _options: dict[str, str]) -> _Opener:
        return self


def way_to_hold(container: str, stream: Stream) -> Way:
    """How a container holds a stream of a source, if it does."""
    if _written(container, stream, "plain") is not None:
        return "plain"
    if container != "matroska" or stream.type not in {"audio", "video"}:
        return ""
    content = _written(container, stream, "wide")
    return "wide" if content is not None and _reads_as(content, stream) else ""


def _written(container: str, stream: Stream, way: Way) -> bytes | None:
    """A file of the stream alone, with one packet; None where the muxer refuses it."""
    target = io.BytesIO()
    try:
        with open_result(target, container, way) as trial:
            added = trial.add_stream_from_template(stream, opaque=True)
            added.metadata.update(stream.metadata)
            with kept_scheduling():
                trial.start_encoding()
            if way == "wide":  # a file without packets is none to readers
                trial.mux(_packet(added))
    except ValueError:
        return None
    except Exception as error:
        if not is_ffmpeg_error(error):
            raise
        return None
    return target.getvalue()


def _packet(stream: Stream) -> Packet[Any]:
    packet: Packet[Any] = load_av().Packet(bytes(64))
    packet.stream, packet.pts, packet.dts = stream, 0, 0
    packet.time_base = stream.time_base or Fraction(1, 1000)
    return packet


def _reads_as(content: bytes, stream: Stream) -> bool:
    """Whether readers of the file find the codec of the stream there."""
    av = load_av()
    try:
        with av.open(io.BytesIO(content), format="matroska") as found:
            names = [format_of(other) for other in found.streams]
    except Exception as error:
        if not is_ffmpeg_error(error):
            raise
        return False
    return names == [format_of(stream)]


def codec_of(stream: Stream) -> str:
    """A stream's codec as FFmpeg names its decoder; "unknown" where there is none."""
    return getattr(stream, "name", None) or "unknown"


def format_of(stream: Stream) -> str:
    """The format of a stream's packets as FFmpeg names it, whoever decodes or encodes them."""
    context: Any = stream.codec_context
    return codec_of(stream) if context is None else str(context.codec.canonical_name)
