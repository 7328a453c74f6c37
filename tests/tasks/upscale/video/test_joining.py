"""A signal while the segments of a video are joined ends that at once, and costs nothing."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from clips import Clip, finished_steps

from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.options import UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale

VIDEO = VideoOptions(codec="prores", segment_frames=6)


class StopOnceJoined(Stop):
    """A signal that comes when the result begins to be written, or so many looks later."""

    def __init__(self, output: Path, looks: int) -> None:
        super().__init__()
        self.output, self.looks = output, looks

    def check(self) -> None:
        if self.signal_number is None and list(self.output.parent.glob(".*.mov.*.esc-part")):
            self.looks -= 1
            if self.looks < 0:
                self.set(signal.SIGTERM)
        super().check()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("joining")
    return Clip(frames=24, size=(32, 16), audio=("eng",)).write(folder / "clip.mov")


def outcome(clip, output, stop):
    *_, last = upscale(UpscaleOptions((str(clip),), output=str(output), video=VIDEO), stop)
    return last


@pytest.mark.slow
@pytest.mark.parametrize("looks", [0, 40])
def test_a_signal_while_segments_are_joined(clip, tmp_path, looks):
    output = tmp_path / "result.mov"
    ended = outcome(clip, output, StopOnceJoined(output, looks))
    assert (ended.exit_code, ended.done, ended.failed, ended.left) == (143, 0, 0, 1)
    assert not output.exists()
    assert len(finished_steps(output)) == 4
    assert outcome(clip, output, Stop()).done == 1
    assert outcome(clip, tmp_path / "other.mov", Stop()).done == 1
    assert output.read_bytes() == (tmp_path / "other.mov").read_bytes()
