"""A result whose colours are not those of its source does not pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import av
import numpy as np
import pytest
from clips import Clip

from esc_cli.media.video.colour_tags import ColourTags
from esc_cli.media.video.frames import RawFrame
from esc_cli.media.video.info import FrameFormat
from esc_cli.media.video.pixel_formats import planar
from esc_cli.media.video.probe import probe_video
from esc_cli.media.video.reader import WHOLE
from esc_cli.media.video.verify_pixels import TOLERANCE, blocks, colour_difference

RED = (81, 90, 240)  # BT.601, limited


@dataclass
class Drawn(Clip):
    """A clip of one grey picture."""

    picture: Any = None

    def frame(self, _number):
        return av.VideoFrame.from_ndarray(self.picture, "gray")


def facts_of(path):
    return probe_video(path, 1 << 30)


def made(path, **how):
    return Clip(2, (64, 48), "yuv444p", "ffv1", {}, colour=RED, **how).write(path)


@pytest.mark.parametrize(
    ("wrong", "is_seen"),
    [
        ({}, False),
        ({"matrix": 1}, True),
        ({"matrix": 9}, True),
        ({"full_range": 2}, True),
        ({"pix": (81, 240, 90)}, True),
    ],
)
def test_tags_that_do_not_belong_to_the_samples_are_seen(tmp_path, wrong, is_seen):
    source = made(tmp_path / "source.mkv", matrix=6, full_range=1)
    colour = wrong.pop("pix", RED)
    tags = {"matrix": 6, "full_range": 1} | wrong
    result = Clip(2, (128, 96), "yuv444p", "ffv1", {}, colour=colour, **tags)
    path = result.write(tmp_path / "result.mkv")
    found = colour_difference(path, facts_of(path), source, facts_of(source), WHOLE)
    assert bool(found) == is_seen, found


def test_gbr_said_of_yuv_is_seen(tmp_path):
    source = made(tmp_path / "source.mkv", matrix=6)
    facts = facts_of(source)
    assert not colour_difference(source, facts, source, facts, WHOLE)
    swapped = replace(facts, layout=planar("gbrp"), pixel_format="gbrp")
    frame = RawFrame(0, 0, tuple(np.full((48, 64), sample, np.uint8) for sample in RED))
    one, other = blocks(frame, swapped.format), blocks(frame, facts.format)
    assert np.abs(one - other).max() > TOLERANCE


@pytest.mark.parametrize("name", ["yuv420p", "yuv411p", "yuv422p10le", "gray", "gbrp"])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (1000, 600)])
def test_blocks_of_a_constant_frame_are_that_colour_at_every_size(name, size):
    layout = planar(name)
    top = 2**layout.bits
    sizes = layout.plane_sizes(*size)
    frame = RawFrame(0, 0, tuple(np.full(shape, top // 2, np.uint16) for shape in sizes))
    found = blocks(frame, FrameFormat(layout, *size, ColourTags(matrix=1, full_range=2)))
    assert found.shape == (8, 8, 4)  # red, green, blue, opacity
    assert np.abs(found - (0.5, 0.5, 0.5, 1)).max() < 0.01


def test_of_a_few_pixels_only_the_mean_is_compared(tmp_path):
    """Blocks of less than a pixel would be compared with what a network draws between two."""
    black, white = 16, 235
    across = np.array([1, 0.75, 0.25, 0])  # between the middles of two pixels
    corner = np.array([[white, black], [black, black]], np.uint8)
    smooth = (black + (white - black) * np.outer(across, across)).astype(np.uint8)

    def written(name, picture):
        clip = Drawn(1, picture.shape[::-1], "gray", "ffv1", {}, picture=picture)
        return clip.write(tmp_path / f"{name}.mkv")

    source = written("source", corner)
    wrong = white + black - smooth
    for name, picture, is_seen in (("result", smooth, False), ("wrong", wrong, True)):
        path = written(name, picture)
        found = colour_difference(path, facts_of(path), source, facts_of(source), WHOLE)
        assert bool(found) == is_seen, found
