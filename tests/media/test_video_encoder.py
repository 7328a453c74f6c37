"""The packets of a segment depend on its frames and settings, and on nothing else."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from esc_cli.media.video.codecs import Encoding, codec_by_name, codec_options
from esc_cli.media.video.colour_tags import ColourTags
from esc_cli.media.video.encoder import SegmentEncoder, frame_of, output_layout
from esc_cli.media.video.frames import RawFrame
from esc_cli.media.video.pixel_formats import planar
from esc_cli.media.video.reader import planes_of

av = pytest.importorskip("av")
SIZES = ((96, 64), (90, 50))  # (width, height); neither is a multiple of 8 macroblocks wide
M_PERTURB = -6  # of mallopt, malloc.h
FILLED_WITH_0, FILLED_WITH_255 = 255, 256  # glibc fills with the complement of the low 8 bits


@contextmanager
def fresh_memory(perturb):
    """All memory that malloc hands out holds a known byte instead of what was there before."""
    library = ctypes.CDLL(None)
    assert library.mallopt(M_PERTURB, perturb) == 1
    try:
        yield
    finally:
        library.mallopt(M_PERTURB, 0)


def moving_frames(size, layout, count=4):
    """Noise that moves to the right by 3 samples a frame, and some noise that does not."""
    random, (width, height) = np.random.default_rng(1), size
    field = random.integers(0, 200, (height, width + 3 * count), dtype=np.uint8)
    for number in range(count):
        luma = field[:, 3 * (count - number) :][:, :width]
        luma = luma + random.integers(0, 40, luma.shape, dtype=np.uint8)
        shapes = layout.plane_sizes(*size)[1:]
        yield RawFrame(number, 1, (luma, *(np.full(shape, 128, np.uint8) for shape in shapes)))


def encoding_of(codec, size, layout):
    known = codec_by_name(codec)
    return Encoding(
        known.encoder, codec_options(known, None, None), "matroska", layout, *size,
        Fraction(1, 25), Fraction(25), None, ColourTags(), None,
    )  # fmt: skip


def packets_of(codec, size, threads):
    layout = planar("yuv420p")
    frames = list(moving_frames(size, layout))
    encoder = SegmentEncoder(encoding_of(codec, size, layout), threads)
    return [packet for frame in frames for packet in encoder.encode(frame)] + [*encoder.finish()]


@pytest.mark.parametrize(("name", "wanted"), [("yuv420p", "nv12"), ("yuv420p10le", "p010le")])
def test_encoders_of_gpus_get_the_same_samples_in_their_order(name, wanted):
    layout, random = planar(name), np.random.default_rng(0)
    if "hevc_qsv" not in av.codec.codecs_available:
        pytest.skip("needs FFmpeg with QSV")
    dtype = np.uint8 if layout.bits == 8 else np.uint16
    planes = tuple(
        random.integers(0, 2**layout.bits, size).astype(dtype)
        for size in layout.plane_sizes(64, 48)
    )
    chosen = output_layout(codec_by_name("hevc_qsv"), layout, None)
    frame = frame_of(RawFrame(7, 1, planes), encoding_of("hevc_qsv", (64, 48), chosen))
    assert (frame.format.name, frame.pts) == (wanted, 7)
    assert all(map(np.array_equal, planes_of(frame, layout), planes))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="fills memory with glibc's mallopt")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("codec", ["h264", "hevc", "ffv1"])
def test_what_memory_held_before_does_not_change_the_packets(codec, size, threads):
    with fresh_memory(FILLED_WITH_0):
        first = packets_of(codec, size, threads)
    with fresh_memory(FILLED_WITH_255):
        second = packets_of(codec, size, threads)
    assert len(first) == 4
    assert first == second


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0,
    reason="only root may make threads real-time ones on Linux",
)
@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "vp9", "ffv1", "prores"])
def test_no_encoder_becomes_more_urgent_than_other_programs(codec):
    """SVT-AV1 makes whole processes real-time ones, which take the processor from all others."""

    def policies():
        threads = (int(task.name) for task in Path("/proc/self/task").iterdir())
        return {os.sched_getscheduler(thread) for thread in threads}

    assert policies() == {os.SCHED_OTHER}
    layout = output_layout(codec_by_name(codec), planar("yuv420p"), None)
    encoder = SegmentEncoder(encoding_of(codec, SIZES[0], layout), 2)
    packets = [
        packet for frame in moving_frames(SIZES[0], layout) for packet in encoder.encode(frame)
    ]
    assert policies() == {os.SCHED_OTHER}
    assert [*packets, *encoder.finish()]
    assert policies() == {os.SCHED_OTHER}


def test_x265_has_one_frame_in_hand():
    """With several it may wait for ever when it is flushed. It tells its settings in an SEI."""
    encoder = SegmentEncoder(encoding_of("hevc", SIZES[0], planar("yuv420p")), 8)
    assert b" frame-threads=1 " in encoder.headers
