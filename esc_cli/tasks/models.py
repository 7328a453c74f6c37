"""Which network serves which enlargement, and the upscalers of a batch; torch comes late."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from esc_cli.checkpoints.config_from_file import peek_config
from esc_cli.checkpoints.fetch import SILENT_SUPPLY, Supply, obtain, remember
from esc_cli.checkpoints.store import DEFAULT_SCALE, Checkpoint, find
from esc_cli.engine.options import EngineOptions
from esc_cli.errors import WeightsError

if TYPE_CHECKING:
    from esc_cli.engine.upscaler import Upscaler

AUTO, PHOTO = "auto", "photo"
ANY_SCALE = 0
"""The network scale that stands for a network of any scale, as in its configuration."""


@dataclass(frozen=True)
class Choice:
    """The network for one enlargement: its checkpoint, digest and scale.

    The digest of a release that is not here is that which it must have, "" when nobody knows it.
    `photo` is the network for photographs, where it is decided later which of the two it is to be:
    see `upscale.network_choice`, which says `why` it is the one that it is.
    """

    checkpoint: Checkpoint
    sha256: str
    scale: int
    photo: Choice | None = None
    why: str = ""

    @property
    def networks(self) -> tuple[Choice, ...]:
        """All that the decision is between."""
        return (self,) if self.photo is None else (replace(self, photo=None), self.photo)

    @property
    def name(self) -> str:
        """The name of the network, or of those that the decision is between."""
        return " or ".join(one.checkpoint.name for one in self.networks)


@dataclass
class Models:
    """The networks that a batch may need.

    `model`: a name or a path, None for the bundled default, `AUTO` for the bundled networks for
    clean pictures and for photographs, each input its own.
    """

    model: str | None
    engine: EngineOptions
    supply: Supply = SILENT_SUPPLY
    _choices: dict[Path, Choice] = field(default_factory=dict)
    _by_factor: dict[float, Choice] = field(default_factory=dict)
    _upscalers: dict[Path, Upscaler] = field(default_factory=dict)

    @cached_property
    def default_scale(self) -> int:
        """The scale when none is asked for: that of a file; for a name 4, or its largest."""
        if self.model in (None, AUTO):
            return DEFAULT_SCALE
        checkpoint = find(self.model)
        known = checkpoint.scale
        return (self._choice(checkpoint).scale if known is None else known) or DEFAULT_SCALE

    def choose(self, factor: float) -> Choice:
        """The network for a factor: the smallest scale that reaches it, or one of any scale.

        Fetches nothing. Raises WeightsError when no network reaches it.
        """
        if factor not in self._by_factor:
            auto = self.model == AUTO
            choice = self._named(None if auto else self.model, factor)
            photo = self._named(PHOTO, factor) if auto else None
            self._by_factor[factor] = replace(choice, photo=photo)
        return self._by_factor[factor]

    def _named(self, model: str | None, factor: float) -> Choice:
        choice = self._choice(find(model, factor))
        if choice.scale != ANY_SCALE and choice.scale < factor - 1e-9:
            raise WeightsError(
                f"upscales by {choice.scale}, and {factor:g} is needed", choice.checkpoint.path
            )
        return choice

    def fetch(self, choice: Choice) -> Choice:
        """The choice with its file here and its digest known.

        Raises SetupError when the file cannot be had.
        """
        known = self._choices.get(choice.checkpoint.path, choice)
        if known.sha256 and known.checkpoint.here:
            return replace(known, photo=choice.photo)
        checkpoint = obtain(choice.checkpoint, self.supply)
        fetched = replace(choice, sha256=checkpoint.sha256(), photo=None)
        self._choices[checkpoint.path] = fetched
        self._by_factor.clear()
        return fetched

    def upscaler(self, choice: Choice) -> Upscaler:
        """The upscaler of a network, loaded once. Raises WeightsError."""
        path = choice.checkpoint.path
        if path not in self._upscalers:
            from esc_cli.checkpoints.loading import load_checkpoint
            from esc_cli.engine.upscaler import Upscaler

            fetched = self.fetch(choice)
            network = load_checkpoint(fetched.checkpoint)
            remember(fetched.checkpoint)
            self._upscalers[path] = Upscaler(network, self.engine)
        return self._upscalers[path]

    def prepare(self, choice: Choice) -> None:
        """Load a network and find its device now.

        Raises WeightsError, DeviceError, and UsageError for what is no device.
        """
        upscaler = self.upscaler(choice)
        _ = upscaler.device, upscaler.precision

    @property
    def device_types(self) -> frozenset[str]:
        """The kinds of device that networks are loaded for: "cpu", "cuda", "mps"."""
        return frozenset(upscaler.device.type for upscaler in self._upscalers.values())

    def _choice(self, checkpoint: Checkpoint) -> Choice:
        if checkpoint.path not in self._choices:
            here = checkpoint.here or checkpoint.release is None
            sha256 = checkpoint.sha256() if here else checkpoint.expected_sha256()[0]
            scale = peek_config(checkpoint).scale
            self._choices[checkpoint.path] = Choice(checkpoint, sha256, scale)
        return self._choices[checkpoint.path]
