"""Options, jobs and events on their way between where esc was started and its workers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from esc_cli.checkpoints.fetch import Supply
from esc_cli.checkpoints.store import looks_like_path
from esc_cli.files.http import Link
from esc_cli.tasks.models import Choice
from esc_cli.tasks.upscale.cluster.shared_folders import unmoved
from esc_cli.tasks.upscale.events import Item, ItemEvent
from esc_cli.tasks.upscale.job import Job
from esc_cli.tasks.upscale.options import UpscaleOptions


def portable(options: UpscaleOptions) -> UpscaleOptions:
    """Whether connections are allowed is what goes along; who watches them stays here."""
    model = options.model
    if model is not None and looks_like_path(model):
        model = str(unmoved(Path(model)))
    return replace(
        options, model=model, supply=Supply(Link(offline=options.supply.link.is_offline))
    )


def network_from_anywhere(choice: Choice) -> Choice:
    """The network with a path that means the same where the working folder is another."""
    photo = choice.photo and network_from_anywhere(choice.photo)
    checkpoint = replace(choice.checkpoint, path=unmoved(choice.checkpoint.path))
    return replace(choice, checkpoint=checkpoint, photo=photo)


def from_anywhere(job: Job) -> Job:
    """The same of a job."""
    folder = job.source.folder
    source = replace(
        job.source,
        path=unmoved(job.source.path),
        folder=None if folder is None else unmoved(folder),
    )
    return replace(
        job,
        source=source,
        choice=job.choice and network_from_anywhere(job.choice),
        root=unmoved(job.root),
        output=unmoved(job.output),
    )


def as_here(event: ItemEvent, job: Job) -> ItemEvent:
    """The event with the paths that the user gave."""
    if isinstance(event, Item):
        return replace(event, input=job.source.path, output=job.output)
    return replace(event, input=job.source.path)
