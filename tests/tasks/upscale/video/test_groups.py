"""Segments with B-frames: joined as one encode would be, and the same after every stop."""

from __future__ import annotations

import random
from fractions import Fraction

import av
import numpy as np
import pytest
from clips import Clip, finished_steps, look, unfinished

from esc_cli.media.video.codecs import Encoding, codec_by_name, codec_options
from esc_cli.media.video.colour_tags import ColourTags
from esc_cli.media.video.decode_times import decode_times, reorder_depth
from esc_cli.media.video.encoder import SegmentEncoder
from esc_cli.media.video.lossless import lossless, read_frames
from esc_cli.media.video.pixel_formats import planar
from esc_cli.media.video.probe import probe_video
from esc_cli.media.video.reader import Reader
from esc_cli.media.video.segments import STEP, write_segment
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.options import Target, UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale

FRAMES = 330
CUTS = (140, 150, 275)  # where the picture is another one


def packets_of(path):
    """(PTS, key frame, bytes) of every packet of the pictures."""
    with av.open(str(path)) as container:
        packets = container.demux(video=0)
        return [(p.pts, p.is_keyframe, bytes(p)) for p in packets if p.size]


def scenes():
    """Luma that pans slowly, another picture after each cut."""
    for number in range(FRAMES):
        random = np.random.default_rng(sum(number >= cut for cut in CUTS))
        large = np.kron(random.integers(20, 230, (8, 12)), np.ones((8, 8), np.int64))
        yield np.roll(large, number // 2, axis=1).astype(np.uint8)


def outcome(source, name, stop=None, **video):
    options = UpscaleOptions(
        (str(source),),
        output=str(source.with_name(name)),
        target=Target(1),
        video=VideoOptions(segment_frames=16, **video),
    )
    return list(upscale(options, Stop() if stop is None else stop))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Long enough for three segments, with times that are not even."""
    path = tmp_path_factory.mktemp("groups") / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, luma in enumerate(scenes()):
            planes = np.concatenate((luma, np.full((32, 96), 128, np.uint8)))
            frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
            frame.pts, frame.time_base = 40 * number + number % 3, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


class After(Stop):
    """Time that is up once so many steps more are there than at first."""

    def __init__(self, output, steps):
        super().__init__()
        self.output, self.steps = output, steps
        self.first = len(self.lines)

    @property
    def lines(self):
        journal = unfinished(self.output) / "journal.jsonl"
        return journal.read_bytes().splitlines() if journal.exists() else []

    @property
    def is_due(self):
        return len(self.lines) - self.first >= self.steps


@pytest.mark.slow
@pytest.mark.parametrize(
    ("codec", "name"),
    [("h264", "one.mp4"), ("h264", "one.mkv"), ("hevc", "one.mov"), ("av1", "one.mkv")],
)
def test_a_run_that_was_stopped_again_and_again_gives_the_same_packets(source, codec, name):
    *_, item, _ = outcome(source, f"whole.{name}", codec=codec)
    assert item.status == "done", item.reason
    output, moments = source.with_name(name), random.Random(name)
    codes = []
    while not codes or codes[-1] == 75:
        *_, summary = outcome(source, name, After(output, moments.randint(2, 7)), codec=codec)
        codes.append(summary.exit_code)
    assert codes[-1] == 0
    assert len(codes) > 2
    whole = packets_of(source.with_name(f"whole.{name}"))
    assert packets_of(output) == whole
    assert look(output).pts_s == look(source).pts_s
    times = [pts for pts, *_ in whole]
    assert (times != sorted(times)) == (codec != "av1")  # whose packets are in order


def test_a_segment_ends_where_one_encode_of_everything_has_a_key_frame(source):
    outcome(source, "keys.mkv")
    found = [
        number for number, (_, key, _) in enumerate(packets_of(source.with_name("keys.mkv"))) if key
    ]
    facts = probe_video(source, 1 << 40)
    known = codec_by_name("h264")
    encoding = Encoding(
        known.encoder, codec_options(known, None, None), "matroska", facts.layout, 96, 64,
        facts.time_base, facts.rate, None, ColourTags(), None,
    )  # fmt: skip
    encoder = SegmentEncoder(encoding, 1)
    packets = [p for frame in Reader(source, facts).frames() for p in encoder.encode(frame)]
    packets += encoder.finish()
    assert found == [number for number, packet in enumerate(packets) if packet.key]
    assert {CUTS[0], CUTS[2]} <= set(found)


def test_a_damaged_segment_is_done_again(source):
    *_, item, _ = outcome(source, "reference.mkv")
    output = source.with_name("damaged.mkv")
    outcome(source, output.name, After(output, 19))
    (segment, *_) = unfinished(output).glob("*.segment")
    assert len(finished_steps(output)) < 19  # some are in the segment
    segment.write_bytes(segment.read_bytes()[:-1])
    outcome(source, output.name)
    assert packets_of(output) == packets_of(source.with_name("reference.mkv"))
    assert item.status == "done"


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ([], []),
        ([[5]], [5]),
        ([[0, 1, 2], [3, 4]], [0, 1, 2, 3, 4]),
        ([[0, 30, 10, 20], [100, 101]], [-10, 0, 10, 20, 30, 100]),
        ([[0, 40, 20, 10, 30]], [-20, -10, 0, 10, 20]),
    ],
)
def test_frames_are_decoded_as_late_as_the_deepest_reordering_allows(segments, expected):
    depth = max(map(reorder_depth, segments), default=0)
    assert list(decode_times(segments, depth))[: len(expected)] == expected


@pytest.mark.parametrize(
    "name", ["yuv420p", "yuv422p10le", "yuv444p12le", "gray", "gray10le", "gbrp", "gbrp12le"]
)
def test_frames_on_the_way_are_kept_as_they_are(tmp_path, name):
    layout = planar(name)
    codec = "libx265" if name == "gbrp" else "ffv1"
    clip = Clip(5, (50, 34), name, codec, {}, pts=[3, 4, 9, 10, 11])
    path = clip.write(tmp_path / "clip.mkv")
    facts = probe_video(path, 1 << 40)
    encoding = Encoding(
        "libx265", (), "matroska", layout, 50, 34, facts.time_base, Fraction(25), None,
        ColourTags(), None,
    )  # fmt: skip
    frames = list(Reader(path, facts).frames())
    encoder = SegmentEncoder(lossless(encoding), 2)
    packets = [p for frame in frames for p in encoder.encode(frame)] + list(encoder.finish())
    state = write_segment(tmp_path, 0, encoder.headers, packets, STEP)
    kept = list(read_frames(state.path(tmp_path), lossless(encoding)))
    assert [(f.pts, f.duration) for f in kept] == [(f.pts, f.duration) for f in frames]
    assert all(one.same_pixels(other) for one, other in zip(kept, frames, strict=True))
