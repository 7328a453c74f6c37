"""What is held of a large batch while it is at work: its listing, packed, and the block at hand."""

import gc
import os
import tracemalloc

import pytest
from block_runs import pictures

from esc_cli.files import packed_lists
from esc_cli.tasks.upscale.blocks import Sizes
from esc_cli.tasks.upscale.events import Item
from esc_cli.tasks.upscale.job import Job
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.run import upscale

BLOCKS = Sizes(whole=100, first=64, more=64)
PER_ITEM = 220
"""Bytes: packed 40 to 80 for its path in this folder with a long name, 8 and 1 for its place."""


@pytest.fixture(autouse=True)
def few_are_kept(monkeypatch):
    monkeypatch.setattr(packed_lists, "KEPT", 64)


def bad(folder, count):
    """So many files whose headers say that they are no pictures."""
    for number in range(count):
        path = folder / f"{number // 250}" / f"{number:06}.svg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"none")
    return UpscaleOptions((os.fspath(folder),), output=f"{folder}-out/", model="esc-tiny")


def peak(options):
    """Of two runs the smaller one: Python's table of names of paths grows once, by megabytes."""
    peaks = []
    for _ in range(2):
        tracemalloc.start()
        try:
            failed = sum(isinstance(event, Item) for event in upscale(options, None, BLOCKS))
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    return failed, min(peaks)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_failures_of_a_batch(tmp_path):
    peak(bad(tmp_path / "warm", 200))
    few, few_bytes = peak(bad(tmp_path / "few", 500))
    many, many_bytes = peak(bad(tmp_path / "many", 2500))
    assert (few, many) == (500, 2500)
    assert many_bytes - few_bytes < 2000 * PER_ITEM


@pytest.mark.slow
def test_few_jobs_are_there_at_once(tmp_path):
    folder = pictures(tmp_path / "in", 150)
    options = UpscaleOptions((os.fspath(folder),), model=None)
    most = 0
    for number, event in enumerate(upscale(options, None, Sizes(whole=100, first=20, more=10))):
        if isinstance(event, Item) and number % 7 == 0:
            most = max(most, sum(type(one) is Job for one in gc.get_objects()))
    assert 0 < most <= 20 + 3 * 10
