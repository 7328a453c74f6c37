"""`esc train`: a recipe and pictures in, events out."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from esc_cli.engine.precision import choose_device
from esc_cli.errors import UsageError, counted
from esc_cli.files.targets import check_folder
from esc_cli.tasks.environment import processor_name
from esc_cli.tasks.evaluate.degraded import LEVELS
from esc_cli.tasks.evaluate.validation import prepare_validation
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.train.options import TrainOptions
from esc_cli.tasks.train.resume import padded_patches, restored, set_aside
from esc_cli.training.distributed import connected, device_wish, find_place, wait_for_all
from esc_cli.training.events import (
    Cached,
    Finished,
    Logged,
    Note,
    Saved,
    Started,
    TrainEvent,
    Validated,
)
from esc_cli.training.factory import Source, make_learner, make_source, needs_lr
from esc_cli.training.folder import RunFolder, RunLock
from esc_cli.training.initial import initial
from esc_cli.training.learner import Learner
from esc_cli.training.loader import Loader, pinned
from esc_cli.training.loop import Training, Validate
from esc_cli.training.schedule import Position

__all__ = [
    "Cached",
    "Finished",
    "Logged",
    "Note",
    "Saved",
    "Started",
    "TrainEvent",
    "TrainTask",
    "Validated",
    "tells",
]

ORIGINS = {
    "bicubic": "by MATLAB-style bicubic",
    "real": "by second-order degradation",
    "photo": "by the degradation of photographs",
}
"""Where LR comes from, by the recipe's degradation."""


def tells() -> bool:
    """Whether this process is the one that tells, of those that torchrun or srun started.

    Raises UsageError for tasks of srun that do not know where to meet.
    """
    return find_place(os.environ).first


@dataclass
class TrainTask:
    """Prepares a run and runs it."""

    options: TrainOptions
    stop: Stop

    def __post_init__(self) -> None:
        """Find this process's place among those of torchrun or srun."""
        self.place = find_place(os.environ)
        self.lock = RunLock(self.options.out)

    def run(self) -> Iterator[TrainEvent]:
        """Train; `Training.run` names the errors, besides UsageError and WeightsError before.

        No folder is made before all was checked that can be without decoding. Of several
        processes only the first tells.
        """
        self.options.recipe.check_batch(self.place.world)
        self.options.check()
        device = choose_device(device_wish(self.options.device, self.place))
        torch.set_flush_denormal(True)  # they slow softmax and its gradient down many times
        try:
            with connected(self.place, device), self.lock:
                for event in self._run(device):
                    if isinstance(event, Cached):
                        self.stop.check()  # no training yet, nothing to save
                    if self.place.first:
                        yield event
        finally:
            torch.set_flush_denormal(False)

    def _run(self, device: torch.device) -> Iterator[TrainEvent]:
        options, recipe = self.options, self.options.recipe
        folder = RunFolder(options.out)
        for written in (folder.path, folder.checkpoints, options.pictures.cache):
            check_folder(written)
        if self.place.first:
            self.lock.hold_earlier_run()
        options.pictures.check(options.data_lr, recipe.scale)
        start = self._start(folder)
        learner = self._learner(device, fresh=start is None)
        position, notes = Position(), list(padded_patches(recipe))
        if start is not None:
            position, changed = restored(learner, start)
            notes += changed
        validate = self._validate(device)
        source = yield from self._patches_of_all(folder, position, start)
        yield from notes
        with self._loader(source, position.step, device) as loader:
            training = Training(
                learner, loader, folder, position, options.intervals, recipe.data.batch
            )
            training.last_saved, training.place = start, self.place
            training.facts = self._facts(device, len(source.rounds.usable))
            training.signal = lambda: self.stop.signal_number
            training.validate = validate
            yield self._started(training, source)
            yield from training.run()

    def _start(self, folder: RunFolder) -> Path | None:
        """The checkpoint to go on from.

        Raises UsageError when it is not there, or an earlier run is in the way.
        """
        newest, resume = folder.newest(), self.options.resume
        if resume == "auto":
            return newest
        given = None if resume is None else Path(resume)
        if resume is not None and not os.path.lexists(resume):
            advice = "give a checkpoint, such as step-00012000.pt, or --resume auto"
            raise UsageError("no such file or folder", given, advice)
        if newest is not None and (given is None or not folder.holds(given)):
            what = "holds the checkpoints of an earlier run"
            advice = "go on with --resume auto or one of them, or choose another --out"
            raise UsageError(what, folder.path, advice)
        return given

    def _learner(self, device: torch.device, *, fresh: bool) -> Learner[Any]:
        options, recipe = self.options, self.options.recipe
        init = options.init if fresh else None
        network = initial(recipe, init, convert_head=options.convert_head, supply=options.supply)
        learner = make_learner(network.to(device), recipe, device, self.place, options.vgg)
        if options.compile:
            learner.model.compile()
        return learner

    def _validate(self, device: torch.device) -> Validate | None:
        options, scale = self.options, self.options.recipe.validation_scale
        if not options.validate or not self.place.first:
            return None
        levels = LEVELS if options.recipe.degradation == "photo" else None
        roots = options.data_roots
        return prepare_validation(options.validate, roots, scale, str(device), levels)

    def _facts(self, device: torch.device, pictures: int) -> dict[str, str]:
        gpu = device.type == "cuda"
        name = torch.cuda.get_device_name(device) if gpu else processor_name()
        threads = "" if gpu else f", {counted(torch.get_num_threads(), 'thread')}"
        source = f"{counted(pictures, 'picture')} of {self.options.data.resolve().name}"
        facts = {"device": f"{name}{threads}", "data": f"{source}; LR {self._origin()}"}
        init = self.options.init
        return facts if init is None else facts | {"init": Path(init).name}

    def _origin(self) -> str:
        if self.options.data_lr is not None:
            return f"of {self.options.data_lr.resolve().name}"
        return ORIGINS[self.options.recipe.degradation]

    def _patches_of_all(
        self, folder: RunFolder, position: Position, start: Path | None
    ) -> Generator[TrainEvent, None, Source]:
        """The patches; the first process decodes, the others find the cache filled.

        It also makes the run's folder ready to go on from `position`.
        """
        if self.place.first:
            self._claim(folder, start)
            if self.lock.missing:
                yield Note(self.lock.missing)
            source = yield from self._patches()
            folder.prepare()
            if start is not None:
                yield from set_aside(folder, position.step, start)
                folder.rewind_log(position.step)
            wait_for_all(self.place)
            return source
        wait_for_all(self.place)
        return (yield from self._patches())

    def _claim(self, folder: RunFolder, start: Path | None) -> None:
        """Keep other runs out of the folder.

        Raises UsageError when one is in it, or has been since `start` was chosen.
        """
        self.lock.hold()
        if self._start(folder) != start:
            what = "another esc has trained here since this one began"
            raise UsageError(what, folder.path, "start this one again, or choose another --out")

    def _patches(self) -> Generator[TrainEvent, None, Source]:
        options, recipe = self.options, self.options.recipe
        folder = replace(options.pictures, check_stop=self.stop.check)
        hr = yield from folder.pictures()
        lr = None
        if options.data_lr is not None:
            lr = yield from folder.paired(hr, options.data_lr, recipe.scale)
        elif needs_lr(recipe):
            lr = yield from folder.smaller(hr, recipe.scale)
        return make_source(recipe, hr, lr)

    def _loader(self, source: Source, step: int, device: torch.device) -> Loader[Any]:
        size, threads = self.options.recipe.data.batch, self.options.loader_threads
        make = partial(source.batch, places=self.place.share.of(size))
        if device.type == "cuda":
            return Loader(lambda number: pinned(make(number)), step, threads, 2 * threads)
        return Loader(make, step, threads, 2 * threads)

    def _started(self, training: Training, source: Source) -> Started:
        network, position = training.learner.network, training.position
        return Started(
            pictures=len(source.rounds.usable),
            left_out=tuple(source.rounds.left_out),
            step=position.step,
            seconds=position.seconds,
            device=str(training.learner.device),
            parameters=sum(parameter.numel() for parameter in network.parameters()),
            checkpoint=training.last_saved,
        )
