"""Anamorphic videos stay as wide as they were, in every codec and container."""

from __future__ import annotations

from fractions import Fraction

import av
import pytest
from clips import Clip

from esc_cli.media.video.matroska_aspect import display_size
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.options import Target, UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale

WIDE = Fraction(32, 27)
RESULTS = (
    ("h264", "mkv"), ("h264", "mp4"), ("h264", "mov"), ("hevc", "mkv"), ("hevc", "mp4"),
    ("hevc", "mov"), ("av1", "mkv"), ("av1", "mp4"), ("av1", "webm"), ("ffv1", "mkv"),
    ("prores", "mkv"), ("prores", "mov"), ("vp9", "mkv"), ("vp9", "mp4"), ("vp9", "webm"),
    ("png", "mov"), ("qtrle", "mov"),
)  # fmt: skip


def aspect_of(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        return stream.sample_aspect_ratio, Fraction(frame.width, frame.height)


def result_of(source, name, codec, target):
    options = UpscaleOptions(
        (str(source),),
        output=str(source.with_name(name)),
        target=target,
        existing="overwrite",
        video=VideoOptions(codec=codec, frames=2),
    )
    *_, item, summary = upscale(options, Stop())
    assert summary.exit_code == 0, item.reason
    return item.output


def in_the_stream(folder):
    """H.264 says it, Matroska does not."""
    return Clip(frames=3, size=(96, 72), sar=WIDE).write(folder / "stream.mkv")


def in_the_container(folder):
    """The decoder of QuickTime's animation knows of none; the container says it."""
    clip = Clip(frames=3, size=(96, 72), sar=WIDE, codec="qtrle", pix_fmt="rgb24", options={})
    return clip.write(folder / "container.mov")


def in_both(folder):
    return Clip(frames=3, size=(96, 72), sar=WIDE).write(folder / "both.mp4")


def contradicting(folder):
    """The container counts, as for every player."""
    source = Clip(frames=3, size=(96, 72), sar=Fraction(8, 9)).write(folder / "other.mp4")
    path = folder / "contradicting.mov"
    with av.open(str(source)) as one, av.open(str(path), "w") as other:
        copy = other.add_stream_from_template(one.streams.video[0], opaque=True)
        copy.codec_context.sample_aspect_ratio = WIDE
        for packet in one.demux():
            if packet.size:
                packet.stream = copy
                other.mux(packet)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("made", [in_the_stream, in_the_container, in_both, contradicting])
@pytest.mark.parametrize(("codec", "suffix"), RESULTS)
def test_the_ratio_is_that_of_the_source(tmp_path, made, codec, suffix):
    source = made(tmp_path)
    assert aspect_of(source)[0] == WIDE
    result = result_of(source, f"result.{suffix}", codec, Target(scale=1))
    assert aspect_of(result) == (WIDE, Fraction(96, 72))


@pytest.mark.slow
@pytest.mark.parametrize("sar", [Fraction(8, 9), Fraction(16, 15), Fraction(64, 45)])
@pytest.mark.parametrize("target", [Target(scale=0.5), Target(width=352)])
def test_tapes_and_discs_keep_it_at_other_sizes(tmp_path, sar, target):
    source = Clip(frames=2, size=(720, 576), sar=sar).write(tmp_path / "clip.mp4")
    result = result_of(source, "clip.mkv", "ffv1", target)
    assert abs(aspect_of(result)[0] / sar - 1) < Fraction(1, 1000)


@pytest.mark.parametrize(
    ("size", "sar", "room", "shown"),
    [
        ((1440, 1152), Fraction(16, 15), [2, 2], (1536, 1152)),
        ((1440, 960), Fraction(32, 27), [2, 2], (1696, 954)),
        ((192, 144), Fraction(32, 27), [1, 1], (128, 81)),
        ((1440, 1152), Fraction(1), [2, 2], (1440, 1152)),
    ],
)
def test_the_size_as_shown_has_the_ratio_exactly_and_fits(size, sar, room, shown):
    found = display_size(*size, sar, room)
    assert Fraction(*found) == Fraction(*size) * sar
    assert found == shown or max(found) < 256 ** max(room)
