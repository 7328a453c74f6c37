"""What each picture of an archive becomes, decided before any work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from esc_cli.errors import ItemError, ReadError, shown
from esc_cli.media.archive import Archive, Entry
from esc_cli.media.confined import probe
from esc_cli.media.formats import OutputPlan, plan_output
from esc_cli.media.picture import Header
from esc_cli.tasks.upscale.memory_limit import bounds, check_memory, picture_bytes
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.picture_kind import estimated_bytes


@dataclass(frozen=True)
class Page:
    """One picture. `name`: of its result in the new archive. `size`: the result's (width, height).

    factor: from one to the other; above 1 a network is needed.
    """

    entry: Entry
    name: str
    header: Header
    size: tuple[int, int]
    form: OutputPlan
    bytes_estimate: int

    @property
    def factor(self) -> float:
        """How much the picture grows."""
        return max(self.size[0] / self.header.width, self.size[1] / self.header.height)


def plan_pages(archive: Archive, options: UpscaleOptions, default_scale: float) -> tuple[Page, ...]:
    """The pictures of an archive that are to be enlarged, in order, from their headers.

    Those that --min-side calls large enough are left out, unless all are.

    Raises ReadError for an archive without any, ItemError naming the entry of one that cannot be
    done, and UsageError for a format that is not known.
    """
    entries = [entry for entry in archive.entries if entry.kind == "picture"]
    if not entries:
        advice = "in a folder, --exclude leaves it out"
        raise ReadError("the archive holds no pictures", archive.path, advice)
    pages = [_page(archive, entry, options, default_scale) for entry in entries]
    enough = float("inf") if options.min_side is None else options.min_side
    small = [page for page in pages if min(page.header.width, page.header.height) < enough]
    pages = small or pages
    return tuple(_distinct(pages, {e.name.casefold() for e in archive.entries}))


def _page(archive: Archive, entry: Entry, options: UpscaleOptions, default_scale: float) -> Page:
    with naming(archive.path, entry):
        content = archive.picture(entry, options.max_pixels)
        header = probe(content, bounds(options))
        size = options.target.size(header.width, header.height, default_scale)
        suffix = PurePosixPath(entry.name).suffix
        form = plan_output(header, size, options.picture_format, suffix)
        estimate = estimated_bytes(entry.size, header, size, form)
        check_memory(picture_bytes(header, size, entry.size + estimate), options.max_memory)
    stem = entry.name[: len(entry.name) - len(suffix)]
    return Page(entry, stem + form.suffix, header, size, form, estimate)


@contextmanager
def naming(path: Path, entry: Entry) -> Iterator[None]:
    """Have errors of one picture say which it is."""
    try:
        yield
    except ItemError as error:
        what = f"its entry {shown(entry.name)}: {error.what}"
        raise type(error)(what, path, error.advice) from error


def _distinct(pages: list[Page], taken: set[str]) -> Iterator[Page]:
    """Where another format gives a name that is another entry's, the old suffix stays in it."""
    for page in pages:
        name, number = page.name, 2
        if name != page.entry.name:
            while name.casefold() in taken:
                more = "" if number == 2 else f"~{number - 1}"
                name, number = f"{page.entry.name}{more}{page.form.suffix}", number + 1
            taken.add(name.casefold())
        yield replace(page, name=name)
