"""How many frames there are is counted, or not said; a rate is no help where it changes."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest
from clips import Clip

from esc_cli.cli.upscale_run import Renderer
from esc_cli.media.video.probe import probe_video
from esc_cli.media.video.reader import Part, Reader
from esc_cli.media.video.scan import count_frames
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Progress
from esc_cli.tasks.upscale.options import UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale

SLOW_THEN_FAST = [*range(0, 8000, 1000), *range(8000, 8400, 20)]  # milliseconds


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """28 frames in 8.4 seconds."""
    folder = tmp_path_factory.mktemp("variable")
    clip = Clip(frames=28, pts=SLOW_THEN_FAST, time_base=Fraction(1, 1000), audio=("eng",))
    return clip.write(folder / "clip.mkv")


def shown(clip, **video):
    output = clip.with_name(f"out{len(list(clip.parent.iterdir()))}.mkv")
    options = UpscaleOptions((str(clip),), output=str(output), video=VideoOptions(**video))
    *events, summary = upscale(options, Stop())
    assert summary.exit_code == 0
    return {event.total for event in events if isinstance(event, Progress)}


def test_the_total_of_a_variable_rate_is_the_number_of_its_frames(clip):
    assert probe_video(clip, 10**6).frames != 28  # what its rate and length make of it
    assert shown(clip) == {28}


def test_the_total_of_a_part_is_the_number_of_its_frames(clip):
    assert shown(clip, start=7.0) == {21}
    assert shown(clip, duration=8.0) == {8}
    assert shown(clip, start=1.0, frames=5) == {5}


def test_a_dry_run_counts_them_too(clip):
    options = UpscaleOptions((str(clip),), output=str(clip.with_name("dry.mkv")), dry_run=True)
    _, item, _ = upscale(options, Stop())
    assert any(note.startswith("about 28 frames at") for note in item.notes)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.avi", "a.ts"])
@pytest.mark.parametrize(
    "part", [Part(), Part(start=0.35), Part(0.2, 0.5), Part(duration=0.45), Part(frames=6)]
)
def test_as_many_are_counted_as_are_read(tmp_path, name, part):
    options = {"bf": "0" if name == "a.avi" else "2", "b_strategy": "0"}
    clip = Clip(frames=14, options=options).write(tmp_path / name)
    facts = probe_video(clip, 10**6)
    assert count_frames(clip, facts, part) == len(list(Reader(clip, facts, part).frames()))


@pytest.mark.parametrize(("total", "text"), [(9, "frame 3 of 9"), (None, "frame 3")])
def test_a_total_that_nobody_can_tell_is_left_out(capsys, total, text):
    renderer = Renderer(quiet=False, dry_run=False, report=None, _last_line=-1e9)
    renderer.run([Progress(Path("clip.mkv"), 3, total, 3)])
    assert re.fullmatch(rf"clip\.mkv: {text}\n", capsys.readouterr().err)
