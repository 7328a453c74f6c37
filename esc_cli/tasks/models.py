"""Which network serves which enlargement, and the upscalers of a batch; torch comes late."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from esc_cli.checkpoints.peek import peek_config
from esc_cli.checkpoints.store import DEFAULT_SCALE, Checkpoint, find, looks_like_path
from esc_cli.engine.options import EngineOptions
from esc_cli.errors import WeightsError

if TYPE_CHECKING:
    from esc_cli.engine.upscaler import Upscaler

ANY_SCALE = 0
"""The network scale that stands for a network of any scale, as in its configuration."""


@dataclass(frozen=True)
class Choice:
    """The network for one enlargement: its checkpoint, digest and scale."""

    checkpoint: Checkpoint
    sha256: str
    scale: int


@dataclass
class Models:
    """The networks that a batch may need."""

    model: str | None
    engine: EngineOptions
    _choices: dict[str, Choice] = field(default_factory=dict)
    _upscalers: dict[str, Upscaler] = field(default_factory=dict)

    @cached_property
    def default_scale(self) -> int:
        """The scale when none is asked for: that of a file, or 4."""
        if self.model is None or not looks_like_path(self.model):
            return DEFAULT_SCALE
        return self._choice(find(self.model)).scale or DEFAULT_SCALE

    def choose(self, factor: float) -> Choice:
        """The network for a factor: the smallest scale that reaches it, or one of any scale.

        Raises WeightsError when no network reaches it.
        """
        choice = self._choice(find(self.model, factor))
        if choice.scale != ANY_SCALE and choice.scale < factor - 1e-9:
            raise WeightsError(
                f"upscales by {choice.scale}, and {factor:g} is needed", choice.checkpoint.path
            )
        return choice

    def upscaler(self, choice: Choice) -> Upscaler:
        """The upscaler of a network, loaded once. Raises WeightsError and DeviceError."""
        if choice.sha256 not in self._upscalers:
            from esc_cli.checkpoints.loading import load_checkpoint
            from esc_cli.engine.upscaler import Upscaler

            network = load_checkpoint(choice.checkpoint)
            self._upscalers[choice.sha256] = Upscaler(network, self.engine)
        return self._upscalers[choice.sha256]

    def prepare(self, choice: Choice) -> None:
        """Load a network and find its device now. Raises WeightsError and DeviceError."""
        upscaler = self.upscaler(choice)
        _ = upscaler.device, upscaler.precision

    def _choice(self, checkpoint: Checkpoint) -> Choice:
        key = str(checkpoint.path)
        if key not in self._choices:
            scale = peek_config(checkpoint).scale
            self._choices[key] = Choice(checkpoint, checkpoint.sha256(), scale)
        return self._choices[key]
