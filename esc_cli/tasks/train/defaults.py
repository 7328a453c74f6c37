"""The figures that `esc train` takes where an option is left out, each declared once.

What the recipes hold (batch, rate, length) is none of them. Imports no torch, so that `esc --help`
stays quick.
"""

from __future__ import annotations

LOG_EVERY = 100
"""--log-every: iterations between two lines of the training's log."""

VALIDATE_EVERY_MINUTES = 10.0
"""--validate-every: minutes between two validations while a network trains."""

SAVE_EVERY_MINUTES = 5.0
"""--save-every: minutes between two checkpoints, the most that a power cut can cost."""

KEPT_CHECKPOINTS = 3
"""--keep: the newest checkpoints of a training that stay in its folder."""

LOADER_THREADS = 1
"""--loader-threads: threads that cut patches for a training."""
