"""What one device of a cluster does: it holds the networks, and takes one item after the other.

Nothing here knows Ray, and nothing that it yields is more than a few words and numbers: what goes
wrong is a value, since errors that cross a wire lose what they are.
"""

from __future__ import annotations

import pickle
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from esc_cli.errors import EscError
from esc_cli.files.atomic import remove_stale_parts
from esc_cli.tasks.models import Choice, Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.cluster.agreement import Greeting, as_here, difference, versions
from esc_cli.tasks.upscale.cluster.shared_folders import Sight
from esc_cli.tasks.upscale.cluster.videos import sharing
from esc_cli.tasks.upscale.events import Item, ItemEvent
from esc_cli.tasks.upscale.job import Job
from esc_cli.tasks.upscale.network_step import LocalStep
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.pipeline import Pipeline
from esc_cli.tasks.upscale.records import RecordShelf
from esc_cli.tasks.upscale.shard import Shard


@dataclass(frozen=True)
class Brief:
    """What a worker is told before its first item: the options, and every network of the batch."""

    options: UpscaleOptions
    networks: tuple[Choice, ...]
    sight: Sight


class ClusterWorker:
    """One device. `wanted`: the versions where esc was started; `brief`: a pickled `Brief`, opened
    once the versions are known to agree. `address`: the machine's, for the name of its records."""

    def __init__(self, wanted: Mapping[str, str], brief: bytes, address: str) -> None:
        self._wanted, self._packed, self._address = wanted, brief, address
        self._tidied: set[Path] = set()

    @cached_property
    def _brief(self) -> Brief:
        brief: Brief = pickle.loads(self._packed)  # noqa: S301 - from the driver that runs us
        return brief

    @cached_property
    def _models(self) -> Models:
        options = self._brief.options
        return Models(options.model, options.engines[0], options.supply, options.denoise)

    @cached_property
    def _shelf(self) -> RecordShelf:
        return RecordShelf(writer_name(socket.gethostname(), self._address))

    def greet(self) -> Iterator[Greeting]:
        """One greeting; with it all networks are loaded."""
        host = socket.gethostname()
        unlike = difference(versions(), self._wanted)
        try:
            yield Greeting(host, problem=unlike) if unlike else self._ready(host)
        except EscError as error:
            yield Greeting(host, problem=str(error))

    def _ready(self, host: str) -> Greeting:
        problem = self._brief.sight.problem()
        if problem:
            return Greeting(host, problem=problem)
        device, precision = "cpu", None
        for choice in self._brief.networks:
            own = as_here(choice, self._models)
            self._models.prepare(own)
            upscaler = self._models.upscaler(own)
            device, precision = upscaler.device.type, upscaler.precision
        return Greeting(host, device, precision)

    def work(
        self, job: Job, seconds: float | None, share: Shard | None = None
    ) -> Iterator[ItemEvent | EscError]:
        """The events of a job, at last its item, or the error of this machine, or DeadlineError.

        `share`: of a video that several workers do.

        `seconds`: the time that the batch has left, None for all it needs.
        """
        stop = Stop()
        if seconds is not None:
            stop.limit(seconds)
        try:
            job = replace(job, choice=job.choice and as_here(job.choice, self._models))
        except EscError as error:
            yield error
            return
        self._tidy(job.output.parent)
        options = sharing(self._brief.options, share)
        step = LocalStep(self._models, options, self._shelf, stop)
        pipeline = Pipeline(options, (step,), self._shelf, stop)
        item: Item | None = None
        for event in pipeline.run([job]):
            if isinstance(event, Item):
                item = event
            else:
                yield event
        told = pipeline.fatal or item or pipeline.late
        if isinstance(told, Item) and told.device is not None:
            told = replace(told, device=f"{socket.gethostname()} {told.device}")
        if told is not None:
            yield told

    def _tidy(self, folder: Path) -> None:
        """Remove what processes of this machine left there when they died, once."""
        if folder not in self._tidied:
            self._tidied.add(folder)
            remove_stale_parts(folder)


def writer_name(host: str, address: str) -> str:
    """What the records of a machine are called: as many processes of one machine may add to a file,
    but not several machines."""
    return re.sub(r"[^0-9a-z]+", "-", f"{host}-{address}".lower()).strip("-")
