"""A kind of input is one class: its own decisions, and the plan of a batch around them."""

# ruff: noqa: ARG002 - as the protocol names them
from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from esc_cli.engine.options import EngineOptions
from esc_cli.errors import DeadlineError, ReadError
from esc_cli.files.atomic import write_atomic
from esc_cli.media.formats import OutputPlan
from esc_cli.media.paths import Source
from esc_cli.media.picture import Header
from esc_cli.tasks.models import Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale import plan as planning
from esc_cli.tasks.upscale.events import Item, ItemEvent, Progress, Summary
from esc_cli.tasks.upscale.input_kind import Batch
from esc_cli.tasks.upscale.job import Outlook, StreamedJob, item_of
from esc_cli.tasks.upscale.options import Target, UpscaleOptions
from esc_cli.tasks.upscale.records import FileState, RecordShelf
from esc_cli.tasks.upscale.run import upscale


@dataclass(frozen=True)
class TextJob(StreamedJob):
    """Repeats each letter of a text."""

    def problem(self) -> str:
        """The encoder of this kind knows no dollars."""
        return "no encoder for $" if "$" in self.source.path.read_text() else ""

    def forecast(
        self, models: Models, options: UpscaleOptions, known: dict[object, object]
    ) -> Outlook:
        """As a dry run tells."""
        return Outlook(1, ("about as long as it takes to read",))

    def run(
        self, options: UpscaleOptions, models: Models, shelf: RecordShelf, stop: Stop
    ) -> Iterator[ItemEvent]:
        """A text that says so fails, or takes too long."""
        text = self.source.path.read_text()
        if text == "bad":
            raise ReadError("is bad", self.source.path)
        yield Progress(self.source.path, 1, len(text), 1)
        if text == "endless":
            raise DeadlineError("the time is up")
        content = "".join(letter * self.size[0] for letter in text).encode()
        status = self.source.path.stat()
        source = FileState(status.st_size, status.st_mtime_ns, hashlib.sha256(b"").hexdigest())
        records = shelf.at(self.root)

        def record(written: object) -> None:
            result = FileState(written.st_size, written.st_mtime_ns, "")  # type: ignore[attr-defined]
            records.append(self.record(source, result, records.relative(self.output)))

        write_atomic(self.output, content, before_rename=record)
        yield replace(item_of(self, "done"), output_bytes=len(content))


class TextKind:
    """Texts, one letter wide and high."""

    drafts_beside = True

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def recognises(self, source: Source) -> bool:
        """By name."""
        return source.path.suffix == ".txt"

    def draft(self, source: Source, root: Path) -> TextJob:
        """The job."""
        if source.path.name == "unreadable.txt":
            raise ReadError("has no header", source.path)
        size = self.batch.options.target.size(1, 1, 3)
        enlargement = self.batch.enlargement((1, 1), size, 3)
        header, form = Header("TEXT", 1, 1, 1, 8, 1), OutputPlan("TEXT", ".text")
        output = self.batch.output(source, root, enlargement, form.suffix)
        return TextJob(source, header, size, None, form, root, output, "text", 10)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures around a text, whose kind stands first in the table."""
    monkeypatch.setattr(planning, "KINDS", (TextKind, *planning.KINDS))
    (tmp_path / "in").mkdir()
    for name in ("a", "z"):
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "in" / f"{name}.png")
    (tmp_path / "in" / "m.txt").write_text("esc")
    return tmp_path / "in"


def run(folder: Path, **more: object) -> tuple[list[Item], Summary]:
    inputs = tuple(str(path) for path in sorted(folder.iterdir()))
    options = UpscaleOptions(
        inputs, str(folder.with_name("out")), target=Target(2), engine=EngineOptions("cpu")
    )
    *events, summary = upscale(replace(options, **more), Stop())
    return [event for event in events if isinstance(event, Item)], summary


def statuses(items: list[Item]) -> dict[str, str]:
    return {item.input.name: item.status for item in items}


def test_a_new_kind_needs_its_class_and_its_place_in_the_table(folder: Path) -> None:
    items, summary = run(folder)
    assert statuses(items) == {"a.png": "done", "m.txt": "done", "z.png": "done"}
    assert [item.input.name for item in items] == ["a.png", "m.txt", "z.png"]
    assert (folder.parent / "out" / "m.text").read_text() == "eesscc"
    assert summary.exit_code == 0
    items, _ = run(folder)
    assert set(statuses(items).values()) == {"skipped"}


def test_a_dry_run_tells_what_the_kind_forecasts(folder: Path) -> None:
    items, _ = run(folder, dry_run=True)
    (text,) = (item for item in items if item.input.suffix == ".txt")
    assert (text.status, text.output_size, text.output_bytes) == ("planned", (2, 2), 10)
    assert text.notes == ("about as long as it takes to read",)
    assert not (folder.parent / "out").exists()


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("m.txt", "bad", "is bad"),
        ("m.txt", "costs $3", "no encoder for $"),
        ("unreadable.txt", "", "has no header"),
    ],
)
def test_what_a_kind_refuses_fails_alone(folder: Path, name: str, text: str, reason: str) -> None:
    (folder / "m.txt").unlink()
    (folder / name).write_text(text)
    items, summary = run(folder)
    assert statuses(items) == {"a.png": "done", name: "failed", "z.png": "done"}
    assert next(item for item in items if item.status == "failed").reason == reason
    assert summary.exit_code == 1


def test_results_of_different_kinds_keep_different_names(folder: Path) -> None:
    for name in ("m.txt", "M.txt"):
        (folder / name).write_text(name)
    items, _ = run(folder)
    texts = [str(item.output).casefold() for item in items if item.input.suffix == ".txt"]
    assert len(set(texts)) == 2


def test_the_time_of_a_batch_can_end_inside_a_job_of_any_kind(folder: Path) -> None:
    (folder / "m.txt").write_text("endless")
    items, summary = run(folder)
    assert statuses(items) == {"a.png": "done"}
    assert (summary.left, summary.exit_code) == (2, 75)
