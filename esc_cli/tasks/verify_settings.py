"""The settings and networks that results ought to have been made with: as asked for, or as most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from esc_cli.checkpoints.store import find_all, looks_like_path
from esc_cli.engine.options import EngineOptions
from esc_cli.errors import WeightsError
from esc_cli.media.video_suffixes import VIDEOS
from esc_cli.tasks.models import PAIRS, Models
from esc_cli.tasks.upscale.archive.job import FORMAT, joined
from esc_cli.tasks.upscale.min_side import COPIED
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.records import OutputRecord
from esc_cli.tasks.upscale.settings_key import archive_settings_key, current_form, settings_key

Kind = Literal["pictures", "videos", "archives"]


def kind_of(record: OutputRecord) -> Kind:
    """What a result is; each kind has settings of its own."""
    if record.header.format == FORMAT:
        return "archives"
    return "videos" if PurePath(record.output).suffix.lower() in VIDEOS else "pictures"


@dataclass(frozen=True)
class Wanted:
    """What records are compared with. settings: by kind. digests: of networks; None for any."""

    settings: Mapping[Kind, str]
    digests: frozenset[str | None] | None = None

    def settings_for(self, record: OutputRecord) -> str | None:
        """The settings that a result ought to have and has not; None where all is well."""
        wanted = self.settings.get(kind_of(record))
        if wanted is None or record.settings == COPIED:
            return None
        return None if current_form(record.settings) == wanted else wanted

    def is_of_network(self, record: OutputRecord) -> bool:
        """Whether a result was made by one of the networks, or by none."""
        digests, digest = self.digests, record.weights_sha256
        return digests is None or digest is None or digest in digests


ANY = Wanted({})


def as_asked(options: UpscaleOptions, *, of_model: bool) -> Wanted:
    """As a run with these options makes them, `of_model` also by its networks.

    Raises UsageError and WeightsError for a model that is not known, and one whose digest is not.
    """
    settings: dict[Kind, str] = {
        "pictures": settings_key(options, "pictures"),
        "videos": settings_key(options, "videos"),
        "archives": archive_settings_key(options),
    }
    return Wanted(settings, frozenset(_digests(options)) if of_model else None)


def _digests(options: UpscaleOptions) -> Iterator[str]:
    """Of every network that a run may use, at whatever scale."""
    models = Models(options.model, EngineOptions(), denoise=options.denoise)
    for factor in _factors(options.model):
        try:
            choice = models.choose(factor)
        except WeightsError:  # one of a pair may not have all the scales of the other
            continue
        digests = [one.digest for one in choice.networks]
        if not all(digests):
            what = f"nobody knows the sha256 of {choice.name}, which is not here"
            raise WeightsError(what, advice="esc weights pull fetches it")
        yield from (*digests, joined(digests))


def _factors(model: str | None) -> Iterable[float]:
    name = PAIRS[model][0] if model in PAIRS else model
    if name is not None and looks_like_path(name):
        return (1.0,)
    return tuple(float(scale or 1) for scale in find_all(name))


def as_most(records: Iterable[OutputRecord]) -> Wanted:
    """As most results of a kind were made; of two that are as frequent, the later."""
    found: dict[Kind, Counter[str]] = {}
    for record in sorted(records, key=lambda one: one.at_ns, reverse=True):
        if record.settings != COPIED:
            found.setdefault(kind_of(record), Counter())[current_form(record.settings)] += 1
    return Wanted({kind: counts.most_common(1)[0][0] for kind, counts in found.items()})
