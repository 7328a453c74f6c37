"""One video through a batch, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
from clips import Seen, look

from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Event, Item, Remark, Summary
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


def events_of(source: Path, suffix: str | None = None, **video: Any) -> list[Event]:
    """All that a run without enlargement says; `suffix` names another container."""
    output = None if suffix is None else str(source.with_name(f"result.{suffix}"))
    options = UpscaleOptions(
        (str(source),), output=output, target=Target(1), video=VideoOptions(**video)
    )
    return list(upscale(options, Stop()))


def done(source: Path, suffix: str | None = None, **video: Any) -> tuple[Path, tuple[str, ...]]:
    """(the result, the notes of its item); what was told before the work is among them."""
    events = events_of(source, suffix, **video)
    item = next(event for event in events if isinstance(event, Item))
    assert item.status == "done", item.reason
    assert {event.text for event in events if isinstance(event, Remark)} <= set(item.notes)
    return item.output, item.notes


def tracks(path: Path) -> list[tuple[str | None, int]]:
    """(language, disposition) of each."""
    with av.open(str(path)) as container:
        return [(s.metadata.get("language"), int(s.disposition)) for s in container.streams]
