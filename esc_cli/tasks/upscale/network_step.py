"""The step that takes items through a network, as an object: on a device here, or elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from esc_cli.engine.options import WHOLE
from esc_cli.tasks.models import Choice, Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.batching import Batches, Outcome
from esc_cli.tasks.upscale.events import ItemEvent
from esc_cli.tasks.upscale.job import StreamedJob
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.picture import PictureUpscaler
from esc_cli.tasks.upscale.records import RecordShelf
from esc_cli.tasks.upscale.stages import Failure, Work, guarded, network_stage


class Step(Protocol):
    """One place where networks run. The pipeline decodes for it, and encodes what it gives.

    It is asked for one thing at a time, always from the same thread.
    """

    @property
    def device_types(self) -> frozenset[str]:
        """The types of its devices on this machine that networks are loaded on."""
        ...

    def prepare(self, choice: Choice) -> None:
        """Load a network before the first item. Raises SetupError and UsageError."""
        ...

    def enlarge(self, group: Sequence[Outcome], batches: Batches) -> Sequence[Outcome]:
        """Enlarge decoded pictures: each outcome has its result, or is a failure. Raises nothing.

        A failure stays as it is. `batches` has joined the group; `batches.halve` tells it when its
        pictures had to go one by one.
        """
        ...

    def stream(self, job: StreamedJob) -> Iterator[ItemEvent]:
        """The events of a job that is done piece by piece. Raises as `StreamedJob.run`."""
        ...


@dataclass(frozen=True)
class LocalStep:
    """The networks of one device of this machine."""

    models: Models
    options: UpscaleOptions
    shelf: RecordShelf
    stop: Stop

    @property
    def device_types(self) -> frozenset[str]:
        """As `Models.device_types`."""
        return self.models.device_types

    def prepare(self, choice: Choice) -> None:
        """As `Models.prepare`."""
        self.models.prepare(choice)

    def enlarge(self, group: Sequence[Outcome], batches: Batches) -> Sequence[Outcome]:
        """All in one pass if that gives what each would have had alone, else one by one."""
        works = [work for work in group if isinstance(work, Work)]
        if len(works) > 1:
            if self._together(works):
                return works
            batches.halve()
        return [self._alone(outcome) for outcome in group]

    def stream(self, job: StreamedJob) -> Iterator[ItemEvent]:
        """As `StreamedJob.run`, with the networks of this device."""
        return job.run(self.options, self.models, self.shelf, self.stop)

    def _together(self, works: Sequence[Work]) -> bool:
        """Take all through the network at once; False if each must be done by itself instead."""
        start = time.perf_counter()
        try:
            done = self._enlarged(works)
        except Exception:  # noqa: BLE001 - which picture it comes from shows when each is alone
            done = False
        for work in works:
            work.took("network", (time.perf_counter() - start) / len(works))
        return done

    def _enlarged(self, works: Sequence[Work]) -> bool:
        """Whether all went through as each would have: whole, in the precision that was chosen.

        Otherwise, and after an error, the works are as they were.
        """
        job = works[0].job
        pictures = [work.picture for work in works if work.picture is not None]
        if job.choice is None:
            raise ValueError("pictures are joined for a network")
        upscaler = self.models.upscaler(job.choice)
        together = PictureUpscaler(upscaler, job.size, self.stop.check)
        results = together.run_together(pictures)
        if any(done.notes or done.tile != WHOLE for done in together.passes):
            return False
        for work, result in zip(works, results, strict=True):
            work.picture, work.passes = result, together.passes
            work.device = str(upscaler.device)
        return True

    def _alone(self, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Failure):
            return outcome
        return guarded(outcome.job, partial(network_stage, outcome, self.models, self.stop))


def local_steps(
    options: UpscaleOptions, models: Models, shelf: RecordShelf, stop: Stop
) -> tuple[LocalStep, ...]:
    """One for each device that is asked for; `models`, which planned the batch, has the first."""
    others = map(models.beside, range(1, len(options.engines)), options.engines[1:])
    return tuple(LocalStep(own, options, shelf, stop) for own in (models, *others))
