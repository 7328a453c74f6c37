"""From a configuration, or a variant's name, to a network with fresh parameters."""

from __future__ import annotations

from dataclasses import replace

from esc_cli.errors import UsageError
from esc_cli.model.config import FLASHBIAS_RANK, NetworkConfig, variant_config
from esc_cli.model.families import FAMILIES, Family, Head
from esc_cli.model.network import Network


def from_config(config: NetworkConfig) -> Network:
    """A network with fresh parameters, in training mode, float32, on the CPU."""
    return FAMILIES[config.family].build(config)


def build(
    variant: str,
    scale: int | None = None,
    *,
    flashbias: bool = False,
    head: Head | None = None,
    unshuffle: bool = False,
) -> Network:
    """A network with fresh parameters by the variant's name, e.g. ``build("esc-fp", 3)``.

    Names are those of `config.VARIANTS`. Without a scale it is 4 (esc-lte takes none). `flashbias`
    replaces the tables of relative positions by factors of rank 48. `head` chooses the head of
    esc-real ("nearest+conv", "dysample") and of esc-real-m (also "pixelshuffledirect" and
    "pixelshuffle"). `unshuffle` lets esc-real-m x2 work on a pixel-unshuffled input with its head
    at x4. Raises UsageError for what does not exist.
    """
    config = variant_config(variant, scale)
    if head is not None:
        _check_head(FAMILIES[config.family], head)
        config = replace(config, head=head)
    if unshuffle:
        config = replace(config, unshuffle=_unshuffle_factor(config))
    if flashbias and config.rib is not None:
        raise UsageError(f"{variant} has no table of positions that FlashBias could replace")
    if flashbias:
        config = replace(config, flashbias_rank=FLASHBIAS_RANK)
    return from_config(config)


def _check_head(family: Family, head: Head) -> None:
    if head not in family.heads:
        known = ", ".join(family.heads) or "none to choose"
        raise UsageError(f"{family.name} has no head {head!r}", advice=f"heads: {known}")


def _unshuffle_factor(config: NetworkConfig) -> int:
    if config.scale not in FAMILIES[config.family].unshuffled_scales:
        able = (f"{name} at scale {s}" for name, f in FAMILIES.items() for s in f.unshuffled_scales)
        raise UsageError(f"only {', '.join(able)} can unshuffle its input")
    return 4 // config.scale
