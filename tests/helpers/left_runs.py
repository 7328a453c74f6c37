"""Runs on a video that are left before its end, and what those that go on say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from clips import finished_steps, unfinished
from networks import small_checkpoint

from esc_cli.engine.options import EngineOptions
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Event, Item, Remark
from esc_cli.tasks.upscale.options import UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale

FRAMES = 50
DEFAULTS = EngineOptions()
VIDEO = VideoOptions(codec="ffv1", segment_frames=4)


def events_of(
    clip: Path,
    name: str,
    stop: Stop | None = None,
    video: VideoOptions = VIDEO,
    engine: EngineOptions = DEFAULTS,
) -> Iterator[Event]:
    stop = Stop() if stop is None else stop  # one that was not asked to stop is falsy
    output = str(clip.with_name(name))
    options = UpscaleOptions(
        (str(clip),), output=output, model=small_checkpoint(), video=video, engine=engine
    )
    return upscale(options, stop)


def finish(clip: Path, name: str, **options: Any) -> Item:
    *_, item, summary = events_of(clip, name, **options)
    assert summary.exit_code == 0, item.reason
    return item


def folder_of(clip: Path, name: str) -> Path:
    return unfinished(clip.with_name(name))


def segments(clip: Path, name: str) -> list[Path]:
    return finished_steps(clip.with_name(name))


class StopAt(Stop):
    """Time that is up as soon as so many segments are finished."""

    def __init__(self, clip: Path, name: str, count: int) -> None:
        super().__init__()
        self.finished = lambda: len(segments(clip, name)) >= count

    @property
    def is_due(self) -> bool:
        return self.finished()


def start(clip: Path, name: str, count: int = 2, video: VideoOptions = VIDEO) -> dict[str, bytes]:
    """Run until so many segments are finished, perhaps some more, then leave."""
    *_, summary = events_of(clip, name, StopAt(clip, name, count), video)
    assert summary.exit_code == 75
    assert count <= len(segments(clip, name)) < FRAMES / 4
    assert not clip.with_name(name).exists()
    return {path.name: path.read_bytes() for path in segments(clip, name)}


def remarks_of(events: Iterable[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Remark)]
