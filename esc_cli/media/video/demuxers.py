"""Which files are videos, by their first bytes; the demuxer follows from them, never from a guess.

FFmpeg would also recognise playlists and scripts (HLS, DASH, concat, SDP ...) that make it open
other files and hosts. Only the kinds named here are ever handed to it, each with its own demuxer.
"""

from __future__ import annotations

from pathlib import Path

from esc_cli.errors import UnsupportedError
from esc_cli.files.source import open_source
from esc_cli.media.paths import PICTURES, VIDEOS
from esc_cli.media.sniff import HEAD_BYTES

_MAGIC = (
    (b"\x1aE\xdf\xa3", "matroska"),
    (b"FLV\x01", "flv"),
    (b"\0\0\1\xba", "mpeg"),
    (b"\0\0\1\xb3", "mpegvideo"),
    (b"OggS", "ogg"),
    (b"0&\xb2u\x8ef\xcf\x11", "asf"),
    (b"YUV4MPEG2 ", "yuv4mpegpipe"),
    (b"\x1f\x07\0", "dv"),  # IEC 61834: a header block; what follows differs for 60 and 50 fields
)
_PICTURE_BRANDS = frozenset(
    b"heic heix heim heis hevc hevx hevm hevs mif1 msf1 avif avis crx ".split()
)
# QuickTime files from before the brand box begin with one of these.
_ATOMS = frozenset((b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"))
_PLAYLISTS = (b"#EXTM3U", b"ffconcat ", b"<MPD", b"v=0\r", b"v=0\n", b"[playlist]")


def demuxer_of(head: bytes) -> str | None:
    """FFmpeg's name of the demuxer for a file that starts with `head`; None for no video.

    Raises UnsupportedError for a playlist.
    """
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_PLAYLISTS):
        what = "this is a playlist, which would open other files or hosts"
        raise UnsupportedError(what, advice="give the videos themselves, as local files")
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[4:8] == b"ftyp":
        return None if _brands(head) & _PICTURE_BRANDS else "mov"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "avi"
    if head[4:8] in _ATOMS:
        return "mov"
    return "mpegts" if _is_transport_stream(head) else None


def _brands(head: bytes) -> set[bytes]:
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[8:12], *(head[at : at + 4] for at in range(16, end, 4))}


def _is_transport_stream(head: bytes) -> bool:
    """ISO/IEC 13818-1: packets of 188 bytes that start with 0x47; of 192 bytes on Blu-ray."""
    plain = all(head[at : at + 1] == b"G" for at in (0, 188, 376))
    return plain or all(head[at : at + 1] == b"G" for at in (4, 196, 388))


def is_video(path: Path) -> bool:
    """Whether a file is to be done as a video: by its content, or by its name.

    A name alone is enough, so that a damaged video is reported as one. Names of pictures decide
    for themselves. Raises ReadError for what cannot be opened, UnsupportedError for a playlist.
    """
    suffix = path.suffix.lower()
    if suffix in PICTURES:
        return False
    with open_source(path) as stream:
        return demuxer_of(stream.read(HEAD_BYTES)) is not None or suffix in VIDEOS
