"""A share of a batch: what one of several machines does, decided by names alone."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from esc_cli.errors import UsageError
from esc_cli.media.paths import Source

AUTO = "auto"
_ADVICE = "such as 3/8, or auto in an array of SLURM, Kubernetes or LSF"


@dataclass(frozen=True)
class Shard:
    """The share `index`, from 1 on, of `count` equal ones."""

    index: int
    count: int

    def __post_init__(self) -> None:
        """Raise UsageError for a share that there is not."""
        if not 1 <= self.index <= self.count:
            raise UsageError(f"--shard {self.index}/{self.count}: no such share", advice=_ADVICE)

    @property
    def name(self) -> str:
        """As it stands in the name of its records: 3of8."""
        return f"{self.index}of{self.count}"

    @property
    def text(self) -> str:
        """As --shard takes it: 3/8."""
        return f"{self.index}/{self.count}"

    def holds(self, source: Source) -> bool:
        """Whether an input is of this share.

        By a hash of its path below its folder without suffix, case and composition: a file more
        moves no other, and inputs whose results could share a name are of one share.
        """
        return self._takes(family(source))

    def holds_step(self, source: Source, number: int) -> bool:
        """The same of a step of a long video, by its number from 0 on."""
        return self._takes(f"{family(source)}\n{number}")

    def _takes(self, text: str) -> bool:
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index - 1


@dataclass(frozen=True)
class Seat(Shard):
    """One of the workers of a cluster that do a video together, in the order of its steps.

    `run`: letters that stand for this run. `before`: the stamp of the result's file, if there was
    one, when the run began (`video.claims.stamp_of`).
    """

    run: str = ""
    before: tuple[int, int] | None = None


def family(source: Source) -> str:
    """The same for inputs whose results could share a name: without suffix, case, composition."""
    path = os.fspath(source.relative.with_suffix(""))
    return unicodedata.normalize("NFC", path).casefold().replace(os.sep, "/")


def parse_shard(text: str, environment: Mapping[str, str]) -> Shard:
    """From i/n, or `auto` and `auto/n`, which take i (and n) from the scheduler's variables.

    SLURM: SLURM_ARRAY_TASK_ID, _MIN, _STEP, _COUNT. LSF: LSB_JOBINDEX, _STEP, _END, arrays from 1
    on. Kubernetes: JOB_COMPLETION_INDEX, which comes without a count. Raises UsageError.
    """
    index, slash, count = text.partition("/")
    if index == AUTO:
        found, of_all = _scheduled(environment)
        if slash:
            of_all = _number(count, text)
        if of_all is None:
            what = f"--shard {AUTO}: the scheduler does not tell how many shares there are"
            raise UsageError(what, advice=f"give their number: --shard {AUTO}/8")
        return Shard(found, of_all)
    if not slash:
        raise UsageError(f"--shard {text!r} is no share", advice=_ADVICE)
    return Shard(_number(index, text), _number(count, text))


def _scheduled(environment: Mapping[str, str]) -> tuple[int, int | None]:
    """The share, from 1 on, and how many there are, where that is told."""

    def value(name: str, default: int) -> int:
        return _number(environment[name], f"{name}=") if environment.get(name) else default

    if environment.get("SLURM_ARRAY_TASK_ID"):
        first, step = value("SLURM_ARRAY_TASK_MIN", 0), value("SLURM_ARRAY_TASK_STEP", 1)
        index = (value("SLURM_ARRAY_TASK_ID", 0) - first) // max(1, step) + 1
        return index, value("SLURM_ARRAY_TASK_COUNT", 0) or None
    if environment.get("JOB_COMPLETION_INDEX"):
        return value("JOB_COMPLETION_INDEX", 0) + 1, None
    # Outside an array LSF sets the index to 0.
    if environment.get("LSB_JOBINDEX", "0") != "0":
        step = max(1, value("LSB_JOBINDEX_STEP", 1))
        last = value("LSB_JOBINDEX_END", 0)
        index = (value("LSB_JOBINDEX", 1) - 1) // step + 1
        return index, (last - 1) // step + 1 if last else None
    what = f"--shard {AUTO}: no array of SLURM, Kubernetes or LSF runs this"
    raise UsageError(what, advice="give the share: --shard 3/8")


def _number(text: str, where: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise UsageError(f"--shard: {text!r} in {where!r} is no number", advice=_ADVICE)
    return int(text)
