"""Which decoder reads a stream: FFmpeg's own, or the one that gives opacity as well.

WebM keeps the opacity of VP8 and VP9 as a second picture beside each packet (BlockAdditional, RFC
9559, section 5.1.3.5.2.1) and says so by AlphaMode. FFmpeg's own decoders pass it by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from esc_cli.errors import UnsupportedError
from esc_cli.media.video.source import load_av

if TYPE_CHECKING:
    from av.stream import Stream
    from av.video.stream import VideoStream

ALPHA_MODE = "alpha_mode"
"""FFmpeg's name of the tag."""
BESIDE: Literal["matroska_block_additional"] = "matroska_block_additional"
"""PyAV's name of what lies beside a packet."""
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


def has_alpha_beside(stream: Stream) -> bool:
    """Whether the opacity of a stream lies beside its packets."""
    tags = {key.lower(): value for key, value in stream.metadata.items()}
    return getattr(stream, "name", None) in _WITH_ALPHA and tags.get(ALPHA_MODE, "0") not in (
        "",
        "0",
    )


def decoder_of(stream: VideoStream) -> Any:
    """What has `decode(packet)` for the packets of a stream. Raises UnsupportedError."""
    if not has_alpha_beside(stream):
        return stream
    av, name = load_av(), _WITH_ALPHA[stream.name or ""]
    try:
        return av.CodecContext.create(name, "r")
    except av.codec.codec.UnknownCodecError as error:
        what = f"this build of FFmpeg lacks {name}, which decodes transparent {stream.name}"
        raise UnsupportedError(what) from error
