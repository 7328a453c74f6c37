"""The use case itself: events in order, no printing, errors before work."""

import numpy as np
import pytest
from PIL import Image

from esc_cli.errors import UsageError, WeightsError
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Item, Planned, Summary
from esc_cli.tasks.upscale.options import Target, UpscaleOptions
from esc_cli.tasks.upscale.run import upscale


@pytest.fixture
def photos(tmp_path):
    for number in range(6):
        values = np.full((8, 8, 3), 40 * number, np.uint8)
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray(values).save(tmp_path / "in" / f"{number}.png")
    (tmp_path / "in" / "bad.png").write_text("no picture")
    return tmp_path / "in"


def options(photos, **more):
    more = {"target": Target(scale=2)} | more
    return UpscaleOptions((str(photos),), **more)


def test_a_plan_then_the_items_then_a_summary(photos, capfd):
    first, *items, last = upscale(options(photos), Stop())
    assert isinstance(first, Planned)
    assert (first.total, first.to_do) == (7, 6)
    assert all(isinstance(item, Item) for item in items)
    assert len({item.input for item in items}) == 7
    assert isinstance(last, Summary)
    assert (last.done, last.failed, last.left, last.exit_code) == (6, 1, 0, 1)
    assert capfd.readouterr() == ("", "")


def test_a_stop_leaves_the_rest_and_says_so(photos):
    stop, events = Stop(), []
    for event in upscale(options(photos), stop):
        events.append(event)
        if isinstance(event, Item) and event.status == "done":
            stop.set(15)
    summary = events[-1]
    assert summary.exit_code == 143
    assert summary.stopped
    assert 1 <= summary.done < 6
    assert summary.left == 6 - summary.done
    assert len(list(photos.with_name("in_x2").glob("*.png"))) == summary.done


def test_a_stop_before_the_start_does_nothing(photos):
    stop = Stop()
    stop.set(2)
    *_, summary = upscale(options(photos), stop)
    assert (summary.done, summary.left, summary.exit_code) == (0, 6, 130)
    assert not list(photos.parent.rglob("in_x2/*.png"))


def test_closing_the_events_early_leaves_no_half_written_file(photos):
    events = upscale(options(photos), Stop())
    for event in events:
        if isinstance(event, Item) and event.status == "done":
            break
    events.close()
    results = list(photos.with_name("in_x2").iterdir())
    assert not [path for path in results if "esc-part" in path.name]
    for path in results:
        if path.suffix == ".png":
            with Image.open(path) as image:
                image.load()


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"target": Target(scale=8)}, WeightsError),
        ({"model": "nothing"}, UsageError),
        ({"name": "{nothing}"}, UsageError),
        ({"format": "docx"}, UsageError),
    ],
)
def test_what_concerns_every_item_is_raised_before_the_plan(photos, more, error):
    with pytest.raises(error):
        next(upscale(options(photos, **more), Stop()))
    assert not list(photos.parent.glob("in_*"))


def test_without_a_stop_of_its_own_a_batch_runs_to_its_end(photos):
    *_, summary = upscale(options(photos))
    assert (summary.done, summary.left) == (6, 0)


def test_what_the_formats_of_input_and_result_leave_out_is_noted(tmp_path):
    source = tmp_path / "a.webp"
    Image.new("RGB", (8, 8)).save(source, xmp=b'<a GCamera:MotionPhoto="1"/>')
    _, item, _ = upscale(options(source, format="bmp"), Stop())
    assert item.notes == (
        "left out: the video of a motion photo",
        "left out: XMP, which BMP does not hold",
    )
