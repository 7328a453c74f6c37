"""Several processes that train one network: their places, and the little they must agree on.

torchrun and srun start the processes; torch.distributed connects them.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from esc_cli.engine.memory import is_out_of_memory
from esc_cli.errors import SetupError, TrainingError, UsageError
from esc_cli.training.patches import Share

DEFAULT_PORT = "29500"
TIMEOUT = timedelta(hours=1)
"""How long the others wait while the first process decodes pictures or validates."""
AGREE_EVERY = 10
"""Iterations between two agreements on the time and on signals."""


@dataclass(frozen=True)
class Place:
    """This process among all (`rank` of `world`) and on its machine (`local`)."""

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this process writes, validates and tells."""
        return self.rank == 0

    @property
    def share(self) -> Share:
        """This process's part of each batch."""
        return Share(self.rank, self.world)


def find_place(environment: Mapping[str, str]) -> Place:
    """The place that torchrun or srun gave this process; alone without either.

    Raises UsageError for tasks of srun that do not know where to meet.
    """
    if "RANK" in environment and "WORLD_SIZE" in environment:
        local = environment.get("LOCAL_RANK", "0")
        return Place(int(environment["RANK"]), int(environment["WORLD_SIZE"]), int(local))
    tasks = int(environment.get("SLURM_NTASKS", "1"))
    if tasks > 1 and "MASTER_ADDR" in environment and "SLURM_PROCID" in environment:
        local = environment.get("SLURM_LOCALID", "0")
        return Place(int(environment["SLURM_PROCID"]), tasks, int(local))
    if int(environment.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        what = "srun started several tasks, and MASTER_ADDR is not set"
        raise UsageError(what, advice="export MASTER_ADDR, the name of the first node")
    return Place()


def device_wish(wish: str, place: Place) -> str:
    """The device of this process: on CUDA the one of its place on the machine."""
    if place.world == 1 or wish not in {"auto", "cuda"} or not torch.cuda.is_available():
        return wish
    return f"cuda:{place.local}"


@contextmanager
def connected(place: Place, device: torch.device) -> Iterator[None]:
    """Connect the processes for as long as the block runs; nothing to do for one alone.

    NCCL on CUDA, gloo elsewhere. Raises SetupError when they do not find each other, and
    TrainingError when one has ended before all were connected.
    """
    if place.world == 1:
        yield
        return
    os.environ.setdefault("MASTER_PORT", DEFAULT_PORT)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, rank=place.rank, world_size=place.world, timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        if "connectFullMesh" in str(error):  # they have met, and one was gone before it was called
            raise _ended(error) from error
        raise SetupError(f"the processes cannot be connected: {_first_line(error)}") from error
    try:
        yield
    finally:
        dist.destroy_process_group()


def spread(network: nn.Module, place: Place, device: torch.device) -> nn.Module:
    """The network in the form whose gradients are averaged over all processes.

    Raises TrainingError when another process has ended.
    """
    if place.world == 1:
        return network
    # Of depthwise kernels, whose axis of length 1 has no stride to speak of.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    with _others_there():
        return DistributedDataParallel(network, [device.index] if device.type == "cuda" else None)


def wait_for_all(place: Place) -> None:
    """Return once every process has come here."""
    if place.world > 1:
        with _others_there():
            dist.barrier()


@contextmanager
def _others_there() -> Iterator[None]:
    """A process that has ended breaks what the others do together."""
    try:
        yield
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        raise _ended(error) from error


def _ended(error: Exception) -> TrainingError:
    what = "another process of this run has ended, and its own message says why"
    return TrainingError(f"{what}; or this one cannot reach it: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def largest(values: list[float], place: Place, device: torch.device) -> list[float]:
    """The largest of each value over all processes."""
    return _reduced(values, place, device, dist.ReduceOp.MAX)


def mean(values: list[float], place: Place, device: torch.device) -> list[float]:
    """The mean of each value over all processes."""
    return [v / place.world for v in _reduced(values, place, device, dist.ReduceOp.SUM)]


def _reduced(
    values: list[float], place: Place, device: torch.device, how: dist.ReduceOp.RedOpType
) -> list[float]:
    if place.world == 1:
        return values
    shared = torch.tensor(values, dtype=torch.float64, device=device)
    with _others_there():
        dist.all_reduce(shared, how)
    return [float(value) for value in shared]
