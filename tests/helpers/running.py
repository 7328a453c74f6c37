"""How the tests of training run the command, and what their pictures look like."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from forking import Forked, can_fork

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ran:
    code: int
    err: str


class Train:
    """Runs `esc train`; `start` leaves it running."""

    def start(self, *arguments, before=(), preexec_fn=None, **environment):
        """The process, a `subprocess.Popen` of texts; `before` are the words of a wrapper."""
        words = ["train", *map(str, arguments)]
        own = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment
        options = {"stderr": subprocess.PIPE, "text": True, "preexec_fn": preexec_fn}
        if not before and can_fork(own, options):
            return Forked(words, env=own, **options)
        command = [*before, sys.executable, "-m", "esc_cli", *words]
        return subprocess.Popen(command, env=own, **options)

    def __call__(self, *arguments, **options) -> Ran:
        return self.ended(self.start(*arguments, **options))

    @staticmethod
    def ended(process: subprocess.Popen[str], seen: str = "") -> Ran:
        err = seen + process.communicate(timeout=120)[1]
        assert "Traceback" not in err, err
        assert "please report" not in err, err
        return Ran(process.returncode, err)

    def stopped_after(self, iterations: int, number: signal.Signals, *arguments) -> Ran:
        """Start, and send a signal once the checkpoint of an iteration is saved."""
        process, seen = self.start(*arguments), ""
        assert process.stderr is not None
        for line in process.stderr:
            seen += line
            if f"step-{iterations:08d}" in line:
                break
        process.send_signal(number)
        return self.ended(process, seen)


def picture(seed: int, width: int, height: int) -> np.ndarray:
    """(H, W, 3) uint8: smooth waves with a little noise."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    phases = draw.uniform(0, 6, 3)
    waves = [np.sin(rows / 5 + p) + np.cos(columns / (3 + p)) for p in phases]
    noisy = np.stack(waves, axis=2) * 50 + 128 + draw.normal(0, 4, (height, width, 3))
    return noisy.clip(0, 255).astype(np.uint8)
