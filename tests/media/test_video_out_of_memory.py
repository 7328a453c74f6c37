"""Where memory runs out, that is the reason that is told; nothing else is blamed for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import Clip

from esc_cli.tasks.upscale.stages import Failure, guarded

ROOT = Path(__file__).parents[2]
SIZE = (1920, 1080)
pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="bounds the memory of a process as Linux does"
)

# The process bounds itself once all is loaded, so that the rest of what it needs is known.
BOUNDED = """
import resource, sys
from fractions import Fraction
from pathlib import Path
import av, numpy as np
from esc_cli.errors import EscError
from esc_cli.media.video.codecs import Encoding, codec_by_name, codec_options
from esc_cli.media.video.colour_tags import ColourTags
from esc_cli.media.video.encoder import SegmentEncoder, check_encoder, output_layout
from esc_cli.media.video.frames import RawFrame
from esc_cli.media.video.pixel_formats import planar
from esc_cli.media.video.probe import probe_video
from esc_cli.media.video.reader import Reader

def bound(more):
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + (int(more) << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))

def encoding_of(name):
    codec = codec_by_name(name)
    layout = output_layout(codec, planar("yuv420p"), None)
    return Encoding(
        codec.encoder, codec_options(codec, None, None), "matroska", layout, 1920, 1080,
        Fraction(1, 25), Fraction(25), None, ColourTags(), None,
    )

def open_one(name, more):
    encoding = encoding_of(name)
    av.CodecContext.create(encoding.encoder, "w")
    bound(more)
    check_encoder(encoding, 2)

def encode(name, more):
    encoding = encoding_of(name)
    encoder = SegmentEncoder(encoding, 2)
    planes = [np.full(size, 100, np.uint8) for size in encoding.layout.plane_sizes(1920, 1080)]
    bound(more)
    for number in range(80):
        list(encoder.encode(RawFrame(number, 1, tuple(planes))))

def decode(path, more):
    reader = Reader(Path(path), probe_video(Path(path), 1 << 30))
    frames = reader.frames()
    next(frames)
    bound(more)
    for _ in frames:
        pass
    print(reader.damage)

try:
    globals()[sys.argv[1]](*sys.argv[2:])
except EscError as error:
    print(type(error).__name__, error)
except MemoryError as error:
    print("MemoryError")
"""


def told(*words):
    """What a process says whose memory is bounded at some moment, in MiB more than it has then."""
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED, *map(str, words)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("work", "codec", "more", "encoder"),
    [
        ("open_one", "h264", 40, "libx264"),  # "Generic error in an external library"
        ("open_one", "vp9", 40, "libvpx-vp9"),  # "Invalid argument"
        ("open_one", "prores", 5, "prores_ks"),  # "Resource temporarily unavailable"
        ("encode", "h264", 40, "libx264"),
        ("encode", "vp9", 40, "libvpx-vp9"),  # "Invalid data found when processing input"
        ("encode", "ffv1", 20, "ffv1"),  # which says so
    ],
)
def test_an_encoder_without_memory_is_told_as_such(work, codec, more, encoder):
    line = told(work, codec, more)
    assert line.startswith(f"TooLargeError not enough memory for {encoder} at 1920 x 1080 (free ")
    assert ("--preset" in line) == (codec == "h264")


def test_the_batch_goes_on_without_an_item_that_has_no_memory(tmp_path):
    class Job:
        source = type("Source", (), {"path": tmp_path / "clip.mkv"})

    for step in (lambda: np.ones(1 << 60, np.uint8), lambda: torch.ones(1 << 58)):
        failure = guarded(Job, step)
        assert isinstance(failure, Failure)
        assert failure.error.reason.startswith("not enough memory for it (free memory")


def test_a_video_that_has_no_memory_to_be_decoded_is_not_called_damaged(tmp_path):
    grey = Clip(8, SIZE, codec="ffv1", options={"slices": "4"}, colour=(100, 128, 128))
    clip = grey.write(tmp_path / "clip.mkv")
    assert told("decode", clip, 2) == "MemoryError\n"
