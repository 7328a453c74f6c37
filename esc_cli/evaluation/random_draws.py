"""Metrics that draw at random: the same draws each time, and whether there were any."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

SEED = 123
"""The seed of pyiqa's own benchmark."""


@dataclass
class Draws:
    """What happened inside `same_draws`, known afterwards."""

    any: bool = False


@contextlib.contextmanager
def same_draws() -> Iterator[Draws]:
    """Seed the generators of torch, NumPy and Python; afterwards they are as before.

    On a GPU, torch's generators of all GPUs that are in use.
    """
    draws = Draws()
    kept = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        np.random.seed(SEED)
        random.seed(SEED)
        before = _states()
        try:
            yield draws
        finally:
            draws.any = _states() != before
            random.setstate(kept[0])
            np.random.set_state(kept[1])


def _states() -> tuple[object, ...]:
    """Of every generator, to compare."""
    name, keys, *rest = np.random.get_state()
    used = torch.cuda.is_available() and torch.cuda.is_initialized()
    gpus = torch.cuda.get_rng_state_all() if used else []
    torches = tuple(state.numpy().tobytes() for state in (torch.random.get_rng_state(), *gpus))
    return name, np.asarray(keys).tobytes(), tuple(rest), torches, random.getstate()
