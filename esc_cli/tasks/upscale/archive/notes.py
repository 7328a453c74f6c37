"""What is told of the pictures of an archive: each text once, with the entries that it is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from esc_cli.errors import counted, shown
from esc_cli.media.archive import Archive
from esc_cli.tasks.upscale.archive.journal import Finished
from esc_cli.tasks.upscale.archive.pages import Page


def told(texts: Iterable[str]) -> Iterator[str]:
    """Each text that is not empty, with how many pictures it is about."""
    for text, count in Counter(filter(None, texts)).items():
        yield f"{text} ({counted(count, 'picture')})"


def copied(archive: Archive, pages: Sequence[Page], done: Sequence[Finished]) -> Iterator[str]:
    """The notes of an archive: what was copied, what has another name, and what pictures lost."""
    enlarged = {page.entry.number for page in pages}
    rest = [entry for entry in archive.entries if entry.number not in enlarged]
    others = [entry.name for entry in rest if entry.kind != "folder"]
    if others:
        yield f"copied as they are: {listed(others)}"
    renamed = [
        f"{page.entry.name} as {page.name}" for page in pages if page.name != page.entry.name
    ]
    if renamed:
        yield f"in another format: {listed(renamed)}"
    by_text: dict[str, list[str]] = {}
    for page, one in zip(pages, done, strict=True):
        for text in one.notes:
            by_text.setdefault(text, []).append(page.entry.name)
    yield from (f"{listed(names)}: {text}" for text, names in by_text.items())


def listed(names: Sequence[str]) -> str:
    """The first two names, and how many more."""
    more = len(names) - 2
    first = ", ".join(map(shown, names[:2]))
    return f"{first} and {more} more" if more > 0 else first
