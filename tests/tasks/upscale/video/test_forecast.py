"""What a dry run expects is what a run then takes, within a factor of two; measured once a size."""

from __future__ import annotations

import re
from fractions import Fraction

import av
import pytest
from clips import Clip

from esc_cli.engine.upscaler import Upscaler
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Item, Progress
from esc_cli.tasks.upscale.options import Target, UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale

FRAMES = 200
SIZE = (96, 64)


def items_of(*inputs, **options):
    *events, _ = upscale(UpscaleOptions(tuple(map(str, inputs)), **options), Stop())
    return [event for event in events if isinstance(event, Item)]


def write(path, frames):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "20"})
        stream.width, stream.height = SIZE
        for number, rgb in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["h264", "ffv1"])
@pytest.mark.parametrize("kind", ["flat animation", "film with grain", "screen text"])
def test_the_bytes_that_are_expected_are_those_that_come(tmp_path, contents, kind, codec):
    path = write(tmp_path / "clip.mkv", contents[kind](SIZE, FRAMES))
    options = {"target": Target(1), "video": VideoOptions(codec=codec)}
    (planned,) = items_of(path, dry_run=True, **options)
    (done,) = items_of(path, **options)
    assert done.status == "done", done.reason
    assert 0.5 <= planned.output_bytes / done.output_bytes <= 2


@pytest.mark.slow
def test_the_bytes_count_what_the_network_does(tmp_path):
    path = Clip(30, (48, 32), audio=("eng",)).write(tmp_path / "clip.mkv")
    (planned,) = items_of(path, dry_run=True)
    (done,) = items_of(path)
    assert done.status == "done", done.reason
    assert 0.5 <= planned.output_bytes / done.output_bytes <= 2


def test_equal_videos_are_measured_once(tmp_path, monkeypatch):
    passes = []
    own = Upscaler.upscale

    def counted(self, rgb, *words, **more):
        passes.append(tuple(rgb.shape[-2:]))
        return own(self, rgb, *words, **more)

    monkeypatch.setattr(Upscaler, "upscale", counted)
    for name in "abcd":
        Clip(20, (48, 32)).write(tmp_path / f"{name}.mkv")
    Clip(20, (32, 24)).write(tmp_path / "small.mkv")
    items = items_of(tmp_path, dry_run=True, target=Target(2))
    assert len(items) == 5
    assert all(re.search(r"frames at [\d.]+ s each", item.notes[-1]) for item in items)
    assert passes.count((32, 48)) == passes.count((24, 32)) > 0


def test_a_dry_run_tells_what_runs_with_other_settings_left(tmp_path):
    path = Clip(30, (32, 24)).write(tmp_path / "clip.mkv")
    stop = Stop()
    for event in upscale(UpscaleOptions((str(path),), video=VideoOptions(segment_frames=2)), stop):
        if isinstance(event, Progress):
            stop.limit(0)  # at the end of a step
    (planned,) = items_of(path, dry_run=True, video=VideoOptions(crf=30))
    assert re.search(r"\d+ finished segments? \(.*MB, segment-frames 2\)", planned.notes[0])
    assert "the settings" in planned.notes[0]
    (planned,) = items_of(path, dry_run=True, video=VideoOptions(segment_frames=2))
    assert not [note for note in planned.notes if "finished segment" in note]
