"""Which network an input gets by itself: that for clean pictures, or that for photographs.

The decision follows from the input's file alone, so that the same input gets the same network on
every machine. docs/networks.md has the table, and what it was measured with.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from esc_cli.media.compression import Compression, compression_of
from esc_cli.media.floating import displayed_picture
from esc_cli.media.noise import Noise, measure_noise
from esc_cli.media.picture import Picture
from esc_cli.media.video.info import VideoFacts
from esc_cli.tasks.models import Choice


@dataclass(frozen=True)
class Limits:
    """From where on the network for photographs is the better one, at a scale.

    quality: of JPEG, up to here. chroma, luma: noise as `media.noise` measures it, from here on.
    """

    quality: float
    chroma: float
    luma: float


LIMITS = {2: Limits(95, 2.8, 6.0), 3: Limits(92, 3.5, 7.0), 4: Limits(88, 6.0, 8.0)}
"""By the network's scale; the largest stands for those above."""
CLEAN, PHOTOGRAPHS = "network for clean pictures", "network for photographs"
LOSSY_BITS_PER_PIXEL = 2.5
"""Below, a lossy WebP, AVIF, HEIC or JPEG XL shows what its compression did."""
VIDEO_BITS_PER_PIXEL = 0.6
"""Below, a video of a lossy codec does."""
LOSSLESS_VIDEO = frozenset(
    {"ffv1", "huffyuv", "ffvhuff", "utvideo", "png", "apng", "qtrle", "rawvideo", "magicyuv"}
    | {"v210", "v410", "r210", "prores", "dnxhd", "cfhd", "jpeg2000"}
)
"""Codecs, as FFmpeg names them, that lose nothing or nothing that shows."""


def decided(choice: Choice, content: bytes, picture: Picture) -> Choice:
    """The network for a picture, from its file and its pixels."""
    if choice.photo is None or not choice.is_open:
        return choice
    compression = compression_of(content, picture.header)
    noise = measure_noise(displayed_picture(picture).frames[0])
    photo, why = for_photographs(choice.scale, compression, noise)
    return replace(choice.photo if photo else choice, photo=None, why=why)


def for_photographs(scale: int, compression: Compression, noise: Noise) -> tuple[bool, str]:
    """Whether the network for photographs is to be taken, and why, in words."""
    limits = LIMITS.get(scale, LIMITS[max(LIMITS)])
    if compression.quality is not None and compression.quality <= limits.quality:
        return True, f"{PHOTOGRAPHS}: JPEG of quality {compression.quality:.0f}"
    bits = compression.bits_per_pixel
    if bits is not None and bits < LOSSY_BITS_PER_PIXEL:
        return True, f"{PHOTOGRAPHS}: compressed to {bits:.1f} bits a pixel"
    if noise.chroma >= limits.chroma or noise.luma >= limits.luma:
        measured = max(noise.chroma, noise.luma)
        return True, f"{PHOTOGRAPHS}: noise of {measured:.0f} levels"
    return False, CLEAN


def decided_for_video(choice: Choice, facts: VideoFacts) -> Choice:
    """As `decided`, once for a whole video, by its codec and its bit rate."""
    if choice.photo is None or not choice.is_open:
        return choice
    bits = facts.bits_per_pixel
    if facts.codec in LOSSLESS_VIDEO or bits is None or bits >= VIDEO_BITS_PER_PIXEL:
        return replace(choice, photo=None, why=CLEAN)
    why = f"{PHOTOGRAPHS}: {facts.codec} of {bits:.2g} bits a pixel"
    return replace(choice.photo, why=why)
