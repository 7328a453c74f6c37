"""`esc train`: a recipe and pictures in, events out."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from esc_cli.engine.precision import choose_device
from esc_cli.errors import UsageError
from esc_cli.tasks.environment import processor_name
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.train_data import PictureFolder
from esc_cli.tasks.validation import prepare_validation
from esc_cli.training.distributed import connected, device_wish, find_place, wait_for_all
from esc_cli.training.events import Cached, Note, Started, TrainEvent
from esc_cli.training.folder import RunFolder, read_checkpoint
from esc_cli.training.initial import initial
from esc_cli.training.learner import Learner
from esc_cli.training.loader import Loader, pinned
from esc_cli.training.loop import Intervals, Training, Validate, restore_random
from esc_cli.training.objectives import Source, make_learner, make_source, needs_lr
from esc_cli.training.recipe import Recipe, differing, from_table
from esc_cli.training.schedule import Position


@dataclass(frozen=True)
class TrainOptions:
    """Everything that `esc train` takes; see `esc train --help` for each."""

    recipe: Recipe
    data: Path
    out: Path
    data_lr: Path | None = None
    cache: Path | None = None
    skip_damaged: bool = False
    init: Path | None = None
    convert_head: bool = False
    vgg: Path | None = None
    compile: bool = False
    resume: str | None = None
    validate: tuple[str, ...] = ()
    data_roots: tuple[Path, ...] = ()
    intervals: Intervals = field(default_factory=Intervals)
    device: str = "auto"
    loader_threads: int = 1
    max_pixels: int = 500_000_000


@dataclass
class TrainTask:
    """Prepares a run and runs it."""

    options: TrainOptions
    stop: Stop

    def __post_init__(self) -> None:
        """Find this process's place among those of torchrun or srun."""
        self.place = find_place(os.environ)

    def run(self) -> Iterator[TrainEvent]:
        """Train; `Training.run` names the errors, besides UsageError and WeightsError before.

        Of several processes only the first tells.
        """
        self.options.recipe.check_batch(self.place.world)
        if self.options.data_lr is not None and not needs_lr(self.options.recipe):
            raise UsageError("this recipe makes LR anew for each patch", advice="no --data-lr")
        device = choose_device(device_wish(self.options.device, self.place))
        torch.set_flush_denormal(True)  # they slow softmax and its gradient down many times
        try:
            with connected(self.place, device):
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
        start = self._start(folder)
        learner = self._learner(device, fresh=start is None)
        validate = self._validate(device)
        source = yield from self._patches_of_all(folder)
        position = Position()
        if start is not None:
            content = read_checkpoint(start)
            position = restored(learner, content, start)
            yield from changed_settings(content, recipe)
            if self.place.first:
                folder.rewind_log(position.step)
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
        """The checkpoint to go on from. Raises UsageError when an earlier run is in the way."""
        newest, resume = folder.newest(), self.options.resume
        if resume == "auto":
            return newest
        if newest is not None:
            what = "holds the checkpoints of an earlier run"
            raise UsageError(what, folder.path, "go on with --resume auto, or choose another --out")
        return None if resume is None else Path(resume)

    def _learner(self, device: torch.device, *, fresh: bool) -> Learner[Any]:
        options, recipe = self.options, self.options.recipe
        init = options.init if fresh else None
        network = initial(
            recipe.variant, recipe.scale, recipe.seed, init, convert_head=options.convert_head
        )
        learner = make_learner(network.to(device), recipe, device, self.place, options.vgg)
        if options.compile:
            learner.model.compile()
        return learner

    def _validate(self, device: torch.device) -> Validate | None:
        options, scale = self.options, self.options.recipe.validation_scale
        if not options.validate or not self.place.first:
            return None
        return prepare_validation(options.validate, options.data_roots, scale, str(device))

    def _facts(self, device: torch.device, pictures: int) -> dict[str, str]:
        gpu = device.type == "cuda"
        name = torch.cuda.get_device_name(device) if gpu else processor_name()
        count = torch.get_num_threads()
        threads = "" if gpu else f", {count} thread{'s' if count > 1 else ''}"
        data = f"{pictures:,} pictures of {self.options.data.resolve().name}; LR {self._origin()}"
        facts = {"device": f"{name}{threads}", "data": data}
        return facts if self.options.init is None else facts | {"init": self.options.init.name}

    def _origin(self) -> str:
        if self.options.data_lr is not None:
            return f"of {self.options.data_lr.resolve().name}"
        real = self.options.recipe.degradation == "real"
        return "by second-order degradation" if real else "by MATLAB-style bicubic"

    def _patches_of_all(self, folder: RunFolder) -> Generator[TrainEvent, None, Source]:
        """The patches; the first process decodes, the others find the cache filled."""
        if self.place.first:
            folder.prepare()
            source = yield from self._patches()
            wait_for_all(self.place)
            return source
        wait_for_all(self.place)
        return (yield from self._patches())

    def _patches(self) -> Generator[TrainEvent, None, Source]:
        options, recipe = self.options, self.options.recipe
        cache = options.cache or options.out / "cache"
        folder = PictureFolder(options.data, cache, options.max_pixels, options.skip_damaged)
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


def restored(learner: Learner[Any], content: dict[str, Any], path: Path) -> Position:
    """Take over the state of a checkpoint. Raises UsageError when it belongs to another recipe."""
    try:
        learner.restore(content)
        restore_random(content["random"])
        return Position(int(content["step"]), float(content["seconds"]))
    except (KeyError, RuntimeError, ValueError, TypeError) as error:
        raise UsageError(f"does not fit this recipe: {error}", path) from error


def changed_settings(content: dict[str, Any], recipe: Recipe) -> Iterator[Note]:
    """A note when the recipe is not the one that the checkpoint was made with."""
    try:
        before = from_table(content["recipe"])
    except UsageError as error:
        yield Note(f"the checkpoint's recipe cannot be read: {error}")
        return
    names = sorted(differing(before.as_table(), recipe.as_table()))
    if names:
        yield Note(f"the recipe has changed since the checkpoint: {', '.join(names)}")
