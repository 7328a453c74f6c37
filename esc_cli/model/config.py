"""The networks as values: what distinguishes one variant from another.

Numbers are those of the paper "Emulating Self-attention with Convolution for Efficient Image
Super-Resolution" (Lee, Yun, Ro, ICCV 2025, arXiv 2503.06671) and of its published checkpoints; of
ESC-RIB those of the configurations published beside its checkpoints (MIT licence,
https://github.com/dslisleedh/SST).
This module imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from esc_cli.errors import UsageError
from esc_cli.model.families import FAMILIES, RIB_WINDOW, Head

FLASHBIAS_RANK = 48
"""Rank of the published FlashBias checkpoints."""


@dataclass(frozen=True)
class AttentionKernel:
    """A way to compute attention with a table of relative positions; all give the same result.

    compiled_on: the type of device on which it is compiled at its first use; elsewhere it runs
    uncompiled, and slowly. None: nothing is compiled. for_training: chosen by training alone.
    """

    name: str
    compiled_on: str | None = None
    for_training: bool = False


SDPA = AttentionKernel("sdpa")
FLEX = AttentionKernel("flex", compiled_on="cuda")
MATH = AttentionKernel("math", for_training=True)
ATTENTION_KERNELS = {kernel.name: kernel for kernel in (SDPA, FLEX, MATH)}
"""Every kernel by name; `attention.KERNELS` holds what computes it."""

FLASHBIAS = "flashbias"
"""The name of attention with FlashBias factors, which has one kernel of its own."""
RIB = "rib"
"""The name of attention with RIB factors, which has as well."""


@dataclass(frozen=True)
class Rib:
    """How attention with RIB makes its factors: their rank, the width of the hidden layer, and how
    many frequencies of a token's place it sees."""

    rank: int = 16
    hidden: int = 32
    frequencies: int = 10


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that a network is built from; `family` is the name of one of `FAMILIES`.

    `hidden` is the width of the ConvFFNs between the convolutions, `proj_hidden` that of the one
    at the start of a block. `scale` is the upscaling factor, and 0 for ESC-LTE, which takes any.
    `flashbias_rank` and `rib` are None for a table of relative positions. `head`, `mid_dim` and
    `unshuffle` (the factor of the pixel-unshuffle at the input, 1 for none) matter to the ESC-Real
    families, `lte_hidden` and `mlp_hidden` to ESC-LTE.
    """

    family: str
    dim: int
    pdim: int
    kernel: int
    n_blocks: int
    conv_blocks: int
    window: int
    heads: int
    hidden: int
    proj_hidden: int
    use_ln: bool
    scale: int
    flashbias_rank: int | None = None
    head: Head = "nearest+conv"
    mid_dim: int = 64
    unshuffle: int = 1
    lte_hidden: int = 256
    mlp_hidden: tuple[int, ...] = (256, 256, 256)
    rib: Rib | None = None

    @property
    def any_scale(self) -> bool:
        """Whether the network takes a real-valued scale."""
        return FAMILIES[self.family].scales == (0,)

    @property
    def grid(self) -> int:
        """Input pixels between two borders of attention windows: where tiles may start."""
        return self.window * self.unshuffle


_ESC = NetworkConfig(
    family="esc",
    dim=64,
    pdim=16,
    kernel=13,
    n_blocks=5,
    conv_blocks=5,
    window=32,
    heads=4,
    hidden=80,
    proj_hidden=128,
    use_ln=False,
    scale=4,
)

VARIANTS: dict[str, NetworkConfig] = {
    "esc": _ESC,
    "esc-light": replace(_ESC, n_blocks=3),
    "esc-xl": replace(
        _ESC,
        dim=192,
        pdim=48,
        n_blocks=8,
        window=48,
        heads=12,
        hidden=240,
        proj_hidden=384,
        use_ln=True,
    ),
    "esc-fp": replace(
        _ESC, family="esc-fp", dim=48, heads=3, hidden=60, proj_hidden=72, use_ln=True
    ),
    "esc-rib": replace(_ESC, family="esc-rib", window=RIB_WINDOW, proj_hidden=256, rib=Rib()),
    "esc-real": replace(_ESC, family="esc-real", n_blocks=10, hidden=128, use_ln=True),
    "esc-real-m": replace(_ESC, family="esc-real-m", n_blocks=10, use_ln=True),
    "esc-lte": replace(_ESC, family="esc-lte", scale=0),
    "esc-tiny": replace(
        _ESC,
        dim=32,
        pdim=8,
        n_blocks=2,
        conv_blocks=4,
        window=16,
        heads=2,
        hidden=40,
        proj_hidden=64,
        use_ln=True,
    ),
}
"""Variants by name, at scale 4 (ESC-LTE at any)."""


def variant_config(variant: str, scale: int | None = None) -> NetworkConfig:
    """The configuration of a named variant at a scale.

    Raises UsageError, naming the choices, for a name that is not known or a scale that the
    family does not have. ESC-LTE takes no scale: None or 0.
    """
    if variant not in VARIANTS:
        raise UsageError(f"no variant named {variant!r}", advice="known: " + ", ".join(VARIANTS))
    base = VARIANTS[variant]
    wanted = base.scale if scale is None else scale
    scales = FAMILIES[base.family].scales
    if wanted not in scales:
        choices = ", ".join(map(str, scales))
        raise UsageError(f"{variant} cannot be built for scale {wanted}", advice=f"has {choices}")
    return replace(base, scale=wanted)


def variant_name(config: NetworkConfig) -> str:
    """The name of the variant that `config` is, whatever its scale, head and attention.

    A network that is none of the named ones is called by its family and width, "esc dim 48".
    """
    for name, known in VARIANTS.items():
        if _body(known) == _body(config):
            return name
    return f"{config.family} dim {config.dim}"


def _body(config: NetworkConfig) -> NetworkConfig:
    return replace(
        config,
        scale=0,
        flashbias_rank=None,
        head="nearest+conv",
        mid_dim=64,
        unshuffle=1,
    )
