"""The names of a network's tensors, freed from what training loops put around them. No torch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

WRAPPERS = (
    "params_ema",
    "params-ema",
    "ema",
    "model_ema",
    "ema_state_dict",
    "net_g_ema",
    "g_ema",
    "params",
    "state_dict",
    "model_state_dict",
    "model",
    "net_g",
    "generator",
    "network",
    "net",
    "weights",
)
"""Keys under which training loops keep a state dict (BasicSR, neosr, traiNNer, Lightning and plain
ones), averaged weights first; the first that holds an ESC network counts."""

_PREFIXES = (
    "module.",  # data-parallel training, and torch's averaged models
    "_orig_mod.",  # torch.compile
    "net_g_ema.",
    "ema_model.",
    "ema.",
    "net_g.",
    "generator.",
    "model.",
    "network.",
    "net.",
)
_MARKS = frozenset(("plk_filter", "lk_spatial", "encoder.plk_filter"))
"""Each family has one of these."""


def own_names(names: Iterable[str]) -> dict[str, str]:
    """The name in the file by the name in the network.

    Prefixes of training loops are taken off, however many. Of several networks in one file it is
    the ESC network, the averaged one if there are two; with none, all names as they are.
    """
    groups: dict[str, dict[str, str]] = defaultdict(dict)
    everything = list(names)
    for name in everything:
        prefix, own = _split(name)
        groups[prefix][own] = name
    fitting = [prefix for prefix, group in groups.items() if has_network(group)]
    if not fitting:
        return {name: name for name in everything}
    return groups[next((prefix for prefix in fitting if "ema" in prefix), fitting[0])]


def has_network(names: Iterable[str]) -> bool:
    """Whether names, without prefixes, are those of an ESC network."""
    return not _MARKS.isdisjoint(names)


def _split(name: str) -> tuple[str, str]:
    own = name
    while found := next((prefix for prefix in _PREFIXES if own.startswith(prefix)), ""):
        own = own.removeprefix(found)
    return name.removesuffix(own), own


def wrapped(stored: Mapping[str, Any], depth: int = 3) -> Iterator[Mapping[str, Any]]:
    """The dictionaries in which the tensors may be, in the order in which they count."""
    for name in WRAPPERS:
        inner = stored.get(name)
        if depth and isinstance(inner, dict):
            yield from wrapped(inner, depth - 1)
    yield stored


def is_safetensors(content: bytes) -> bool:
    """Whether a file, of which the first 9 bytes suffice, begins as safetensors do."""
    length = int.from_bytes(content[:8], "little")
    return len(content) > 8 and content[8:9] == b"{" and 2 <= length <= 100_000_000
