"""A plan of more inputs than are held as objects: order, names, refusals and memory."""

import gc
import os

import numpy as np
import pytest
from PIL import Image

from esc_cli.errors import UsageError
from esc_cli.files import packed_lists
from esc_cli.files.packed_lists import BLOCK
from esc_cli.media.paths import Source
from esc_cli.tasks.upscale.events import Item
from esc_cli.tasks.upscale.job import Job
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.plan import Planner
from esc_cli.tasks.upscale.run import Session, upscale

COUNT = 3 * BLOCK + 7


@pytest.fixture(autouse=True)
def few_are_kept(monkeypatch):
    monkeypatch.setattr(packed_lists, "KEPT", 100)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Pictures in two folders; two of them, far from each other, would share a result's name."""
    folder = tmp_path_factory.mktemp("many") / "in"
    values = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    for number in range(COUNT):
        path = folder / f"{number % 2}" / f"{number:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(path)
    Image.fromarray(values).save(folder / "0" / "00000.jpg")
    Image.fromarray(values).save(folder / "0" / "00000.PNG.png")
    (folder / "1" / "bad.png").write_bytes(b"none")
    return folder


def plan(folder, **wish):
    options = UpscaleOptions((os.fspath(folder),), model="esc-tiny", **wish)
    session = Session.of(options)
    return Planner(options, session.models, session.shelf).plan()


def test_jobs_come_in_the_order_of_the_folder_each_with_a_name_of_its_own(many, tmp_path):
    found = plan(many, output=f"{tmp_path / 'out'}/", format="png")
    inputs = [job.source.path for job in found.jobs]
    paths = [*sorted((many / "0").iterdir()), *sorted((many / "1").iterdir())]
    assert inputs == [path for path in paths if path.name != "bad.png"]
    names = [job.output.relative_to(tmp_path / "out").as_posix() for job in found.jobs]
    assert names[:4] == ["0/00000.PNG.png", "0/00000.jpg.png", "0/00000.png~2.png", "0/00002.png"]
    assert len({name.casefold() for name in names}) == len(names)
    assert [(item.input.name, item.status) for item in found.settled] == [("bad.png", "failed")]


def test_an_output_that_is_an_input_is_refused_wherever_it_stands(many):
    last = many / "1" / f"{COUNT - 1 - COUNT % 2:05}.png"
    target = many / "0" / "00002.png"
    held = target.read_bytes()
    target.unlink()
    target.symlink_to(last)
    try:
        with pytest.raises(UsageError, match=r"is an input and would be overwritten"):
            plan(many, output=f"{many}/", include_outputs=True)
    finally:
        target.unlink()
        target.write_bytes(held)


def test_few_of_the_inputs_and_jobs_are_held_as_objects(many, tmp_path):
    found = plan(many, output=f"{tmp_path / 'out'}/")
    held = [one for one in gc.get_objects() if type(one) in {Job, Source}]
    assert len(found.jobs) > 3 * BLOCK
    assert 0 < len(held) <= 2 * (BLOCK + packed_lists.KEPT) + 9


@pytest.mark.slow
def test_a_second_run_tells_of_each_in_order(many, tmp_path):
    options = UpscaleOptions((os.fspath(many / "1"),), output=f"{tmp_path}/", model=None)
    first = [event for event in upscale(options) if isinstance(event, Item)]
    again = [event for event in upscale(options) if isinstance(event, Item)]
    assert {item.status for item in again} == {"skipped", "failed"}
    assert sorted(item.input for item in first) == sorted(item.input for item in again)
    skipped = [item.input for item in again if item.status == "skipped"]
    assert skipped == sorted(skipped)
