"""How many frames a segment of a video has: what a kill may cost, and key frames' distance.

With x264, x265 and SVT-AV1 a step of the work has `segment_frames`, and a segment of the result is
a group of at least `GROUPED_FRAMES` that ends where the encoder itself places a key frame.
"""

from __future__ import annotations

from esc_cli.media.video.info import FrameFormat

SEGMENT_PIXELS = 240_000_000
"""Of all frames of a segment, within `SEGMENT_FRAMES`."""
SEGMENT_FRAMES = (24, 240)
"""The fewest and the most."""
GROUPED_FRAMES = 120
"""Of a group that is a segment: each costs the encoder's look ahead, some 50 frames, once more."""

LEAST_STEPS = 4
"""Steps that a video must have for each share of a batch, or one share does all of it."""


def segment_frames(result: FrameFormat, wanted: int | None) -> int:
    """Frames in a segment: what a kill may cost, and the distance of the key frames."""
    if wanted is not None:
        return wanted
    low, high = SEGMENT_FRAMES
    return max(low, min(high, SEGMENT_PIXELS // (result.width * result.height)))
