"""Raw video through a pipe: the same frames as from a file, in 8 and 10 bit."""

from __future__ import annotations

import io
import signal
import subprocess
from datetime import datetime

import av
import numpy as np
import pytest
from clips import Clip, frames_of

from esc_cli.cli.parsing import seconds_left
from esc_cli.cli.upscale_run import Run, run
from esc_cli.errors import ItemError, UsageError
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.options import Target, UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale
from esc_cli.tasks.upscale.video.pipe import upscale_y4m

PIPE = ("-", "-o", "-", "--input-format", "y4m")
COLOURS = {"yuv420p": "420jpeg", "yuv420p10le": "420p10", "yuv444p": "444", "gray": "mono"}


def y4m_of(path, pix_fmt):
    """A video as FFmpeg's yuv4mpegpipe gives it, for lack of the program."""
    planes = frames_of(path)
    height, width = planes[0][0].shape
    out = io.BytesIO()
    tags = f"W{width} H{height} F10:1 Ip A1:1 C{COLOURS[pix_fmt]} XYSCSS=X XCOLORRANGE=LIMITED"
    out.write(f"YUV4MPEG2 {tags}\n".encode())
    for frame in planes:
        out.write(b"FRAME\n" + b"".join(plane.tobytes() for plane in frame))
    return out.getvalue()


def decoded(content, path):
    """The frames as FFmpeg reads them."""
    path.write_bytes(content)
    with av.open(str(path), format="yuv4mpegpipe") as container:
        stream = container.streams.video[0]
        facts = (stream.pix_fmt, stream.average_rate, stream.codec_context.color_range)
    return facts, frames_of(path)


def through(content, **options):
    """What comes out of the pipe, in this process."""
    out = io.BytesIO()
    upscale_y4m(io.BytesIO(content), out, UpscaleOptions(("-",), **options))
    return out.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("pix_fmt", COLOURS)
def test_a_pipe_gives_the_same_frames_as_a_file(tmp_path, pix_fmt):
    clip = Clip(frames=9, size=(48, 32), pix_fmt=pix_fmt, codec="ffv1", options={})
    clip.full_range, clip.seeds = 1, [0, 1, 1, 3, 4, 5, 6, 6, 8]
    source = clip.write(tmp_path / "clip.mkv")
    facts, frames = decoded(through(y4m_of(source, pix_fmt)), tmp_path / "out.y4m")
    assert facts == (pix_fmt, 10, 1)
    list(upscale(UpscaleOptions((str(source),), video=VideoOptions(codec="ffv1")), Stop()))
    expected = frames_of(tmp_path / "clip_x2.mkv")
    assert len(frames) == len(expected) == 9
    for one, other in zip(frames, expected, strict=True):
        for mine, its in zip(one, other, strict=True):
            assert np.array_equal(mine, its)


@pytest.mark.parametrize(("stated", "kept"), [("", True), (" XCOLORRANGE=LIMITED", False)])
def test_grey_of_which_a_pipe_states_no_range_has_all_levels(stated, kept):
    head = f"YUV4MPEG2 W64 H32 F10:1 Ip A1:1 Cmono{stated}\n".encode()
    plane = bytes(range(0, 256, 4)) * 32
    found = through(head + b"FRAME\n" + plane, target=Target(1))
    assert (found == head + b"FRAME\n" + plane) == kept
    assert kept or min(found[-64:]) == 16  # what limited range has no place for


@pytest.mark.slow
def test_frames_come_out_while_more_go_in_and_a_signal_ends_it(tmp_path, esc):
    clip = Clip(frames=30, size=(32, 24), codec="ffv1", options={}).write(tmp_path / "clip.mkv")
    content = y4m_of(clip, "yuv420p")
    process = esc.start(*PIPE, "-s", "2", stdin=subprocess.PIPE)
    process.stdin.write(content[: len(content) // 4])  # what comes out fits a pipe
    process.stdin.flush()
    assert process.stdout.readline().startswith(b"YUV4MPEG2 W64 H48 F10:1")
    assert process.stdout.readline() == b"FRAME\n"
    process.send_signal(signal.SIGTERM)  # also while it waits for more
    assert process.wait(timeout=120) == 143
    process.communicate()


def test_the_command_is_a_filter(tmp_path, esc):
    clip = Clip(frames=3, size=(32, 24), codec="ffv1", options={}).write(tmp_path / "clip.mkv")
    content = y4m_of(clip, "yuv420p")
    ran = esc(*PIPE, input=content, process=True)
    assert (ran.code, ran.err) == (0, "")
    assert ran.raw_out == through(content)


HEAD = b"YUV4MPEG2 W8 H8 F10:1 C420\n"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"no video", "no YUV4MPEG2"),
        (b"YUV4MPEG2 W8 H8 F10:1 It C420\n", "interlaced"),
        (b"YUV4MPEG2 W8 F10:1\n", "states no size"),
        (b"YUV4MPEG2 W8 H8 F10:1 C444alpha\n", "444alpha"),
        (b"YUV4MPEG2 W90000 H90000 C420\n", "more than the limit"),
        (HEAD, "no frame"),
        (HEAD + b"FRAME\n" + bytes(96) + b"FRAME\n" + bytes(5), "cut short in frame 1"),
        (HEAD + b"FRAME\n" + bytes(97), "damaged at frame 1"),
    ],
)
def test_a_bad_stream_is_one_clear_line(content, what):
    with pytest.raises(ItemError, match=what):
        through(content)


def test_wrong_usage_of_the_pipe():
    for options, how in (
        (UpscaleOptions(("-",)), Run(input_format="avi")),
        (UpscaleOptions(("-",), output="out.y4m"), Run(input_format="y4m")),
        (UpscaleOptions(("clip.mkv",)), Run(input_format="y4m")),
        (UpscaleOptions(("-",)), Run(input_format="y4m", seconds=9.0)),
    ):
        with pytest.raises(UsageError):
            run(options, how)


def test_the_deadline_is_the_next_such_time_of_day():
    now = datetime(2024, 5, 6, 22, 30)
    assert seconds_left(None, None, now) is None
    assert seconds_left("22:31", None, now) == 60
    assert seconds_left("06:00", None, now) == 7.5 * 3600
    assert seconds_left("22:30", None, now) == 24 * 3600
    assert seconds_left("06:00", 2, now) == 120
    for deadline, minutes in (("25:00", None), ("6", None), (None, 0), (None, float("nan"))):
        with pytest.raises(UsageError):
            seconds_left(deadline, minutes, now)
