"""The quality of a JPEG is told from what libjpeg really writes."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from esc_cli.media.compression import LUMA_STEPS, jpeg_quality


@pytest.mark.parametrize("quality", [20, 30, 49, 50, 51, 75, 90, 95, 98])
def test_the_quality_given_to_libjpeg_is_found(quality):
    stream = io.BytesIO()
    Image.effect_noise((32, 32), 50).save(stream, "JPEG", quality=quality)
    stream.seek(0)
    with Image.open(stream) as image:
        assert jpeg_quality(image.quantization[0]) == pytest.approx(quality, abs=0.5)


def test_another_table_counts_by_what_it_loses():
    assert jpeg_quality([2 * LUMA_STEPS // 64] * 64) == pytest.approx(25, abs=1)
    assert jpeg_quality([255] * 64) < jpeg_quality([100] * 64) < jpeg_quality([1] * 64) <= 100
