"""ESC-Real and ESC-Real-M: real-world degradations, with a second skip from the input."""

from __future__ import annotations

from torch import Tensor, nn

from esc_cli.model.body import SharedKernel, Trunk
from esc_cli.model.config import NetworkConfig
from esc_cli.model.heads import DySample, SelectableHead, real_head
from esc_cli.model.layers import conv
from esc_cli.model.network import Network
from esc_cli.model.padding import reflect_to_multiple


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
        shuffle = [nn.PixelUnshuffle(config.unshuffle)] if config.unshuffle > 1 else []
        cin = 3 * config.unshuffle**2
        proj = conv(cin, config.dim, 3)
        self.proj = nn.Sequential(*shuffle, proj) if shuffle else proj
        self.skip = nn.Sequential(*shuffle, *_input_skip(cin, config.dim))
        self.blocks = Trunk(config)
        self.last = conv(config.dim, config.dim, 3)
        self.to_img = _head(config)

    def upscale(self, x: Tensor) -> Tensor:
        """Upscale a picture whose sides are at least `smallest_side(config)`."""
        height, width, scale = x.shape[-2], x.shape[-1], self.config.scale
        x = reflect_to_multiple(x, self.config.unshuffle)
        first = self.proj(x)
        features = self.last(self.blocks(first, self.large_conv())) + first + self.skip(x)
        out: Tensor = self.to_img(features)
        return out[..., : height * scale, : width * scale]
