"""`esc compare`: two pictures, perhaps with the reference, and where they differ most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from esc_cli.errors import UnsupportedError, UsageError
from esc_cli.evaluation.decimals import PSNR_DIGITS
from esc_cli.evaluation.html import Facts, render_comparison
from esc_cli.evaluation.metrics import psnr
from esc_cli.evaluation.protocol import most_different
from esc_cli.evaluation.results import HR, Visual
from esc_cli.files.atomic import write_atomic
from esc_cli.files.targets import check_target
from esc_cli.media.contact_sheet import Panel, enlarge_nearest, make_sheet
from esc_cli.media.rgb import Pixels, encode_rgb, read_rgb
from esc_cli.tasks.environment import environment_facts
from esc_cli.tasks.evaluate.methods import to_tensor
from esc_cli.tasks.evaluate.visuals import CROP_SIDE, make_visual

ZOOM = 4
DETAILS = 3
"""Details on a sheet: where the pictures differ most, second most, and so on."""


@dataclass(frozen=True)
class CompareOptions:
    """What to compare, and the .png or .html to write; `command` is for the head of a page."""

    pictures: tuple[Path, ...]
    output: Path
    reference: Path | None
    max_pixels: int
    command: str

    def check_before_work(self) -> None:
        """Raise UsageError or DiskError for what would fail after the pictures were read."""
        if len(self.pictures) == 1 and not self.pictures[0].exists():
            raise UsageError("no such file or folder", self.pictures[0])
        if len(self.pictures) < 2:
            raise UsageError("two pictures are needed to compare")
        if not self.as_sheet and self.output.suffix.lower() != ".html":
            raise UsageError("must end in .png or .html", self.output)
        inputs = (*self.pictures, *([self.reference] if self.reference else []))
        if self.output.resolve() in {path.resolve() for path in inputs}:
            raise UsageError("is an input and would be overwritten", self.output)
        check_target(self.output)

    @property
    def as_sheet(self) -> bool:
        """Whether the output is one picture, not a page."""
        return self.output.suffix.lower() == ".png"


def compare(options: CompareOptions) -> None:
    """Write the comparison as a sheet of details, or as a page with sliders.

    Raises UsageError and DiskError before any picture is read, ReadError, and UnsupportedError
    when the sizes differ.
    """
    options.check_before_work()
    compared = read_compared(options.pictures, options.reference, options.max_pixels)
    if options.as_sheet:
        write_atomic(options.output, comparison_png(compared))
        return
    facts = Facts(f"esc compare: {compared.title}", options.command, environment_facts())
    write_atomic(options.output, render_comparison([compared_visual(compared)], facts).encode())


@dataclass(frozen=True)
class Compared:
    """Pictures of one size by name, (3, H, W) uint8; the reference under `HR`."""

    title: str
    pictures: dict[str, Tensor]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        height, width = next(iter(self.pictures.values())).shape[-2:]
        return height, width


def read_compared(paths: Sequence[Path], reference: Path | None, max_pixels: int) -> Compared:
    """Read the pictures. Raises ReadError and UnsupportedError, also when the sizes differ."""
    names = _names(paths)
    pictures = {
        name: to_tensor(read_rgb(path, max_pixels)) for name, path in zip(names, paths, strict=True)
    }
    if reference is not None:
        pictures[HR] = to_tensor(read_rgb(reference, max_pixels))
    sizes = {name: (p.shape[-1], p.shape[-2]) for name, p in pictures.items()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} is {w} x {h}" for name, (w, h) in sizes.items())
        raise UnsupportedError(f"the pictures differ in size: {listed}")
    return Compared(paths[0].stem, pictures)


def _names(paths: Sequence[Path]) -> list[str]:
    """File names, with their folder's name where two are called the same."""
    names = [path.name if path.stem == HR else path.stem for path in paths]
    if len(set(names)) == len(names):
        return names
    longer = [f"{path.resolve().parent.name}/{path.name}" for path in paths]
    if len(set(longer)) == len(longer):
        return longer
    return [f"{index + 1}: {name}" for index, name in enumerate(longer)]


def compared_visual(compared: Compared) -> Visual:
    """The pictures as a page shows them."""
    pictures = dict(compared.pictures)
    reference = pictures.pop(HR, None)
    return make_visual("", 1, compared.title, reference, pictures)


def comparison_png(compared: Compared) -> bytes:
    """A PNG: up to three rows of details, zoomed, where the pictures differ most.

    Titles hold the PSNR of the detail on RGB, in dB, where there is a reference.
    """
    side = min(CROP_SIDE, *compared.size)
    rows: list[list[Panel]] = []
    rest = {name: picture.clone() for name, picture in compared.pictures.items()}
    for _ in range(DETAILS):
        top, left = most_different(list(rest.values()), side)
        details = [_detail(picture, top, left, side) for picture in rest.values()]
        if rows and all(torch.equal(detail, details[0]) for detail in details):
            break  # equal everywhere else
        rows.append([_panel(compared, name, top, left, side) for name in compared.pictures])
        for picture in rest.values():  # what is equal everywhere differs nowhere
            picture[:, top : top + side, left : left + side] = 0
    return encode_rgb(make_sheet(rows))


def _panel(compared: Compared, name: str, top: int, left: int, side: int) -> Panel:
    detail = _detail(compared.pictures[name], top, left, side)
    reference = compared.pictures.get(HR)
    title = name
    if reference is not None and name != HR:
        against = _detail(reference, top, left, side)
        title = f"{name}  {psnr(detail, against):.{PSNR_DIGITS}f} dB (RGB, detail)"
    pixels: Pixels = detail.permute(1, 2, 0).contiguous().numpy()
    return Panel(title, enlarge_nearest(pixels, ZOOM))


def _detail(picture: Tensor, top: int, left: int, side: int) -> Tensor:
    return picture[:, top : top + side, left : left + side].to(torch.uint8)
