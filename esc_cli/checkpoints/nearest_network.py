"""Which network a state dict is most like, for the message that it is none."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from esc_cli.errors import counted
from esc_cli.model import from_config
from esc_cli.model.config import VARIANTS, variant_config

LEAST_SHARE = 0.1
"""Of the names of both, below which two networks have nothing to do with each other."""
NAMED = 3


def nearest(names: Iterable[str]) -> str:
    """The variant that shares most names, and the first differences, in words."""
    given = set(names)
    own = {variant: _names(variant) for variant in VARIANTS}

    def share(variant: str) -> float:
        return len(own[variant] & given) / max(1, len(own[variant] | given))

    best = max(VARIANTS, key=share)
    if share(best) < LEAST_SHARE:
        return "it has next to nothing in common with any of them"
    faults = (("missing", own[best] - given), ("unexpected", given - own[best]))
    found = [
        f"{counted(len(keys), 'key')} {how} ({', '.join(sorted(keys)[:NAMED])})"
        for how, keys in faults
        if keys
    ]
    return f"the nearest is {best}: {'; '.join(found)}"


def _names(variant: str) -> set[str]:
    with torch.device("meta"):
        return set(from_config(variant_config(variant)).state_dict())
