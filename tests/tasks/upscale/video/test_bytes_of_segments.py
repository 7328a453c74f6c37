"""An encode in segments is as small as one from the first frame to the last."""

from __future__ import annotations

from fractions import Fraction

import av
import pytest

from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.options import Target, UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale

SIZE, FRAMES = (320, 180), 500


def encoded(path, frames, codec, **options):
    """A clip by FFmpeg's own encoder; the bytes of its packets."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height = SIZE
        stream.codec_context.thread_type = "AUTO"
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base, frame.pict_type = number, Fraction(1, 25), 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return sizes_of(path)


def sizes_of(path):
    """The bytes of each packet of the pictures."""
    with av.open(str(path)) as container:
        return [packet.size for packet in container.demux(video=0) if packet.size]


class Watch(Stop):
    """Never stops; the most segments that lay beside a result."""

    def __init__(self, output):
        super().__init__()
        self.home, self.segments = output.with_name(f".{output.name}.esc-segments"), 0

    @property
    def is_due(self):  # asked after each step
        self.segments = max(self.segments, len(list(self.home.rglob("*.segment"))))
        return False


def done(source, codec):
    """(the result, the segments that it was made of but for those of the last steps)."""
    output = source.with_name(f"{codec}.mkv")
    watch, wish = Watch(output), VideoOptions(codec=codec, segment_frames=24)
    options = UpscaleOptions((str(source),), str(output), target=Target(1), video=wish)
    *_, item, summary = upscale(options, watch)
    assert summary.exit_code == 0, item.reason
    return output, watch.segments


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["flat animation", "film with grain", "screen text"])
def test_segments_take_at_most_3_percent_more_than_one_encode(tmp_path, contents, kind):
    pictures = (av.VideoFrame.from_ndarray(rgb, "rgb24") for rgb in contents[kind](SIZE, FRAMES))
    source = tmp_path / "source.mkv"
    encoded(source, (p.reformat(format="yuv420p") for p in pictures), "ffv1")
    result, segments = done(source, "h264")
    with av.open(str(done(source, "ffv1")[0])) as same:  # the frames that the encoder was given
        frames = (frame for frame in same.decode(video=0))
        one = encoded(tmp_path / "one.mkv", frames, "libx264", preset="medium", crf="17")
    ours = sizes_of(result)
    assert len(ours) == len(one) == FRAMES
    assert segments >= 2
    assert sum(ours) / sum(one) <= 1.03
