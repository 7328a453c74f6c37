"""Options refuse what means nothing when they are made, whoever makes them."""

from __future__ import annotations

from typing import Any

import pytest

from esc_cli import EngineOptions, Target, UpscaleOptions, VideoOptions
from esc_cli.errors import UsageError


def options(**more: Any) -> UpscaleOptions:
    return UpscaleOptions(("in",), **more)


@pytest.mark.parametrize(
    ("kind", "values", "named"),
    [
        (UpscaleOptions, {"inputs": ()}, "no inputs"),
        (UpscaleOptions, {"inputs": "photos"}, "tuple of paths"),
        (options, {"quality": 0}, "--quality"),
        (options, {"quality": 101}, "--quality"),
        (options, {"max_pixels": 0}, "--max-pixels"),
        (options, {"batch_pixels": -1}, "--batch-pixels"),
        (options, {"existing": "ask"}, "--existing"),
        (options, {"devices": ("cpu", "auto")}, "--devices"),
        (options, {"devices": ("",)}, "--devices"),
        (options, {"devices": ("cuda:0",), "engine": EngineOptions("cpu")}, "exclude each other"),
        (Target, {"scale": 0}, "size"),
        (Target, {"scale": 2, "width": 100}, "exclude each other"),
        (EngineOptions, {"precision": "fp8"}, "--precision"),
        (EngineOptions, {"tile": -1}, "--tile"),
        (EngineOptions, {"overlap": -1}, "--overlap"),
        (VideoOptions, {"crf": 64}, "--crf"),
        (VideoOptions, {"crf": -1}, "--crf"),
        (VideoOptions, {"frames": 0}, "--frames"),
        (VideoOptions, {"segment_frames": 0}, "--segment-frames"),
        (VideoOptions, {"start": -1.0}, "--start"),
        (VideoOptions, {"duration": 0.0}, "--duration"),
    ],
)
def test_a_value_that_means_nothing_is_refused(kind: Any, values: Any, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        kind(**values)


def test_values_at_the_ends_of_their_ranges_are_accepted() -> None:
    options(quality=1, max_pixels=1, batch_pixels=0, video=VideoOptions(crf=0, frames=1, start=0))
    options(quality=100, video=VideoOptions(crf=63, segment_frames=1))
    options(engine=EngineOptions(tile=0, overlap=0))


def test_each_device_has_the_same_engine_but_for_its_device() -> None:
    engine = EngineOptions(tile=64, overlap=16)
    assert options(engine=engine).engines == (engine,)
    first, second = options(engine=engine, devices=("cuda:0", "cpu")).engines
    assert first == EngineOptions("cuda:0", tile=64, overlap=16)
    assert second == EngineOptions("cpu", tile=64, overlap=16)
    again = options(engine=EngineOptions("cpu"), devices=("cpu", "cpu"))
    assert again.engines == (EngineOptions("cpu"), EngineOptions("cpu"))


@pytest.mark.parametrize(
    ("name", "container", "picture_format"),
    [(None, None, None), ("MKV", "matroska", None), ("webm", "webm", None), ("png", None, "png")],
)
def test_a_format_concerns_pictures_or_videos(
    name: str | None, container: str | None, picture_format: str | None
) -> None:
    chosen = options(format=name)
    assert (chosen.container, chosen.picture_format) == (container, picture_format)
