"""The cases of a campaign: each follows from the seed and its number alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.campaign.mutations import MUTATIONS
from tests.campaign.seeds import SEEDS, book
from tests.campaign.seeds_png import SIGNATURE, with_checksums

INTACT = 1 / 12
"""Share of pictures that stay as they were made: they must be done."""
INSIDE = 0.6
"""Share of damaged archives whose pictures are damaged: else checksums end most of the reading."""
CHECKSUMS = 0.7
"""Share of damaged PNGs whose checksums fit the damage: else the first of them ends the reading."""


@dataclass(frozen=True)
class Case:
    """One file. `intact`: it is valid, and of a format that is read."""

    number: int
    format: str
    content: bytes
    intact: bool
    suffix: str

    @property
    def name(self) -> str:
        """Its file name."""
        return f"{self.number:06}{self.suffix}"


def case(seed: int, number: int, files: Sequence[Path] = ()) -> Case:
    """The case of a number; formats take turns. With `files`, one of those is what is damaged."""
    rng = Random(f"{seed}/{number}")
    if files:
        path, other = rng.choice(files), rng.choice(files)
        content = _mutated(path.read_bytes(), other.read_bytes() or b"\0", rng)
        suffix = path.suffix.lower()
        return Case(number, suffix, content, intact=False, suffix=suffix)
    name = tuple(SEEDS)[number % len(SEEDS)]
    seeds = SEEDS[name]
    content = rng.choice(seeds.makers)(rng)
    if rng.random() < INTACT:
        return Case(number, name, content, not seeds.refused, seeds.suffix)
    other = rng.choice(seeds.makers)(rng)
    if name == "CBZ" and rng.random() < INSIDE:
        content = book(rng, lambda page: _mutated(page, other, rng))
        return Case(number, name, content, intact=False, suffix=seeds.suffix)
    return Case(number, name, _mutated(content, other, rng), intact=False, suffix=seeds.suffix)


def _mutated(content: bytes, other: bytes, rng: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if changed:
            rng.choice(MUTATIONS)(changed, rng, other)
    mended = changed.startswith(SIGNATURE) and rng.random() < CHECKSUMS
    return with_checksums(bytes(changed)) if mended else bytes(changed)
