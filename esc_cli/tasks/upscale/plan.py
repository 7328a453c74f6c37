"""From inputs to jobs: names, sizes, formats, and what is finished already. No torch, no pixels."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from esc_cli.errors import (
    DiskError,
    EscError,
    ItemError,
    UsageError,
    WeightsError,
    shown,
)
from esc_cli.media.decode import check_pixels, probe
from esc_cli.media.formats import SUFFIXES, OutputPlan, plan_output
from esc_cli.media.naming import (
    Destination,
    check_pattern,
    default_pattern,
    destination,
    folder_for,
    resolve_collisions,
    result_name,
)
from esc_cli.media.paths import Found, Source, absolute, ancestors, find_sources
from esc_cli.media.picture import Header
from esc_cli.media.video.demuxers import is_video
from esc_cli.tasks.models import Models
from esc_cli.tasks.upscale.events import Item
from esc_cli.tasks.upscale.job import Job, item_of
from esc_cli.tasks.upscale.network_choice import decided_for_video
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.records import OutputRecord, RecordShelf
from esc_cli.tasks.upscale.settings_key import current_form, settings_key
from esc_cli.tasks.upscale.video.plan import (
    VideoJob,
    asked_container,
    draft,
    look_at,
)

DISK_SHARE = 0.6
"""Share of the estimate below which free space is too little; estimates err to both sides."""


@dataclass
class Plan:
    """What a batch will do: jobs in order, and the items that are settled already."""

    jobs: list[Job] = field(default_factory=list)
    settled: list[Item] = field(default_factory=list)
    found: Found = field(default_factory=Found)

    @property
    def bytes_estimate(self) -> int:
        """Disk space that the outputs will take, estimated."""
        return sum(job.bytes_estimate for job in self.jobs)


class Planner:
    """Makes the plan of a batch."""

    def __init__(self, options: UpscaleOptions, models: Models, shelf: RecordShelf) -> None:
        self.options, self.models, self.shelf = options, models, shelf
        self.settings = settings_key(options, "pictures")
        self.video_settings = settings_key(options, "videos")

    def plan(self) -> Plan:
        """Find the inputs and decide on each.

        Raises UsageError, WeightsError, DiskError, and DeviceError for an encoder that does not
        open on this machine.
        """
        options = self.options
        if options.name is not None:
            check_pattern(options.name)
        label = options.target.label(self.models.default_scale)
        chosen = destination(options.inputs, options.output)
        found = find_sources(
            options.inputs,
            options.selection,
            output_root=None if chosen is None or chosen.file else chosen.root,
            is_output=lambda path: not options.include_outputs and self.shelf.is_output(path),
        )
        problems = [Item(p, "failed", reason=error.reason) for p, error in found.problems]
        plan = Plan(settled=problems, found=found)
        drafts = [d for s in found.sources if (d := self._draft(s, chosen, label, plan))]
        drafts = [self._identified(job) for job in drafts]
        outputs = resolve_collisions((job.source, job.output) for job in drafts)
        _refuse_inputs(found.sources, [job.source for job in drafts], outputs)
        for job, output in zip(drafts, outputs, strict=True):
            self._settle(replace(job, output=output), plan)
        return plan

    def _draft(
        self, source: Source, chosen: Destination | None, label: str, plan: Plan
    ) -> Job | None:
        """The job for a source, its output not yet checked; None when it has failed already."""
        root = folder_for(source, chosen, label, len(self.options.inputs) > 1)
        try:
            return self._try_draft(source, chosen, label, root)
        except EscError as error:
            if isinstance(error, (UsageError, DiskError)):
                raise
            if isinstance(error, WeightsError) and not self._boxed:
                raise  # the same for every picture
            plan.settled.append(Item(source.path, "failed", reason=error.reason))
            return None

    def _try_draft(self, source: Source, chosen: Destination | None, label: str, root: Path) -> Job:
        options, target = self.options, self.options.target
        if is_video(source.path):
            return self._video_draft(source, chosen, label, root)
        header = self._header(source, root)
        size = target.size(header.width, header.height, self.models.default_scale)
        factor = max(size[0] / header.width, size[1] / header.height)
        choice = self.models.choose(self._exact(factor)) if factor > 1 else None
        own = chosen.file if chosen else None
        suffix = source.path.suffix if own is None else own.suffix
        wanted = None if asked_container(options) else options.format
        if wanted is None and own is not None:
            wanted = own.suffix[1:]
        form = plan_output(header, size, wanted, suffix)
        if own is not None and own.suffix.lower() not in SUFFIXES[form.format]:
            raise UsageError(
                f"is no name for a {form.format} picture", own, "change -o or --format"
            )
        output = own or self._output(source, chosen, label, (size, self._exact(factor), form, root))
        estimate = _estimate(source, header, size, form)
        return Job(source, header, size, choice, form, root, output, self.settings, estimate)

    def _identified(self, job: Job) -> Job:
        """The job with the digest of its network, which may have to be fetched for that.

        Without the digest nobody could tell whether the job is finished.
        """
        if job.choice is None or job.choice.sha256 or self.options.dry_run:
            return job
        return replace(job, choice=self.models.fetch(job.choice))

    def _video_draft(
        self, source: Source, chosen: Destination | None, label: str, root: Path
    ) -> VideoJob:
        options, own = self.options, chosen.file if chosen else None
        found = look_at(source, options, self.models)
        exact = found.factor if self._boxed else options.target.scale or found.scale
        choice = self.models.choose(exact) if found.factor > 1 else None
        choice = None if choice is None else decided_for_video(choice, found.facts)
        made = draft(found, options, source.path.suffix, own)
        named = label if source.folder else options.target.label(found.scale)
        output = own or self._output(source, chosen, named, (found.size, exact, made.format, root))
        return found.job(source, choice, made, (root, output), self.video_settings)

    def _output(
        self,
        source: Source,
        chosen: Destination | None,
        label: str,
        made: tuple[tuple[int, int], float, OutputPlan, Path],
    ) -> Path:
        """The path of a result, from its size, factor, format and the root of its tree."""
        size, factor, form, root = made
        pattern = self.options.name or default_pattern(source, chosen)
        name = result_name(pattern, _values(source, label, size, factor)) + form.suffix
        return root / source.relative.with_name(name)

    def _exact(self, factor: float) -> float:
        """A factor from rounded sizes, as the scale that was asked for."""
        return factor if self._boxed else (self.options.target.scale or self.models.default_scale)

    @property
    def _boxed(self) -> bool:
        """Whether the factor differs from picture to picture."""
        target = self.options.target
        return any((target.longest_side, target.width, target.height))

    def _header(self, source: Source, root: Path) -> Header:
        """The header, from the record when the input has not changed since."""
        record = self.shelf.at(root).by_input.get(str(absolute(source.path)))
        if record is not None and record.source.fits(source.path, self.options.checksum):
            check_pixels(record.header, self.options.max_pixels)
            return record.header
        return probe(source.path, self.options.max_pixels)

    def _settle(self, job: Job, plan: Plan) -> None:
        """Add the job to those to do, or its item to those that are settled."""
        try:
            problem = self._in_the_way(job)
        except OSError as error:  # a name too long, a folder that cannot be entered
            problem = f"{shown(job.output.name)} cannot be written: {error.strerror}"
        if problem:
            plan.settled.append(item_of(job, "failed", problem))
        elif self.options.existing == "skip" and self._finished(job):
            plan.settled.append(item_of(job, "skipped", "finished earlier"))
        elif problem := _encoder_problem(job):
            plan.settled.append(item_of(job, "failed", problem))
        else:
            plan.jobs.append(job)

    def _in_the_way(self, job: Job) -> str:
        if stat.S_ISDIR(_mode(job.output)):
            return f"a folder has the name of the output: {job.output.name}"
        if self.options.existing == "overwrite" or not _mode(job.output):
            return ""
        if self.options.existing == "error":
            return "the output exists already (--existing error)"
        record = self.shelf.at(job.root).find(job.output)
        own = str(absolute(job.source.path))
        if record is None:
            what = f"{shown(job.output.name)} exists, and esc has no record of having written it"
        elif record.input != own and os.path.lexists(record.input):
            what = f"{shown(job.output.name)} holds the result of {shown(record.input)}"
        else:
            return ""
        return f"{what} (move it away, choose another -o, or use --existing overwrite)"

    def _finished(self, job: Job) -> bool:
        record = self.shelf.at(job.root).find(job.output)
        return record is not None and self._fits(record, job)

    def _fits(self, record: OutputRecord, job: Job) -> bool:
        weights = {None} if job.choice is None else {one.digest for one in job.choice.networks}
        by_content = self.options.checksum
        return (
            record.input == str(absolute(job.source.path))
            and current_form(record.settings) == job.settings
            and record.weights_sha256 in weights
            and record.source.fits(job.source.path, by_content)
            and record.result.fits(job.output, by_content)
        )


def _encoder_problem(job: Job) -> str:
    """Why the encoder would refuse a video, found by opening it; "" if it does not."""
    if not isinstance(job, VideoJob):
        return ""
    from esc_cli.media.video.encoder import check_encoder

    try:
        check_encoder(job.encoding, threads=1)
    except ItemError as error:
        return error.reason
    return ""


def _mode(path: Path) -> int:
    """The mode of what has this name, 0 if nothing has. Raises OSError for an impossible name.

    A locked folder counts as empty here: `check_disk` finds that it cannot be written to.
    """
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return 0


def _refuse_inputs(
    sources: Iterable[Source], wanted: Iterable[Source], outputs: Iterable[Path]
) -> None:
    """Raise UsageError when an output is an input, even one that cannot be read."""
    inputs = {absolute(source.path) for source in sources}
    for source, output in zip(wanted, outputs, strict=True):
        if absolute(output) in inputs:
            what = "is an input and would be overwritten"
            if absolute(output) != absolute(source.path):
                what += f" by the result of {shown(source.path)}"
            raise UsageError(what, output, "choose another -o, or a --name that differs")


def _values(source: Source, label: str, size: tuple[int, int], factor: float) -> dict[str, str]:
    numbers = {"scale": f"{factor:.4g}", "width": str(size[0]), "height": str(size[1])}
    return {"stem": source.path.stem, "label": label, **numbers}


def _estimate(source: Source, header: Header, size: tuple[int, int], form: OutputPlan) -> int:
    """Bytes of the output: as many per pixel as in the input for a format that compresses."""
    pixels = size[0] * size[1] * header.frames
    raw = pixels * header.channels * header.bits // 8
    if form.format in ("TIFF", "BMP"):
        return raw
    own = source.path.stat().st_size / (header.width * header.height * header.frames)
    if header.format == form.format:
        return min(raw, int(own * pixels))
    return min(raw, int(pixels * {"PNG": 2.0, "WEBP": 0.5, "AVIF": 0.5}.get(form.format, 1.0)))


def check_disk(plan: Plan) -> None:
    """Raise DiskError when an output folder cannot be written or has too little space."""
    needs: dict[Path, int] = {}
    for job in plan.jobs:
        home = next(folder for folder in ancestors(job.output) if os.path.exists(folder))  # noqa: PTH110
        needs[home] = needs.get(home, 0) + job.disk_bytes
    by_device: dict[int, tuple[Path, int]] = {}
    for home, need in needs.items():
        if not home.is_dir() or not os.access(home, os.W_OK | os.X_OK):
            raise DiskError("cannot be written to", home, "choose another -o")
        device = home.stat().st_dev
        by_device[device] = (home, by_device.get(device, (home, 0))[1] + need)
    for home, need in by_device.values():
        free = shutil.disk_usage(home).free
        if free < need * DISK_SHARE:
            what = f"about {need / 1e6:,.0f} MB are needed and {free / 1e6:,.0f} MB are free"
            raise DiskError(what, home, "free some space, or choose another -o")


def make_folders(plan: Plan) -> None:
    """Create the folders of the outputs. Raises DiskError where that fails."""
    folder = Path()
    try:
        for folder in dict.fromkeys(job.output.parent for job in plan.jobs):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"cannot be created: {error.strerror}"
        raise DiskError(what, folder, "choose another -o") from error
