"""What is particular to each family of networks: one record each. Imports no torch.

A new family is a record in `FAMILIES` and the file of its network; a variant of it that has a name
is an entry of `config.VARIANTS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from esc_cli.model.config import NetworkConfig
    from esc_cli.model.network import Network

Head = Literal["conv", "pixelshuffledirect", "pixelshuffle", "nearest+conv", "dysample"]

HEADS: tuple[Head, ...] = ("conv", "pixelshuffledirect", "pixelshuffle", "nearest+conv", "dysample")
"""Heads of ESC-Real-M; the position is the index stored in its `MetaUpsample` buffer."""

REAL_HEAD_COPIES = 3
"""Maps of the head of an ESC-Real network alive at once, at the size of the result."""

LTE_CHUNK_BYTES = 1 << 30
"""Working memory of one chunk of query points of ESC-LTE, whatever the picture."""

RIB_WINDOW = 64
"""Side of the windows of ESC-RIB, which nothing in its state dict tells."""

RIB_FIXED_BYTES = 1 << 26
"""Factors of ESC-RIB, and what a fused kernel takes: nothing grows with the tokens' pairs."""

Shape = tuple[int, ...]


class Facts(NamedTuple):
    """What a state dict says without its values: shapes by key, and ESC-Real-M's own record."""

    shapes: Mapping[str, Shape]
    meta_upsample: tuple[int, ...] | None = None


class HeadFacts(NamedTuple):
    """What a head says of a network, in the fields of `NetworkConfig`."""

    scale: int = 0
    head: Head = "nearest+conv"
    mid_dim: int = 64
    unshuffle: int = 1
    lte_hidden: int = 256
    mlp_hidden: tuple[int, ...] = (256, 256, 256)


@dataclass(frozen=True)
class Family:
    """One family of networks.

    build: a network with fresh parameters, in training mode; imports torch. recognise: whether a
    state dict is of this family, and of no other. read_head: its head; raises KeyError,
    IndexError, ValueError or ArithmeticError when there is none. scales: that it can be built for,
    (0,) for any. heads: that `build` can be asked for, beside its own. unshuffled_scales: at which
    the input can be unshuffled. body: prefix of the keys of everything but the head. last: the
    weight of its last convolution. factored: the large kernel is a product of two. convertible: the
    head can be converted to another scale.
    head_bytes: what the head adds to the peak of a patch, in bytes per input pixel, from the
    configuration and the bytes of a number. fixed_bytes: working memory beside that, whatever the
    picture; None for the expanded table of a block. not_exportable: why; empty if it is.
    """

    name: str
    build: Callable[[NetworkConfig], Network]
    recognise: Callable[[Facts], bool]
    read_head: Callable[[Facts], HeadFacts]
    scales: tuple[int, ...]
    heads: tuple[Head, ...] = ()
    unshuffled_scales: tuple[int, ...] = ()
    body: str = ""
    last: str = "last.weight"
    factored: bool = False
    convertible: bool = False
    head_bytes: Callable[[NetworkConfig, int], float] = lambda _config, _itemsize: 0.0
    fixed_bytes: int | None = None
    not_exportable: str = ""


def root(square: int) -> int:
    """The whole root. Raises ValueError when there is none."""
    whole = math.isqrt(square)
    if whole * whole != square:
        raise ValueError(f"{square} is no square number")
    return whole


def recognised(facts: Facts) -> Family:
    """The family of a state dict; ESC for one that is of none, and then lacks ESC's keys."""
    return next(one for one in FAMILIES.values() if one.recognise(facts))


def _build_esc(config: NetworkConfig) -> Network:
    from esc_cli.model.esc import ESC

    return ESC(config)


def _build_esc_fp(config: NetworkConfig) -> Network:
    from esc_cli.model.esc_fp import ESCFP

    return ESCFP(config)


def _build_esc_real(config: NetworkConfig) -> Network:
    from esc_cli.model.esc_real import ESCReal

    return ESCReal(config)


def _build_esc_rib(config: NetworkConfig) -> Network:
    from esc_cli.model.esc_rib import ESCRIB

    return ESCRIB(config)


def _build_esc_lte(config: NetworkConfig) -> Network:
    from esc_cli.model.lte import ESCLTE

    return ESCLTE(config)


def _has_input_skip(facts: Facts) -> bool:
    return any(key.startswith("skip.") for key in facts.shapes)


def _is_esc(facts: Facts) -> bool:
    """What no other family recognises, so that an error says which of ESC's keys are missing."""
    return not any(one.recognise(facts) for one in FAMILIES.values() if one.name != "esc")


def _is_esc_fp(facts: Facts) -> bool:
    return "lk_channel" in facts.shapes


def _is_esc_real(facts: Facts) -> bool:
    return _has_input_skip(facts) and facts.meta_upsample is None


def _is_esc_real_m(facts: Facts) -> bool:
    return _has_input_skip(facts) and facts.meta_upsample is not None


def _is_esc_rib(facts: Facts) -> bool:
    return "blocks.0.attn.to_hidden" in facts.shapes


def _is_esc_lte(facts: Facts) -> bool:
    return any(key.startswith("imnet.") for key in facts.shapes)


def _classic_head(facts: Facts) -> HeadFacts:
    return HeadFacts(scale=root(facts.shapes["to_img.weight"][0] // 3))


def _rib_head(facts: Facts) -> HeadFacts:
    return HeadFacts(scale=root(facts.shapes["upsampler.up_conv.weight"][0] // 3))


def _real_head(facts: Facts) -> HeadFacts:
    dysample = "to_img.offset.weight" in facts.shapes
    return HeadFacts(scale=4, head="dysample" if dysample else "nearest+conv")


def _selectable_head(facts: Facts) -> HeadFacts:
    _, index, head_scale, _, _, mid_dim, _ = facts.meta_upsample or ()
    unshuffle = 1
    if "proj.1.weight" in facts.shapes:  # a pixel-unshuffle stands before the convolution
        unshuffle = root(facts.shapes["proj.1.weight"][1] // 3)
    return HeadFacts(head_scale // unshuffle, HEADS[index], mid_dim, unshuffle)


def _lte_head(facts: Facts) -> HeadFacts:
    shapes = facts.shapes
    weights = [k.split(".") for k in shapes if k.startswith("imnet.") and k.endswith(".weight")]
    layers = sorted(int(parts[2]) for parts in weights)
    hidden = tuple(shapes[f"imnet.layers.{i}.weight"][0] for i in layers[:-1])
    return HeadFacts(lte_hidden=shapes["coef.weight"][0], mlp_hidden=hidden)


def _real_head_bytes(config: NetworkConfig, itemsize: int) -> float:
    return REAL_HEAD_COPIES * config.dim * config.scale**2 * itemsize


def _lte_head_bytes(config: NetworkConfig, _itemsize: int) -> float:
    return 2 * 2 * config.lte_hidden * 4  # coef and freq, also in float32


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("esc", _build_esc, _is_esc, _classic_head, scales=(2, 3, 4), convertible=True),
        Family(
            "esc-fp",
            _build_esc_fp,
            _is_esc_fp,
            _classic_head,
            scales=(2, 3, 4),
            factored=True,
            convertible=True,
        ),
        Family(
            "esc-rib",
            _build_esc_rib,
            _is_esc_rib,
            _rib_head,
            scales=(2, 3, 4),
            last="last.1.weight",
            fixed_bytes=RIB_FIXED_BYTES,
        ),
        Family(
            "esc-real",
            _build_esc_real,
            _is_esc_real,
            _real_head,
            scales=(4,),
            heads=("nearest+conv", "dysample"),
            head_bytes=_real_head_bytes,
        ),
        Family(
            "esc-real-m",
            _build_esc_real,
            _is_esc_real_m,
            _selectable_head,
            scales=(2, 3, 4),
            heads=("pixelshuffledirect", "pixelshuffle", "nearest+conv", "dysample"),
            unshuffled_scales=(2,),
            head_bytes=_real_head_bytes,
        ),
        Family(
            "esc-lte",
            _build_esc_lte,
            _is_esc_lte,
            _lte_head,
            scales=(0,),
            body="encoder.",
            head_bytes=_lte_head_bytes,
            fixed_bytes=LTE_CHUNK_BYTES,
            not_exportable="networks of any scale cannot be exported: the output's size belongs "
            "to each call",
        ),
    )
}
"""Every family by name."""
