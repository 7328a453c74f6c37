"""The pipeline runs whatever step it is handed, here one without any network."""

# ruff: noqa: ARG002 - as the protocol names them
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from esc_cli.engine.options import EngineOptions
from esc_cli.errors import ItemError
from esc_cli.tasks.models import Choice, Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.batching import Batches, Outcome
from esc_cli.tasks.upscale.disk import make_folders
from esc_cli.tasks.upscale.events import Item, ItemEvent
from esc_cli.tasks.upscale.job import Job, StreamedJob
from esc_cli.tasks.upscale.options import Target, UpscaleOptions
from esc_cli.tasks.upscale.pipeline import Pipeline
from esc_cli.tasks.upscale.plan import Planner
from esc_cli.tasks.upscale.records import RecordShelf
from esc_cli.tasks.upscale.stages import Failure

COUNT = 5


@dataclass
class Repeating:
    """A step that repeats pixels, as a machine elsewhere would send them back."""

    refused: str = ""
    names: list[str] = field(default_factory=list)
    device_types: frozenset[str] = frozenset()

    def prepare(self, choice: Choice) -> None:
        """Nothing to load."""

    def enlarge(self, group: Sequence[Outcome], batches: Batches) -> Sequence[Outcome]:
        """Each pixel twice in both directions."""
        return [self._enlarged(outcome) for outcome in group]

    def stream(self, job: StreamedJob) -> Iterator[ItemEvent]:
        """There are no videos here."""
        raise NotImplementedError

    def _enlarged(self, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Failure):
            return outcome
        name = outcome.job.source.path.name
        self.names.append(name)
        if name == self.refused:
            return Failure(outcome.job, ItemError("not here"))
        picture = outcome.take_picture()
        (frame,) = picture.frames
        width, height = outcome.job.size
        header = replace(picture.header, width=width, height=height)
        outcome.picture = replace(picture, header=header, frames=(frame.repeat(2, 0).repeat(2, 1),))
        return outcome


def pixels(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (6, 9, 3), np.uint8)


@pytest.fixture
def options(tmp_path: Path) -> UpscaleOptions:
    (tmp_path / "in").mkdir()
    for number in range(COUNT):
        Image.fromarray(pixels(number)).save(tmp_path / "in" / f"{number}.png")
    return UpscaleOptions(
        (str(tmp_path / "in"),),
        output=str(tmp_path / "out"),
        target=Target(scale=2),
        engine=EngineOptions("cpu"),
    )


def run(options: UpscaleOptions, steps: Sequence[Repeating]) -> tuple[list[Job], list[Item]]:
    shelf = RecordShelf()
    plan = Planner(options, Models(None, options.engine), shelf).plan()
    make_folders(plan.jobs)
    events = list(Pipeline(options, steps, shelf, Stop()).run(plan.jobs))
    return plan.jobs, [event for event in events if isinstance(event, Item)]


@pytest.mark.parametrize("count", [1, 3])
def test_the_results_are_those_of_the_steps(options: UpscaleOptions, count: int) -> None:
    steps = [Repeating() for _ in range(count)]
    jobs, items = run(options, steps)
    assert [item.status for item in items] == ["done"] * COUNT
    assert [item.input for item in items] == [job.source.path for job in jobs]
    assert sorted(name for step in steps for name in step.names) == [
        f"{number}.png" for number in range(COUNT)
    ]
    for number, job in enumerate(jobs):
        with Image.open(job.output) as image:
            assert (np.asarray(image) == pixels(number).repeat(2, 0).repeat(2, 1)).all()


def test_what_a_step_refuses_fails_alone_and_in_its_turn(options: UpscaleOptions) -> None:
    _, items = run(options, [Repeating(refused="2.png")])
    assert [item.status for item in items] == ["done", "done", "failed", "done", "done"]
    assert items[2].reason == "not here"


def test_a_result_of_any_step_is_finished_for_the_next_run(options: UpscaleOptions) -> None:
    run(options, [Repeating()])
    assert run(options, [Repeating()]) == ([], [])


def test_a_step_is_handed_what_could_not_be_decoded_as_a_failure(options: UpscaleOptions) -> None:
    broken = Path(options.inputs[0]) / "1.png"
    content = bytearray(broken.read_bytes())
    content[len(content) // 2] ^= 255  # found out when it is decoded
    broken.write_bytes(content)
    step = Repeating()
    _, items = run(options, [step])
    assert [item.status for item in items].count("failed") == 1
    assert "1.png" not in step.names
