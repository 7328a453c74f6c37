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


def from_here(schedule: Schedule, position: Position, highest: float) -> str:
    """What the learning rate, at most `highest`, does from here to the end of the run, in words."""
    done = progress(schedule, position)
    if done >= 1:
        return "the run is at its end; a greater length goes on, and its rate begins where that is"
    rate = highest * rate_factor(schedule, position)
    if schedule.minutes > 0:
        end = f"{schedule.minutes:g} minutes"
    else:
        end = f"iteration {schedule.iterations:,}"
    now = f"the learning rate goes on at {rate:.2e}, {done:.1%} of the run done"
    if schedule.kind == "one-cycle":
        turn = f"rises to {highest:.2e} first and " if done < schedule.rise else ""
        return f"{now}, {turn}falls to 0 at {end}"
    edges = [edge for edge in schedule.milestones if edge > position.step]
    rise = f"rises to {highest:.2e} at iteration {schedule.warmup:,} and " * (
        position.step + 1 < schedule.warmup
    )
    change = f"is multiplied by {schedule.gamma:g} at iteration {edges[0]:,}" if edges else "stays"
    return f"{now}, {rise}{change}, and ends at {end}"


LOWEST = 1e-3
"""Share of the highest rate at which a one-cycle run begins."""


def _one_cycle(done: float, rise: float) -> float:
    if done < rise:
        return max(LOWEST, done / rise)
    return (1 + math.cos(math.pi * (done - rise) / (1 - rise))) / 2
