"""ESC-Real and ESC-Real-M: real-world degradations, with a second skip from the input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from torch import Tensor, nn

from esc_cli.model.body import SharedKernel, Trunk, first_map
from esc_cli.model.config import NetworkConfig
from esc_cli.model.heads import HEAD_MARGIN, DySample, SelectableHead, real_head
from esc_cli.model.layers import conv
from esc_cli.model.network import Network
from esc_cli.model.patches import Patch, Patchwork

FEATURE_MARGIN: Final = 3
"""How much of the margin of a patch the features spoil: half of the skip's 7x7 convolution."""


def _input_skip(cin: int, dim: int) -> list[nn.Module]:
    wide = 2 * dim
    depthwise = nn.Conv2d(wide, wide, 7, padding=3, padding_mode="reflect", groups=wide)
    return [conv(cin, wide, 1), depthwise, nn.LeakyReLU(0.2), conv(wide, dim, 1)]


def _head(config: NetworkConfig) -> nn.Module:
    if config.family == "esc-real-m":
        return SelectableHead(config)
    return (
        DySample(config.dim, config.scale) if config.head == "dysample" else real_head(config.dim)
    )


class ESCReal(SharedKernel, Network):
    """ESC-Real (x4, `head` "nearest+conv" or "dysample") and ESC-Real-M (any head, x2, x3, x4).

    With `unshuffle` r > 1 the input is padded to a multiple of r and unshuffled by r first, and
    the head runs at scale * r.
    """

    def __init__(self, config: NetworkConfig):
        super().__init__(config)
        self.config = config
        cin = 3 * config.unshuffle**2
        # The unshuffling itself is done by `Network.parts`; published keys count it as layer 0.
        shift = [nn.Identity()] if config.unshuffle > 1 else []
        proj = conv(cin, config.dim, 3)
        self.proj = nn.Sequential(*shift, proj) if shift else proj
        self.skip = nn.Sequential(*shift, *_input_skip(cin, config.dim))
        self.blocks = Trunk(config)
        self.last = conv(config.dim, config.dim, 3)
        self.to_img = _head(config)

    def upscale(self, picture: Tensor, work: Patchwork) -> Iterator[tuple[Patch, Tensor]]:
        """The patches of an (unshuffled) picture and what becomes of them."""
        trunk = self.blocks(first_map(self.proj, picture, work), self.large_conv(), work)
        if self.config.head == "dysample":
            yield from self._resampled(trunk, picture, work)
            return
        margin, factor = FEATURE_MARGIN + HEAD_MARGIN, self.config.scale * self.config.unshuffle
        for patch in work.patches:
            near, pixels = work.windows(patch, (trunk, margin), (picture, margin))
            yield patch, patch.core(self.to_img(self._features(near, pixels)), margin, factor)

    def _features(self, trunk: Tensor, picture: Tensor) -> Tensor:
        out: Tensor = self.last(trunk) + self.proj(picture) + self.skip(picture)
        return out

    def _resampled(
        self, trunk: Tensor, picture: Tensor, work: Patchwork
    ) -> Iterator[tuple[Patch, Tensor]]:
        """DySample may move a pixel any distance: it looks its values up in the whole map."""

        def features(patch: Patch, near: Tensor, pixels: Tensor) -> Tensor:
            return patch.core(self._features(near, pixels), FEATURE_MARGIN)

        margin = FEATURE_MARGIN
        values = work.run(features, (trunk, margin), (picture, margin), into="y")
        layers = (
            [self.to_img] if isinstance(self.to_img, DySample) else list(self.to_img.children())
        )
        *narrow, head = layers
        if narrow:
            narrowing = nn.Sequential(*narrow)
            values = work.run(
                lambda patch, near: patch.core(narrowing(near), 1), (values, 1), into="narrow"
            )
        wide = values.float()
        for patch in work.patches:
            yield patch, head(values, patch, wide)
