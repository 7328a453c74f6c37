"""Archives of Set5 like its publisher's, and how pulling it ends."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from esc_cli.tasks.data.sets import Pulled, PullFailed, Source, pull

Member = tuple[tarfile.TarInfo, bytes]
SET5 = ("baby", "bird", "butterfly", "head", "woman")


def picture(name: str) -> bytes:
    return f"the pixels of {name}".encode() * 50


def member(
    name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content)
    return info, content


def archive_of(*members: Member) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def set5_members() -> list[Member]:
    pictures = [member(f"Set5_HR/{name}.png", picture(name)) for name in SET5]
    readme = member("Set5_HR/README.txt", b"hello")
    return [member("Set5_HR", kind=tarfile.DIRTYPE), *pictures, readme]


def last(events: Iterable[Any]) -> Any:
    *_, event = events
    return event


def pulled(root: Path, source: Source) -> Pulled:
    event = last(pull(("Set5",), root, source))
    assert isinstance(event, Pulled), event
    return event


def failed(root: Path, source: Source) -> str:
    event = last(pull(("Set5",), root, source))
    assert isinstance(event, PullFailed), event
    return str(event.error)


def left_in(folder: Path) -> list[str]:
    """Everything below but the empty lock files."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if not path.name.endswith(".lock")
    )
