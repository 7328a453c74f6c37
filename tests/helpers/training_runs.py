"""Pictures to train on, and runs that are stopped on their way."""

from __future__ import annotations

import os
import signal

import numpy as np
from command import Command, Ran, Word


def stopped_after(train: Command, iterations: int, number: signal.Signals, *words: Word) -> Ran:
    """Start a run, and send it a signal once the checkpoint of an iteration is saved."""
    process, seen = train.start(*words), b""
    assert process.stderr is not None
    for line in process.stderr:
        seen += line
        if os.fsencode(f"step-{iterations:08d}") in line:
            break
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    return train.ended(process.returncode, out, seen + err)


def picture(seed: int, width: int, height: int) -> np.ndarray:
    """(H, W, 3) uint8: smooth waves with a little noise."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    phases = draw.uniform(0, 6, 3)
    waves = [np.sin(rows / 5 + p) + np.cos(columns / (3 + p)) for p in phases]
    noisy = np.stack(waves, axis=2) * 50 + 128 + draw.normal(0, 4, (height, width, 3))
    return noisy.clip(0, 255).astype(np.uint8)
