"""Small pictures that are alike go through the network together; nobody notices."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from esc_cli.checkpoints.loading import load_checkpoint
from esc_cli.engine.options import EngineOptions
from esc_cli.engine.upscaler import Upscaler
from esc_cli.media.confined import Bounds
from esc_cli.model.esc import ESC
from esc_cli.model.patches import Patch, Patchwork
from esc_cli.tasks.models import Choice, Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.disk import make_folders
from esc_cli.tasks.upscale.events import Item, Summary
from esc_cli.tasks.upscale.network_step import local_steps
from esc_cli.tasks.upscale.options import Target, UpscaleOptions
from esc_cli.tasks.upscale.pipeline import Pipeline
from esc_cli.tasks.upscale.plan import Planner
from esc_cli.tasks.upscale.records import RecordShelf
from esc_cli.tasks.upscale.run import upscale

SIDE = 16
COUNT = 9
FIVE = 5 * SIDE * SIDE
GUILTY = 6
Shapes = list[tuple[int, ...]]


def smooth(seed: int, side: int = SIDE, dtype: type[np.integer[Any]] = np.uint8) -> Any:
    """(side, side, 3), different for every seed, without a pixel of the highest level."""
    rows, columns = np.mgrid[0:side, 0:side]
    planes = [rows * 7 + columns * 3 + seed * 9, rows * 2 + columns * 11 + seed * 5, rows + seed]
    share = np.stack([plane % 200 / 255 for plane in planes], axis=2)
    return np.rint(share * np.iinfo(dtype).max).astype(dtype)


def save(path: Path, pixels: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A larger one first, so that the small ones behind it are decoded when its turn is over."""
    save(tmp_path / "in" / "0.png", smooth(0, 160))
    for number in range(1, COUNT + 1):
        save(tmp_path / "in" / f"{number}.png", smooth(number))
    return tmp_path / "in"


def options(photos: Path, out: str, pixels: int = FIVE, **more: Any) -> UpscaleOptions:
    return UpscaleOptions(
        (str(photos),),
        output=str(photos.with_name(out)),
        target=Target(scale=2),
        engine=more.pop("engine", EngineOptions("cpu")),
        batch_pixels=pixels,
        **more,
    )


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Shapes:
    """The shape of what each call of the engine took; the engine is the real one."""
    seen: Shapes = []
    real = Upscaler.upscale

    def watched(self: Upscaler, image: Tensor, **how: Any) -> Any:
        if not seen:
            time.sleep(0.5)  # the first pass lasts until others are decoded
        seen.append(tuple(image.shape))
        return real(self, image, **how)

    monkeypatch.setattr(Upscaler, "upscale", watched)
    return seen


def done(chosen: UpscaleOptions) -> list[Item]:
    *_, summary = events = list(upscale(chosen, Stop()))
    assert isinstance(summary, Summary)
    return [event for event in events if isinstance(event, Item)]


def told(items: list[Item]) -> list[Item]:
    """What is said of each item but for the time, the place, and the bytes of other rounding."""
    return [replace(item, seconds={}, output=None, output_bytes=None) for item in items]


def pixels_of(item: Item) -> Any:
    assert item.output is not None
    with Image.open(item.output) as image:
        return np.asarray(image).astype(int)


def test_pictures_together_give_what_each_gives_alone(photos: Path, passes: Shapes) -> None:
    one_by_one = done(options(photos, "alone", pixels=0))
    assert max(shape[0] for shape in passes) == 1
    passes.clear()
    together = done(options(photos, "together"))
    counts = [shape[0] for shape in passes]
    assert (counts[:2], max(counts), sum(counts)) == ([1, 5], 5, COUNT + 1)
    assert told(together) == told(one_by_one)
    for item, alone in zip(together, one_by_one, strict=True):
        assert abs(pixels_of(item) - pixels_of(alone)).max() <= 1
    assert not any(event.status == "done" for event in done(options(photos, "together")))


@pytest.mark.slow
def test_only_what_is_alike_goes_together(photos: Path, passes: Shapes) -> None:
    import tifffile

    save(photos / "2.png", smooth(2)[..., 0])  # grey
    save(photos / "4.png", np.dstack([smooth(4), smooth(5)[..., :1]]))  # with opacity
    save(photos / "6.png", smooth(6)[:-1])  # another size
    whole = bytearray((photos / "8.png").read_bytes())
    whole[len(whole) // 2] ^= 255  # found out when it is decoded
    (photos / "8.png").write_bytes(whole)
    for number in (91, 92, 93):
        tifffile.imwrite(photos / f"{number}.tif", smooth(number, dtype=np.uint16))
    one_by_one = done(options(photos, "alone", pixels=0))
    passes.clear()
    together = done(options(photos, "together", pixels=SIDE**2 * 50))
    counts = [shape[0] for shape in passes]
    assert counts[-1] == 3  # of 16 bits
    assert max(counts[:-1]) == 1
    assert told(together) == told(one_by_one)


def test_a_wished_tile_is_not_shared(photos: Path, passes: Shapes) -> None:
    done(options(photos, "out", engine=EngineOptions("cpu", tile=96)))
    assert max(shape[0] for shape in passes) == 1


@pytest.mark.slow
def test_several_devices_share_groups(photos: Path, passes: Shapes) -> None:
    one_by_one = done(options(photos, "alone", pixels=0))
    passes.clear()
    together = done(options(photos, "together", devices=("cpu", "cpu")))
    assert sum(shape[0] for shape in passes) == COUNT + 1
    assert max(shape[0] for shape in passes) > 1
    assert told(together) == told(one_by_one)


def test_a_stop_ends_a_group_without_a_failure(photos: Path) -> None:
    stop, items = Stop(), []
    for event in upscale(options(photos, "out"), stop):
        if isinstance(event, Item):
            items.append(event)
            stop.set(15)
    assert isinstance(event, Summary)
    assert event.exit_code == 143
    assert {item.status for item in items} == {"done"}
    assert event.left == COUNT + 1 - len(items)


class FussyESC(ESC):
    """A real network that fails, as `trouble` says, where the input holds a pure 1."""

    trouble: Callable[[Tensor, Tensor], Tensor]

    def upscale(self, picture: Tensor, work: Patchwork) -> Iterator[tuple[Patch, Tensor]]:
        """The patches of the result."""
        marked = (picture == 1).flatten(1).any(dim=1)
        for patch, out in super().upscale(picture, work):
            yield patch, type(self).trouble(out, marked)


class FussyModels(Models):
    """The bundled networks, made fussy."""

    trouble: Callable[[Tensor, Tensor], Tensor]

    def upscaler(self, choice: Choice) -> Upscaler:
        """The upscaler of a fussy copy."""
        path = choice.checkpoint.path, choice.share
        if path not in self._upscalers:
            network = load_checkpoint(choice.checkpoint)
            kind = type("Fussy", (FussyESC,), {"trouble": staticmethod(self.trouble)})
            copied = kind(network.config)
            copied.load_state_dict(network.state_dict())
            self._upscalers[path] = Upscaler(copied, self.engine)
        return self._upscalers[path]


def through_pipeline(
    chosen: UpscaleOptions, trouble: Callable[..., Tensor], apart: bool = False
) -> Iterator[Item]:
    models, shelf = FussyModels(chosen.model, chosen.engine), RecordShelf()
    models.trouble = trouble
    plan = Planner(chosen, models, shelf).plan()
    make_folders(plan.jobs)
    stop = Stop()
    pipeline = Pipeline(chosen, local_steps(chosen, models, shelf, stop), shelf, stop)
    pipeline.workers.apart = apart
    assert plan.jobs[0].choice is not None
    pipeline.workers.prepare(plan.jobs[0].choice)
    events = list(pipeline.run(plan.jobs))
    return (event for event in events if isinstance(event, Item))


def mark(photos: Path) -> None:
    pixels = smooth(GUILTY)
    pixels[3, 4] = 255
    save(photos / f"{GUILTY}.png", pixels)


def gives_nan(out: Tensor, marked: Tensor) -> Tensor:
    out[marked] = torch.nan
    return out


def crashes(out: Tensor, marked: Tensor) -> Tensor:
    if marked.any():
        raise ZeroDivisionError("of this picture")
    return out


def has_little_memory(out: Tensor, marked: Tensor) -> Tensor:
    if out.shape[0] > 1:
        raise torch.OutOfMemoryError("out of memory")
    return out


@pytest.mark.slow
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    ("trouble", "reason"), [(gives_nan, "NaN or Inf"), (crashes, "ZeroDivisionError")]
)
def test_only_the_guilty_picture_of_a_group_fails(
    photos: Path, passes: Shapes, trouble: Callable[..., Tensor], reason: str, apart: bool
) -> None:
    mark(photos)
    items = list(through_pipeline(options(photos, "out", FIVE * 2), trouble, apart))
    assert max(shape[0] for shape in passes) > 1
    assert [item.input.name for item in items] == [f"{number}.png" for number in range(COUNT + 1)]
    (failed,) = (item for item in items if item.status == "failed")
    assert failed.input.name == f"{GUILTY}.png"
    assert reason in failed.reason
    assert all(item.notes == () and item.tile == 0 for item in items if item is not failed)


@pytest.mark.slow
def test_where_only_one_fits_the_memory_each_is_done_whole_and_without_a_note(
    photos: Path, passes: Shapes
) -> None:
    items = list(through_pipeline(options(photos, "out"), has_little_memory))
    assert {item.status for item in items} == {"done"}
    assert {(item.tile, item.notes) for item in items} == {(0, ())}
    counts = [shape[0] for shape in passes]
    tried = next(index for index, count in enumerate(counts) if count > 1)
    # How many are decoded by then, five at most, is for the machine to say.
    together = counts[tried]
    assert counts[tried + 1 : tried + 1 + together] == [1] * together
    rest = counts[tried + 1 + together :]
    assert max(rest, default=1) <= 2  # it is not tried again and again


@pytest.mark.slow
def test_only_the_picture_that_needs_a_safer_precision_says_so(photos: Path) -> None:
    def overflows(out: Tensor, marked: Tensor) -> Tensor:
        if out.dtype == torch.bfloat16:
            out[marked] = torch.inf
        return out

    mark(photos)
    chosen = options(photos, "out", engine=EngineOptions("cpu", "bf16"))
    items = list(through_pipeline(chosen, overflows))
    assert [item.precision for item in items].count("fp32") == 1
    (safer,) = (item for item in items if item.notes)
    assert (safer.input.name, safer.precision) == (f"{GUILTY}.png", "fp32")


def test_a_group_does_not_wait_for_pictures_that_are_not_decoded_yet(photos: Path) -> None:
    from esc_cli.tasks.upscale.decode_queue import Ahead
    from esc_cli.tasks.upscale.stages import decode_stage

    chosen, shelf = options(photos, "out"), RecordShelf()
    plan = Planner(chosen, Models(None, chosen.engine), shelf).plan()
    ahead = Ahead(2, pixels=FIVE)
    assert ahead.take_if(lambda _: True) is None
    work = decode_stage(plan.jobs[1], Bounds(10**6))
    for _ in range(5):
        ahead.put(work)
    blocked = threading.Thread(target=ahead.put, args=(work,))
    blocked.start()
    blocked.join(0.2)
    assert blocked.is_alive()  # five of them hold as many pixels as may wait
    assert ahead.take(lambda: True) is work
    blocked.join(5)
    assert not blocked.is_alive()


def test_nobody_waits_for_a_decoder_once_the_batch_is_to_end() -> None:
    from esc_cli.tasks.upscale.decode_queue import Ahead

    answers = iter([True, True, False])
    assert Ahead(2).take(lambda: next(answers)) is None
