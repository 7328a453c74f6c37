"""From a state dict to the configuration of the network that it belongs to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from esc_cli.errors import WeightsError, counted
from esc_cli.model.config import HEADS, Family, Head, NetworkConfig

Shape = tuple[int, ...]

EXPECTED = (
    "expected the keys of an ESC network, such as blocks.0.attn.to_qkv.weight, proj.weight and "
    "plk_filter (or lk_channel, or encoder.plk_filter)"
)

UNREADABLE_ADVICE = "it may be cut short or another kind of file: fetch or copy it again"


class Facts(NamedTuple):
    """What a state dict says without its values: shapes by key, and ESC-Real-M's own record."""

    shapes: Mapping[str, Shape]
    meta_upsample: tuple[int, ...] | None = None


def read_config(facts: Facts) -> NetworkConfig:
    """The configuration that a state dict of these shapes belongs to.

    Raises WeightsError, saying what was expected and what was found, when it is none.
    """
    try:
        return _read_config(facts)
    except (KeyError, IndexError, ValueError, ArithmeticError) as missing:
        what = f"not an ESC network: {EXPECTED}; {_found(facts, missing)}"
        raise WeightsError(what, advice="give another file, or a name") from missing


def _found(facts: Facts, problem: Exception) -> str:
    keys = sorted(facts.shapes)
    some = ", ".join(keys[:4]) + (", ..." if len(keys) > 4 else "")
    lacking = f"no {problem.args[0]}, but " if isinstance(problem, KeyError) else ""
    return f"found {lacking}{counted(len(keys), 'key')}: {some}" if keys else "found no tensors"


def _family(shapes: Mapping[str, Shape], meta: tuple[int, ...] | None) -> Family:
    if "lk_channel" in shapes:
        return "esc-fp"
    if any(key.startswith("imnet.") for key in shapes):
        return "esc-lte"
    if any(key.startswith("skip.") for key in shapes):
        return "esc-real" if meta is None else "esc-real-m"
    return "esc"


def _read_config(facts: Facts) -> NetworkConfig:
    family = _family(facts.shapes, facts.meta_upsample)
    body = _encoder_shapes(facts.shapes) if family == "esc-lte" else facts.shapes
    large = body["lk_spatial" if family == "esc-fp" else "plk_filter"]
    window, heads, rank = _attention(body)
    dim = body["last.weight"][0]
    head = _head(facts.shapes, family, facts.meta_upsample)
    return NetworkConfig(
        family=family,
        dim=dim,
        pdim=large[0],
        kernel=large[-1],
        n_blocks=_count(body, "blocks."),
        conv_blocks=_count(body, "blocks.0.convffns."),
        window=window,
        heads=heads,
        hidden=body["blocks.0.convffns.0.proj.weight"][0],
        proj_hidden=body["blocks.0.proj.proj.weight"][0],
        use_ln="blocks.0.lns.0.weight" in body,
        flashbias_rank=rank,
        **head._asdict(),
    )


def _encoder_shapes(shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    prefix = "encoder."
    return {key.removeprefix(prefix): s for key, s in shapes.items() if key.startswith(prefix)}


def _count(keys: Iterable[str], prefix: str) -> int:
    return len({key[len(prefix) :].split(".")[0] for key in keys if key.startswith(prefix)})


def _attention(body: Mapping[str, Shape]) -> tuple[int, int, int | None]:
    """Window, heads, and FlashBias rank or None."""
    if "blocks.0.attn.flashbias_q" in body:
        heads, tokens, rank = body["blocks.0.attn.flashbias_q"]
        return _root(tokens), heads, rank
    heads, columns = body["blocks.0.attn.relative_position_bias"]
    return (_root(columns) + 1) // 2, heads, None


def _root(square: int) -> int:
    root = math.isqrt(square)
    if root * root != square:
        raise ValueError(f"{square} is no square number")
    return root


class _HeadFacts(NamedTuple):
    scale: int = 0
    head: Head = "nearest+conv"
    mid_dim: int = 64
    unshuffle: int = 1
    lte_hidden: int = 256
    mlp_hidden: tuple[int, ...] = (256, 256, 256)


def _classic_head(shapes: Mapping[str, Shape], _meta: tuple[int, ...] | None) -> _HeadFacts:
    return _HeadFacts(scale=_root(shapes["to_img.weight"][0] // 3))


def _real_head(shapes: Mapping[str, Shape], _meta: tuple[int, ...] | None) -> _HeadFacts:
    dysample = "to_img.offset.weight" in shapes
    return _HeadFacts(scale=4, head="dysample" if dysample else "nearest+conv")


def _selectable_head(shapes: Mapping[str, Shape], meta: tuple[int, ...] | None) -> _HeadFacts:
    _, index, head_scale, _, _, mid_dim, _ = meta or ()
    unshuffle = 1
    if "proj.1.weight" in shapes:  # a pixel-unshuffle stands before the convolution
        unshuffle = _root(shapes["proj.1.weight"][1] // 3)
    scale = head_scale // unshuffle
    return _HeadFacts(scale, HEADS[index], mid_dim, unshuffle)


def _lte_head(shapes: Mapping[str, Shape], _meta: tuple[int, ...] | None) -> _HeadFacts:
    weights = [k.split(".") for k in shapes if k.startswith("imnet.") and k.endswith(".weight")]
    layers = sorted(int(parts[2]) for parts in weights)
    hidden = tuple(shapes[f"imnet.layers.{i}.weight"][0] for i in layers[:-1])
    return _HeadFacts(lte_hidden=shapes["coef.weight"][0], mlp_hidden=hidden)


_HEAD_READERS: dict[Family, Callable[[Mapping[str, Shape], tuple[int, ...] | None], _HeadFacts]] = {
    "esc": _classic_head,
    "esc-fp": _classic_head,
    "esc-real": _real_head,
    "esc-real-m": _selectable_head,
    "esc-lte": _lte_head,
}


def _head(shapes: Mapping[str, Shape], family: Family, meta: tuple[int, ...] | None) -> _HeadFacts:
    return _HEAD_READERS[family](shapes, meta)
