"""What the machines of a cluster must agree about, so that each makes the results of the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import metadata

from esc_cli._version import __version__
from esc_cli.checkpoints.store import Checkpoint, known
from esc_cli.errors import WeightsError
from esc_cli.tasks.models import Choice, Models

LIBRARIES = (
    "torch",
    "numpy",
    "pillow",
    "tifffile",
    "imagecodecs",
    "safetensors",
    "av",
    "pillow-heif",
    "rawpy",
    "openimageio",
    "astropy",
)
"""Those that decide a result: they decode, compute or encode."""


def versions() -> dict[str, str]:
    """The versions of esc and of the libraries that are installed.

    Without what follows a plus: torch 2.14.1+cpu and 2.14.1+cu126 serve unlike machines.
    """
    found = {"esc": __version__}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            continue
    return found


def difference(own: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """How versions differ from those that are wanted, in words; "" if they do not."""
    unlike = [
        f"{name} is {own.get(name, 'not installed')} there and {version} here"
        for name, version in wanted.items()
        if own.get(name) != version
    ]
    return "; ".join(unlike)


def as_here(choice: Choice, models: Models) -> Choice:
    """The networks of a choice as this machine has them, fetched where they are missing.

    Raises SetupError for one that cannot be had, WeightsError for one with other weights.
    """
    photo = choice.photo and as_here(choice.photo, models)
    alone = replace(choice, checkpoint=_own(choice.checkpoint), photo=None, share=0.0)
    own = models.fetch(alone)
    digest = own.checkpoint.sha256()
    if choice.sha256 and digest != choice.sha256:
        what = f"has other weights ({digest[:12]}) than where esc was started"
        raise WeightsError(f"{what} ({choice.sha256[:12]})", own.checkpoint.path)
    return replace(own, photo=photo, share=choice.share, why=choice.why)


def _own(checkpoint: Checkpoint) -> Checkpoint:
    """A network that has a name may lie elsewhere here: in another home, another installation."""
    if checkpoint.here or (checkpoint.record is None and checkpoint.release is None):
        return checkpoint
    same = (one for one in known() if (one.name, one.scale) == (checkpoint.name, checkpoint.scale))
    return next(same, checkpoint)


@dataclass(frozen=True)
class Greeting:
    """What a worker says of itself. `problem`: why it cannot take part; "" if it can.

    precision: that of its networks, None where none is needed.
    """

    host: str
    device: str = "cpu"
    precision: str | None = None
    problem: str = ""


@dataclass
class Precisions:
    """Which workers compute alike.

    The first of those with a GPU decides, without any the first one: with `auto` a GPU computes in
    other numbers than a processor, and is worth more.
    """

    decided: bool = False
    precision: str | None = None

    def decide(self, greetings: list[Greeting]) -> None:
        """Take the precision of the best of these, once."""
        best = min(greetings, key=lambda one: one.device == "cpu")
        self.decided, self.precision = True, best.precision

    def difference(self, greeting: Greeting) -> str:
        """Why a worker cannot compute with the others; "" if it can."""
        if greeting.precision == self.precision:
            return ""
        what = f"computes in {greeting.precision}, and the others in {self.precision}"
        return f"{what} (--precision fp32 is the same everywhere)"
