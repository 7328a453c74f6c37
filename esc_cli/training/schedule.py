"""The learning rate and the end of a run, as functions of where it stands. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from esc_cli.training.recipe import Schedule


@dataclass
class Position:
    """Where a run stands: iterations done, and seconds spent over all its parts."""

    step: int = 0
    seconds: float = 0.0


def progress(schedule: Schedule, position: Position) -> float:
    """How much of the run is done, from 0; 1 and above is the end."""
    if schedule.minutes > 0:
        return position.seconds / (60 * schedule.minutes)
    return position.step / schedule.iterations


def rate_factor(schedule: Schedule, position: Position) -> float:
    """What the highest learning rate is multiplied by for the next iteration, in 0..1."""
    if schedule.kind == "one-cycle":
        return _one_cycle(min(1.0, progress(schedule, position)), schedule.rise)
    following = position.step + 1
    if following < schedule.warmup:
        return following / schedule.warmup
    return schedule.gamma ** sum(position.step >= edge for edge in schedule.milestones)


LOWEST = 1e-3
"""Share of the highest rate at which a one-cycle run begins."""


def _one_cycle(done: float, rise: float) -> float:
    if done < rise:
        return max(LOWEST, done / rise)
    return (1 + math.cos(math.pi * (done - rise) / (1 - rise))) / 2
