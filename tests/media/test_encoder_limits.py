"""What is too large for an encoder is said before any work, with what can."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from numbered_clips import Counted

from esc_cli.errors import UnsupportedError
from esc_cli.media.video.codecs import Encoding, codec_by_name, codec_options
from esc_cli.media.video.colour_tags import ColourTags
from esc_cli.media.video.encoder import SegmentEncoder
from esc_cli.media.video.encoder_limits import able, check_size
from esc_cli.media.video.pixel_formats import planar
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Item
from esc_cli.tasks.upscale.options import Target, UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale


def encoding(codec, width, height):
    known = codec_by_name(codec)
    layout = planar("yuv422p10le" if codec == "prores" else "yuv420p")
    preset = {"libx264": "ultrafast", "libx265": "ultrafast", "libsvtav1": "12"}
    return Encoding(
        known.encoder, codec_options(known, None, preset.get(known.encoder)), "matroska", layout,
        width, height, Fraction(1, 25), Fraction(25), None, ColourTags(), None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("codec", "fits", "too_large", "can"),
    [
        ("h264", (8192, 4352), (8192, 4354), ("av1", "ffv1", "prores")),
        ("h264", (16384, 64), (16386, 64), ("hevc", "vp9", "ffv1", "prores")),
        ("hevc", (16888, 2110), (16890, 64), ("vp9", "ffv1", "prores")),
        ("av1", (16384, 8704), (8704, 8706), ("ffv1", "prores")),
        ("prores", (65535, 64), (65536, 64), ("ffv1",)),
    ],
)
def test_the_first_size_over_a_limit_is_refused(codec, fits, too_large, can):
    check_size(encoding(codec, *fits))
    with pytest.raises(UnsupportedError) as caught:
        check_size(encoding(codec, *too_large))
    assert f"{too_large[0]} x {too_large[1]} is too large for" in caught.value.what
    assert caught.value.advice == f"--codec {' or '.join(can)} can"


def test_the_encoders_themselves_agree_on_the_longest_side():
    """x264 and SVT-AV1 know their limit, one sample below and one above."""
    for codec in ("h264", "av1"):
        SegmentEncoder(encoding(codec, 16384, 64), threads=1)
        with pytest.raises(UnsupportedError, match="refuses 16386 x 64"):
            SegmentEncoder(encoding(codec, 16386, 64), threads=1)


def test_ffv1_has_no_limit():
    assert able(100_000, 100_000) == ("ffv1",)
    check_size(replace(encoding("ffv1", 2, 2), width=100_000, height=100_000))
    assert able(64, 64) == ("h264", "hevc", "av1", "vp9", "ffv1", "prores")


def test_a_result_that_is_too_large_fails_before_any_frame(tmp_path):
    clip = Counted(1, size=(3200, 2400), options={"preset": "ultrafast"})
    source = clip.write(tmp_path / "clip.mkv")
    options = UpscaleOptions((str(source),), target=Target(4), video=VideoOptions(codec="h264"))
    *events, _ = upscale(options, Stop())
    (item,) = (event for event in events if isinstance(event, Item))
    assert item.status == "failed"
    assert "12800 x 9600 is too large for libx264: level 6.2" in item.reason
    assert "--codec ffv1 or prores can" in item.reason
    assert item.frames in {0, None}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mkv"]
