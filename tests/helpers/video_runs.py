"""One video through a batch, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clips import Seen, look

from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Item, Summary
from esc_cli.tasks.upscale.options import Target, UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale


def run(
    *inputs: Path, scale: float | None = None, video: VideoOptions | None = None, **options: Any
) -> tuple[list[Item], Summary]:
    """(the items of a batch, its summary)."""
    options = {"target": Target(scale), "video": video or VideoOptions()} | options
    *events, summary = upscale(UpscaleOptions(tuple(str(i) for i in inputs), **options), Stop())
    return [event for event in events if isinstance(event, Item)], summary


def result_of(*inputs: Path, **options: Any) -> Path:
    """The output of a batch of one."""
    (item,), summary = run(*inputs, **options)
    assert item.status == "done", item.reason
    assert summary.exit_code == 0
    return item.output


def failure_of(*inputs: Path, **options: Any) -> str:
    """The reason why a batch of one failed."""
    (item,), summary = run(*inputs, **options)
    assert item.status == "failed"
    assert summary.exit_code == 1
    return item.reason


def check_kept(source: Path, result: Path, scale: int = 2) -> tuple[Seen, Seen]:
    """Everything but pixels and codec is as it was."""
    before, after = look(source), look(result)
    assert after.size == (before.size[0] * scale, before.size[1] * scale)
    for name in ("pts_s", "pix_fmt", "sar", "rotation", "payloads", "chapters", "attachments"):
        assert getattr(after, name) == getattr(before, name), name
    assert after.tags == before.tags
    kinds = [[(s[0], s[2], s[3]) for s in seen.streams] for seen in (before, after)]
    assert kinds[0] == kinds[1]
    assert after.metadata.get("title") == before.metadata.get("title")
    return before, after
