"""Which network serves which enlargement, and the upscalers of a batch; torch comes late."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from esc_cli.checkpoints.config_from_file import peek_config
from esc_cli.checkpoints.fetch import SILENT_SUPPLY, Supply, obtain, remember
from esc_cli.checkpoints.store import DEFAULT_SCALE, Checkpoint, find
from esc_cli.engine.options import WHOLE, EngineOptions
from esc_cli.errors import UsageError, WeightsError

if TYPE_CHECKING:
    from esc_cli.engine.upscaler import Upscaler
    from esc_cli.model import Network

AUTO = "auto"
PAIRS: dict[str, tuple[str | None, str]] = {
    AUTO: (None, "photo"),
    "esc-real": ("esc-real@gan", "esc-real@mse"),
}
"""By model: the networks that --denoise blends, from 0 to 1; one is trained from the other."""
ANY_SCALE = 0
"""The network scale that stands for a network of any scale, as in its configuration."""
SIDES = {"auto": None, "whole": WHOLE}
"""Sides of tiles that have a name."""


def engine_options(
    device: str, precision: str, tile: str, overlap: int, *, self_ensemble: bool
) -> EngineOptions:
    """How to run a network; `tile` is auto, whole or a number of pixels. Raises UsageError."""
    if tile not in SIDES and not (tile.isdecimal() and int(tile) > 0):
        raise UsageError(f"--tile {tile!r} is no number of pixels", advice="or auto, or whole")
    side = SIDES[tile] if tile in SIDES else int(tile)
    return EngineOptions(device, precision, side, overlap, self_ensemble)


@dataclass(frozen=True)
class Choice:
    """The network for one enlargement: its checkpoint, digest and scale.

    The digest of a release that is not here is that which it must have, "" when nobody knows it.
    `photo` is the network for photographs, where it is decided later which of the two it is to be:
    see `upscale.network_choice`, which says `why` it is the one that it is. With a `share` it is no
    choice: the network's weights are blended with that share of those of `photo`.
    """

    checkpoint: Checkpoint
    sha256: str
    scale: int
    photo: Choice | None = None
    why: str = ""
    share: float = 0.0

    @property
    def networks(self) -> tuple[Choice, ...]:
        """All that the decision is between."""
        if self.photo is None or self.share:
            return (self,)
        return replace(self, photo=None), self.photo

    @property
    def digest(self) -> str:
        """What records know the network by: the digest of its weights, of a blend one of both."""
        if self.photo is None or not self.share:
            return self.sha256
        parts = f"{self.sha256} {self.photo.sha256} {self.share!r}"
        return hashlib.sha256(parts.encode("ascii")).hexdigest()

    @property
    def is_open(self) -> bool:
        """Whether it is still to be decided which network it is."""
        return self.photo is not None and not self.share

    @property
    def name(self) -> str:
        """The name of the network, or of those that the decision is between."""
        if self.photo is not None and self.share:
            return f"{self.checkpoint.name} + {self.share:g} {self.photo.checkpoint.name}"
        return " or ".join(one.checkpoint.name for one in self.networks)


@dataclass
class Models:
    """The networks that a batch may need.

    `model`: a name or a path, None for the bundled default, `AUTO` for the bundled networks for
    clean pictures and for photographs, each input its own. `denoise`: the share of the second of a
    pair (clean and photo; `PAIRS`) that is blended into the first, 0 to 1; None for no blend.
    """

    model: str | None
    engine: EngineOptions
    supply: Supply = SILENT_SUPPLY
    denoise: float | None = None
    _choices: dict[Path, Choice] = field(default_factory=dict)
    _by_factor: dict[float, Choice] = field(default_factory=dict)
    _upscalers: dict[tuple[Path, float], Upscaler] = field(default_factory=dict)
    _beside: dict[int, Models] = field(default_factory=dict)

    def beside(self, number: int, engine: EngineOptions) -> Models:
        """The same networks on another device, the same object for a number each time."""
        own = Models(self.model, engine, denoise=self.denoise)
        return self._beside.setdefault(number, own)

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
        choice = self._by_factor.get(factor)  # another thread may fetch, which empties it
        if choice is None:
            choice = self._by_factor[factor] = self._chosen(factor)
        return choice

    def _chosen(self, factor: float) -> Choice:
        if self.denoise is None and self.model != AUTO:
            return self._named(self.model, factor)
        first, second = self._pair()
        if self.denoise in (0, 1):
            return self._named(second if self.denoise else first, factor)
        one, other = self._named(first, factor), self._named(second, factor)
        return replace(one, photo=other, share=self.denoise or 0.0)

    def _pair(self) -> tuple[str | None, str]:
        """The networks that are chosen from or blended. Raises UsageError for a model without."""
        pair = PAIRS.get(self.model or AUTO)
        if pair is None:
            known = ", ".join(PAIRS)
            raise UsageError(f"--denoise has nothing to blend for {self.model}", advice=known)
        return pair

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
            return replace(known, photo=self._fetched_photo(choice), share=choice.share)
        checkpoint = obtain(choice.checkpoint, self.supply)
        fetched = replace(choice, sha256=checkpoint.sha256(), photo=None, share=0.0)
        self._choices[checkpoint.path] = fetched
        self._by_factor.clear()
        return replace(fetched, photo=self._fetched_photo(choice), share=choice.share)

    def _fetched_photo(self, choice: Choice) -> Choice | None:
        """The network to blend with, here too; one that is chosen from comes when it is chosen."""
        fetch = choice.photo is not None and bool(choice.share)
        return self.fetch(choice.photo) if fetch and choice.photo else choice.photo

    def upscaler(self, choice: Choice) -> Upscaler:
        """The upscaler of a network, loaded once. Raises WeightsError."""
        key = choice.checkpoint.path, choice.share
        if key not in self._upscalers:
            from esc_cli.checkpoints.loading import blended
            from esc_cli.engine.upscaler import Upscaler

            network = self._load(choice)
            if choice.photo is not None and choice.share:
                network = blended(network, self._load(choice.photo), choice.share)
            self._upscalers[key] = Upscaler(network, self.engine)
        return self._upscalers[key]

    def _load(self, choice: Choice) -> Network:
        from esc_cli.checkpoints.loading import load_checkpoint

        fetched = self.fetch(choice)
        network = load_checkpoint(fetched.checkpoint)
        remember(fetched.checkpoint)
        return network

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
