"""The quality that a JPEG was saved at, told from its quantisation table."""

from __future__ import annotations

from collections.abc import Sequence

LUMA_STEPS = 3688
"""The sum of the steps of ITU-T T.81, table K.1: quality 50 of the Independent JPEG Group."""


def jpeg_quality(luma_table: Sequence[int]) -> float:
    """The quality, 1 to 100, whose steps are as coarse as those of a table of 64, in any order.

    The Independent JPEG Group multiplies table K.1 by 50 / quality below 50 and by 2 - quality / 50
    above. For other tables, of cameras and of Photoshop, the ratio of the sums is taken, so that
    the result is the quality that loses as much.
    """
    percent = 100 * sum(luma_table) / LUMA_STEPS
    quality = 100 - percent / 2 if percent <= 100 else 5000 / percent
    return min(100.0, max(1.0, quality))
