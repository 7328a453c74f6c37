"""Batches that are planned in blocks of a few pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.blocks import Sizes
from esc_cli.tasks.upscale.events import Event, Item, Planned, Summary
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.run import upscale

SMALL = Sizes(whole=6, first=4, more=3)
WHOLE = Sizes(whole=10_000)


def picture(path: Path, side: int = 8, seed: int = 0) -> Path:
    values = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def pictures(folder: Path, count: int) -> Path:
    for number in range(count):
        picture(folder / f"{number:02}.png", seed=number)
    return folder


def events_of(
    folder: Path, sizes: Sizes = SMALL, stop: Stop | None = None, **wish: Any
) -> Iterator[Event]:
    wish = {"model": "esc-tiny"} | wish
    return upscale(UpscaleOptions((os.fspath(folder),), **wish), stop, sizes)


def run(
    folder: Path, sizes: Sizes = SMALL, stop: Stop | None = None, **wish: Any
) -> tuple[Planned, list[Item], Summary]:
    first, *others, last = events_of(folder, sizes, stop, **wish)
    assert isinstance(first, Planned)
    assert isinstance(last, Summary)
    return first, [one for one in others if isinstance(one, Item)], last


def named(items: Iterable[Item]) -> list[tuple[str, str, str]]:
    return [(one.input.name, one.output.name if one.output else "", one.status) for one in items]


def counted(summary: Summary) -> tuple[int, ...]:
    return summary.done, summary.skipped, summary.failed, summary.left, summary.exit_code


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def results(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".jsonl"}
