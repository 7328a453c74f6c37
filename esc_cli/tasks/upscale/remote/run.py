"""`esc upscale` where an input or -o is an address: options in, events out."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from esc_cli.errors import DeadlineError, SetupError, StoppedError, UsageError
from esc_cli.media.naming import check_pattern
from esc_cli.media.paths import Found
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Event, Item, ItemEvent, Planned, Remark, Summary
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.remote.entries import Entry, Inputs, Lister, shared_out
from esc_cli.tasks.upscale.remote.finished import Finished
from esc_cli.tasks.upscale.remote.places import Place, place_of
from esc_cli.tasks.upscale.remote.round import Round
from esc_cli.tasks.upscale.remote.staging import Folder, Staged, Stager, staging_folder, waiting
from esc_cli.tasks.upscale.run import Session, batch


def check_addresses(options: UpscaleOptions) -> None:
    """Raise UsageError for options that do not go with addresses."""
    refused = {
        "--in-place": options.in_place,
        "--shard-videos": options.shard_videos,
        "--cluster": options.cluster is not None,
        "--include-outputs": options.include_outputs,
        "--offline": options.supply.link.offline,
    }
    given = next((name for name, is_given in refused.items() if is_given), "")
    if given:
        raise UsageError(f"addresses (s3://, https:// ...) and {given} exclude each other")
    if not options.output:
        what = "an input is an address, and -o does not say where results go"
        raise UsageError(what, advice="give a folder, or an address, to -o")
    if options.name is not None:
        check_pattern(options.name)
        if "{stem}" not in options.name:
            what = f"--name {options.name!r}: with addresses a name has {{stem}} in it"
            raise UsageError(what, advice="e.g. '{stem}_x{scale}'")


def upscale_remote(options: UpscaleOptions, stop: Stop) -> Iterator[Event]:
    """As `upscale`: `Planned`, then an `Item` per input, then a `Summary`; also what it raises."""
    check_addresses(options)
    start, pause = time.perf_counter(), waiting(stop)
    writer = "" if options.shard is None else options.shard.name
    place, one_file = place_of(options.output or "", pause, writer)
    with staging_folder(options.staging, f"{place.text}\n{writer}") as folder:
        inputs = Lister(options, folder.inputs, pause, place.text).inputs()
        _check_output(options, inputs, one_file)
        place.open()
        run = _Run(_staged(options, inputs, folder, one_file), stop, place, folder, inputs)
        run.others = shared_out(inputs, options)
        yield from run.events()
        place.write()  # what --fail-fast has left unwritten
        yield run.summary(time.perf_counter() - start)


def _check_output(options: UpscaleOptions, inputs: Inputs, one_file: str) -> None:
    single = len(options.inputs) == 1 and all(one.source.folder is None for one in inputs.entries)
    if one_file and not single:
        what = f"-o names one file, {one_file}, and there are several inputs, or a folder"
        raise UsageError(what, advice="give a folder to -o")


def _staged(
    options: UpscaleOptions, inputs: Inputs, folder: Folder, one_file: str
) -> UpscaleOptions:
    """The options of the staged batch: paths below the staging folder in place of addresses."""
    count = len(options.inputs)
    names = [str(folder.inputs / str(number)) for number in range(count)]
    if one_file and inputs.entries:
        names = [str(inputs.entries[0].source.path)]
    output = str(folder.results / one_file) if one_file else f"{folder.results}/"
    return replace(options, inputs=tuple(names), output=output, shard=None, include_outputs=True)


@dataclass
class _Run:
    """A batch with addresses: rounds of what is staged, until nothing is left."""

    options: UpscaleOptions
    stop: Stop
    place: Place
    folder: Folder
    inputs: Inputs
    others: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    to_do: int = 0
    megapixels: float = 0.0
    bytes_estimate: int = 0
    code: int = 0
    stopped: str = ""

    def __post_init__(self) -> None:
        self.session = Session.of(self.options)
        self.texts = frozenset(entry.text for entry in self.inputs.entries)

    @property
    def total(self) -> int:
        """Everything that is to become an item."""
        return len(self.inputs.entries) + len(self.inputs.problems)

    def events(self) -> Iterator[Event]:
        """`Planned` and the items."""
        settled = [Item(at, "failed", reason=error.reason) for at, error in self.inputs.problems]
        finished = Finished(self.options, self.session.models, self.place, self.folder.results)
        families: deque[list[Entry]] = deque()
        for family in self.inputs.families:
            items = [finished.item(entry, alone=len(family) == 1) for entry in family]
            if None in items:
                families.append(family)
            else:
                settled += filter(None, items)
        self.to_do = sum(map(len, families))
        if families and not self.options.dry_run:
            self.place.prepare()
        rounds = self._rounds(families)
        if self.options.dry_run:  # what is told first is known when all headers were seen
            self.to_do = 0
            rounds = iter(list(rounds))
        yield self._planned()
        if self.folder.lock.missing:
            yield Remark(self.folder.path, self.folder.lock.missing)
        for item in settled:
            yield self._counted(item)
            if self._is_over():
                return
        yield from rounds

    def _rounds(self, families: deque[list[Entry]]) -> Iterator[Event]:
        """Each takes what is here by then, so that a device never waits for more."""
        limit = self.options.staging_limit
        largest = [one for one in self.inputs.entries if (one.state.size or 0) > limit]
        window = (limit - self.folder.result_bytes) // 2
        stager = Stager(families, max(0, window), limit, self.stop)
        deferred: list[Staged] = []
        names: dict[Path, Path] = {}
        too_large = {one.text for one in largest if one.stored is not None}
        for family in families:
            family[:] = [one for one in family if one.text not in too_large]
        for entry in largest:
            if entry.text in too_large:
                yield self._counted(_too_large(entry, limit))
        with stager.running():
            while not self._is_over() and (taken := deferred or stager.take()):
                room = limit - max(window, stager.held_bytes) - self.folder.result_bytes
                by_path = {one.entry.source.path: one.entry for one in taken}
                own = Round(
                    self.options,
                    by_path,
                    self.texts,
                    self.place,
                    stager,
                    self.folder.results,
                    room,
                    names,
                )
                yield from self._round(own, taken)
                deferred = [Staged(entry) for entry in own.deferred]

    def _round(self, own: Round, taken: list[Staged]) -> Iterator[Event]:
        found = Found()
        for one in taken:
            if isinstance(one.error, SetupError):
                raise one.error
            if isinstance(one.error, StoppedError):
                continue
            if one.error is None:
                found.sources.append(one.entry.source)
            else:
                yield self._counted(Item(one.entry.shown, "failed", reason=one.error.reason))
                own.stager.release(one.entry)
        if not found.sources:
            return
        for event in batch(self.options, replace(self.session, detour=own), self.stop, found):
            if isinstance(event, Planned):
                self.megapixels += event.megapixels
                self.bytes_estimate += event.bytes_estimate
                self.to_do += event.to_do if self.options.dry_run else 0
            elif isinstance(event, Summary):
                self._round_ended(event, own)
            else:
                yield self._counted(event)

    def _round_ended(self, summary: Summary, own: Round) -> None:
        if summary.stopped:
            text = summary.stopped
            for path, entry in own.entries.items():
                text = text.replace(str(path), entry.text)
            self.code, self.stopped = summary.exit_code, text

    def _counted(self, event: ItemEvent) -> ItemEvent:
        if isinstance(event, Item):
            self.counts[event.status] += 1
        return event

    def _is_over(self) -> bool:
        """Whether no more is to be done."""
        if self.stop.signal_number is not None:
            self.code, self.stopped = 128 + self.stop.signal_number, "stopped by a signal"
        elif self.stop.is_due and not self.stopped:
            self.code, self.stopped = DeadlineError.exit_code, "the time is up"
        return bool(self.stopped) or (self.options.fail_fast and self.counts["failed"] > 0)

    def _planned(self) -> Planned:
        return Planned(
            total=self.total,
            to_do=self.to_do,
            megapixels=self.megapixels,
            bytes_estimate=self.bytes_estimate,
            no_pictures=self.inputs.no_pictures,
            earlier_outputs=(),
            empty_folders=tuple(self.inputs.empty_folders),
            of_other_shares=self.others,
        )

    def summary(self, seconds: float) -> Summary:
        """The end of the batch."""
        left = self.total - sum(self.counts.values())
        if left:
            self._is_over()
        return Summary(
            done=self.counts["done"],
            skipped=self.counts["skipped"],
            failed=self.counts["failed"],
            left=left,
            seconds=seconds,
            exit_code=self.code or (1 if self.counts["failed"] else 0),
            stopped=self.stopped,
        )


def _too_large(entry: Entry, limit: int) -> Item:
    what = f"its {(entry.state.size or 0) / 1e6:,.0f} MB are more than the staging folder may hold"
    return Item(entry.shown, "failed", reason=f"{what} (--staging-limit is {limit / 1e6:,.0f} MB)")
