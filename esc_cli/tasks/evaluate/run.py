"""`esc eval`: datasets and methods in, scores out."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from esc_cli.engine.memory import is_out_of_memory, release
from esc_cli.engine.precision import choose_device
from esc_cli.errors import DiskError, EscError, SetupError, StoppedError, UsageError, shown
from esc_cli.evaluation import protocol
from esc_cli.evaluation.datasets import Dataset, Pair, find_dataset, match_results
from esc_cli.evaluation.decimals import Measured, Metric
from esc_cli.evaluation.metrics import METRICS, SPACES, Space
from esc_cli.evaluation.published import published
from esc_cli.evaluation.results import HR, Score, Table, Visual
from esc_cli.files.atomic import write_atomic
from esc_cli.media.rgb import encode_rgb
from esc_cli.tasks.evaluate.events import (
    EvalEvent,
    EvalOptions,
    Failed,
    Scored,
    SetDone,
    SetStarted,
    Timings,
)
from esc_cli.tasks.evaluate.iqa import IqaSuite
from esc_cli.tasks.evaluate.methods import Method, Methods, finished
from esc_cli.tasks.evaluate.samples import Reading, Sample, read_sample
from esc_cli.tasks.evaluate.score_cache import Known, ScoreCache, fingerprint
from esc_cli.tasks.evaluate.visuals import make_visual
from esc_cli.tasks.stop import Stop


@dataclass
class Evaluation:
    """Runs an evaluation; `failures` counts what could not be done."""

    options: EvalOptions
    stop: Stop
    failures: int = 0
    _whole_sets: Path | None = None
    _seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def __post_init__(self) -> None:
        """Prepare what lasts over all sets; nothing is loaded yet."""
        options = self.options
        self._methods = Methods(options.engine, options.max_pixels, self.stop.check, options.supply)
        self._cache = ScoreCache(options.cache)
        self._reading = Reading(options.max_pixels, options.reference)
        self._iqa = IqaSuite(
            options.iqa, options.engine.device, offline=options.supply.link.offline
        )

    def run(self) -> Iterator[EvalEvent]:
        """All sets at all scales.

        Raises UsageError, WeightsError and DeviceError before any work, StoppedError when asked
        to stop; what goes wrong with one picture or metric is a `Failed` event.
        """
        self._cache.prepare()
        prepare_folder(self.options.save_sr)
        sets = [
            find_dataset(name, self.options.data_roots, scale)
            for name in self.options.datasets
            for scale in self.options.scales
        ]
        refuse_twice([f"{dataset.name} x{dataset.scale}" for dataset in sets], "datasets")
        prepared = [(dataset, self._methods_for(dataset)) for dataset in sets]
        for name, reason in self._iqa.load():
            yield self._failed(f"metric {name}", reason)
        for dataset, methods in prepared:
            yield from self._run_set(dataset, methods)
        yield Timings({stage: round(s, 3) for stage, s in self._seconds.items()})

    def _methods_for(self, dataset: Dataset) -> tuple[Method, ...]:
        """The columns of a set's table. Raises UsageError when two have one name."""
        options, make, scale = self.options, self._methods, dataset.scale
        methods = [make.interpolation_or_network(name, scale) for name in options.against]
        if options.results is not None:
            files = match_results(options.results, dataset, options.sr_pattern)
            methods.append(finished(options.results, files, options.max_pixels, scale))
        else:
            methods += [make.network(name, scale) for name in options.models]
        refuse_twice([HR, *(method.name for method in methods)], "methods")
        return tuple(methods)

    def _run_set(self, dataset: Dataset, methods: tuple[Method, ...]) -> Iterator[EvalEvent]:
        names = tuple(method.name for method in methods)
        yield SetStarted(dataset.name, dataset.scale, len(dataset.pairs), names)
        scores: list[Score] = []
        visuals: list[Visual] = []
        with TemporaryDirectory() as scratch:
            self._whole_sets = Path(scratch) if self._iqa.whole_set_names() else None
            for pair in dataset.pairs:
                self.stop.check()
                for event in self._run_pair(dataset, pair, methods, visuals):
                    if isinstance(event, Scored):
                        scores.append(event.score)
                    yield event
            of_set = self._score_whole_set(names)
            for name, reason in self._iqa.take_failures():
                yield self._failed(f"{dataset.name}, metric {name}", reason)
        yield SetDone(self._table(dataset, methods, scores, of_set), tuple(visuals))

    def _score_whole_set(self, methods: tuple[str, ...]) -> dict[str, dict[str, float]]:
        """FID and the like, by method, from the pictures that `_keep` has put into folders."""
        root = self._whole_sets
        if root is None:
            return {}
        start = time.perf_counter()
        folders = [(name, root / str(index)) for index, name in enumerate(methods)]
        found = {name: self._iqa.score_folders(sr, root / HR) for name, sr in folders}
        self._took("iqa", start)
        return found

    def _keep(self, sample: Sample, results: dict[str, Tensor]) -> None:
        if self._whole_sets is None or sample.hr is None:
            return
        pictures = {str(index): sr for index, sr in enumerate(results.values())} | {HR: sample.hr}
        for folder, picture in pictures.items():
            target = self._whole_sets / folder / f"{sample.pair.name}.png"
            target.parent.mkdir(exist_ok=True)
            write_atomic(target, encode_rgb(picture.permute(1, 2, 0).numpy()))

    def _run_pair(
        self, dataset: Dataset, pair: Pair, methods: tuple[Method, ...], visuals: list[Visual]
    ) -> Iterator[EvalEvent]:
        results: dict[str, Tensor] = {}
        try:
            sample = read_sample(pair, dataset.scale, self._reading, self._seconds)
            # All or none: a mean must be over the same pictures for every method.
            yield from [self._score(dataset, sample, method, results) for method in methods]
            for name, reason in self._iqa.take_failures():
                yield self._failed(f"{shown(pair.name)}, metric {name}", reason)
            self._keep(sample, results)
            if self.options.visuals:
                visuals.append(self._visual(dataset, sample, results))
        except StoppedError:
            raise
        except EscError as error:
            if isinstance(error, SetupError):
                raise
            yield self._failed(shown(pair.name), str(error))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            release(self._metric_device)
            yield self._failed(shown(pair.name), "not enough memory to enlarge and to score it")

    def _failed(self, what: str, reason: str) -> Failed:
        self.failures += 1
        return Failed(what, reason)

    def _score(
        self, dataset: Dataset, sample: Sample, method: Method, results: dict[str, Tensor]
    ) -> Scored:
        border = self._border(dataset)
        key = self._key(sample, method, border)
        known = self._cache.get(key)
        wanted = self._wanted(sample)
        options = self.options
        needs_picture = options.visuals or options.save_sr is not None or self._whole_sets
        self._iqa.recall_drawn(known.drawn)
        if not needs_picture and wanted and wanted <= known.values.keys():
            values = {name: known.values[name] for name in wanted}
            return Scored(Score(sample.pair.name, method.name, values), (), cached=True)
        start = time.perf_counter()
        sr, notes = method.enlarge(sample.pair.name, sample.lr, sample.size)
        seconds = self._took("methods", start) - start
        results[method.name] = sr
        values = self._values(sample, sr, border)
        if not notes:  # what memory or precision forced would not happen again
            self._cache.put(key, Known(known.values | values, self._iqa.drawn()))
        self._save(dataset, sample.pair, method, sr)
        return Scored(Score(sample.pair.name, method.name, values, seconds), notes, cached=False)

    def _wanted(self, sample: Sample) -> set[str]:
        classic = set() if sample.hr is None else set(protocol.columns(self._spaces))
        return classic | self._iqa.names_for(sample.hr is not None)

    @property
    def _spaces(self) -> tuple[Space, ...]:
        return SPACES if self.options.rgb else ("y",)

    def _values(self, sample: Sample, sr: Tensor, border: int) -> dict[str, float]:
        start = time.perf_counter()
        values: dict[str, float] = {}
        if sample.hr is not None:
            pair = sr.to(self._metric_device), sample.hr.to(self._metric_device)
            values |= protocol.score(*pair, border, self._spaces)
        start = self._took("metrics", start)
        values |= self._iqa.score(sr, sample.hr)
        if self.options.iqa:
            self._took("iqa", start)
        return values

    @cached_property
    def _metric_device(self) -> torch.device:
        """The network's device where that has float64: CUDA, else the CPU."""
        device = choose_device(self.options.engine.device)
        return device if device.type == "cuda" else torch.device("cpu")

    def _key(self, sample: Sample, method: Method, border: int) -> str:
        reference = b"" if sample.hr is None else sample.hr.numpy().tobytes()
        picture = sample.lr.numpy().tobytes()
        return fingerprint(picture, reference, method.identity, str(border), str(sample.size))

    def _save(self, dataset: Dataset, pair: Pair, method: Method, sr: Tensor) -> None:
        folder = self.options.save_sr
        if folder is None:
            return
        start = time.perf_counter()
        target = folder / method.name / f"{dataset.name}_x{dataset.scale}" / f"{pair.name}.png"
        prepare_folder(target.parent)
        write_atomic(target, encode_rgb(sr.permute(1, 2, 0).numpy()))
        self._took("save", start)

    def _visual(self, dataset: Dataset, sample: Sample, results: dict[str, Tensor]) -> Visual:
        start = time.perf_counter()
        visual = make_visual(dataset.name, dataset.scale, sample.pair.name, sample.hr, results)
        self._took("pictures", start)
        return visual

    def _table(
        self,
        dataset: Dataset,
        methods: tuple[Method, ...],
        scores: list[Score],
        of_set: dict[str, dict[str, float]],
    ) -> Table:
        found = [*(score.values for score in scores), *of_set.values()]
        known = {name for values in found for name in values}
        names = [name for name in (*protocol.columns(), *self.options.iqa) if name in known]
        metrics = tuple(self._metric(name) for name in names)
        printed = {
            method.name: published(method.variant, dataset.scale, dataset.name)
            for method in methods
        }
        return Table(
            dataset.name,
            dataset.scale,
            tuple(method.name for method in methods),
            metrics,
            tuple(scores),
            {name: values for name, values in printed.items() if values},
            of_set,
            self._measured(dataset) if self.options.reference else None,
        )

    def _measured(self, dataset: Dataset) -> Measured:
        labels = tuple(metric.label for metric in METRICS.values())
        channels = " and ".join(space.upper() for space in self._spaces)
        return Measured(labels, self._border(dataset), channels)

    def _border(self, dataset: Dataset) -> int:
        return protocol.border_of(dataset.scale, self.options.border)

    def _metric(self, name: str) -> Metric:
        return protocol.columns().get(name) or self._iqa.metric(name)

    def _took(self, stage: str, start: float) -> float:
        now = time.perf_counter()
        self._seconds[stage] += now - start
        return now


def prepare_folder(folder: Path | None) -> None:
    """Create a folder for results. Raises DiskError when that fails."""
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiskError(f"cannot be created: {error.strerror}", folder) from error


def refuse_twice(names: list[str], kind: str) -> None:
    """Raise UsageError when two things of a kind would share a name."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UsageError(f"two {kind} are called {twice[0]}", advice="rename one")
