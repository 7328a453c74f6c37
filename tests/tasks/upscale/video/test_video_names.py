"""Names of videos: no pattern, encoding or option is read out of them, and no two become one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from clips import Clip, finished_steps, look

from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Item, Remark
from esc_cli.tasks.upscale.options import Target, UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale

VIDEO = VideoOptions(codec="ffv1", segment_frames=4)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    plain = Clip(frames=50, size=(48, 32), audio=("eng",))
    return plain.write(tmp_path_factory.mktemp("names") / "clip.mkv")


@pytest.fixture(scope="module")
def whole(clip):
    result = clip.with_name("whole.mkv")
    assert events_of([clip], result)[-1].exit_code == 0
    return look(result)


def events_of(sources, output, stop=None):
    options = {"output": str(output), "target": Target(1.0), "video": VIDEO}
    inputs = tuple(str(source) for source in sources)
    return list(upscale(UpscaleOptions(inputs, **options), Stop() if stop is None else stop))


class StopSoon(Stop):
    """Time that is up as soon as two steps of an output are finished."""

    def __init__(self, output: Path) -> None:
        super().__init__()
        self.output = output

    @property
    def is_due(self):
        return len(finished_steps(self.output)) >= 2


ODD = ("50%", "clip%03d", "a[1]{2}*?", "e\u0301", "-o", "\udcff\udcfe", "a\nb")


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_a_video_of_any_name_goes_on_under_any_name_and_is_then_known(tmp_path, clip, whole, name):
    source, result = tmp_path / f"{name}.mkv", tmp_path / f"{name}_x.mkv"
    shutil.copy(clip, source)
    assert events_of([source], result, StopSoon(result))[-1].exit_code == 75
    assert not result.exists()
    events = events_of([source], result)
    assert not [event for event in events if isinstance(event, Remark)]
    assert look(result) == whole
    *_, item, _ = events_of([source], result)
    assert (item.status, item.output) == ("skipped", result)
    assert len(list(tmp_path.iterdir())) == 3  # with the records: nothing else was made


def test_names_that_differ_before_their_suffix_alone_stay_apart(tmp_path, clip, whole):
    sources = [Path(shutil.copy(clip, tmp_path / f"r.{number}.mkv")) for number in (200, 300)]
    out = tmp_path / "out"
    for status in ("done", "skipped"):
        items = [event for event in events_of(sources, out) if isinstance(event, Item)]
        assert [item.status for item in items] == [status, status]
    results = sorted(out.glob("*.mkv"))
    assert [result.name for result in results] == [source.name for source in sources]
    assert all(look(result) == whole for result in results)
