"""From a state dict to the configuration of the network that it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from esc_cli.errors import WeightsError, counted
from esc_cli.model.config import NetworkConfig, Rib
from esc_cli.model.families import RIB_WINDOW, Facts, Shape, recognised, root

_ATTENTION = "blocks.0.attn."

EXPECTED = (
    "expected the keys of an ESC network, such as blocks.0.attn.to_qkv.weight, proj.weight and "
    "plk_filter (or lk_channel, or encoder.plk_filter)"
)

UNREADABLE_ADVICE = "it may be cut short or another kind of file: fetch or copy it again"


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


def _read_config(facts: Facts) -> NetworkConfig:
    family = recognised(facts)
    body = _without_prefix(facts.shapes, family.body)
    large = body["lk_spatial" if family.factored else "plk_filter"]
    dim = body[family.last][0]
    head = family.read_head(facts)
    return NetworkConfig(
        family=family.name,
        dim=dim,
        pdim=large[0],
        kernel=large[-1],
        n_blocks=_count(body, "blocks."),
        conv_blocks=_count(body, "blocks.0.convffns."),
        hidden=body["blocks.0.convffns.0.proj.weight"][0],
        proj_hidden=body["blocks.0.proj.proj.weight"][0],
        use_ln="blocks.0.lns.0.weight" in body,
        **_attention(body),
        **head._asdict(),
    )


def _without_prefix(shapes: Mapping[str, Shape], prefix: str) -> dict[str, Shape]:
    return {key.removeprefix(prefix): s for key, s in shapes.items() if key.startswith(prefix)}


def _count(keys: Iterable[str], prefix: str) -> int:
    return len({key[len(prefix) :].split(".")[0] for key in keys if key.startswith(prefix)})


def _attention(body: Mapping[str, Shape]) -> dict[str, Any]:
    """What the attention of a block says, as fields of `NetworkConfig`."""
    if f"{_ATTENTION}to_hidden" in body:
        heads, hidden, rank = body[f"{_ATTENTION}to_q"]
        rib = Rib(rank, hidden, (body[f"{_ATTENTION}to_hidden"][0] - 2) // 4)
        return {"window": RIB_WINDOW, "heads": heads, "rib": rib}
    if f"{_ATTENTION}flashbias_q" in body:
        heads, tokens, rank = body[f"{_ATTENTION}flashbias_q"]
        return {"window": root(tokens), "heads": heads, "flashbias_rank": rank}
    heads, columns = body[f"{_ATTENTION}relative_position_bias"]
    return {"window": (root(columns) + 1) // 2, "heads": heads}
