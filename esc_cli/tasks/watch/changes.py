"""Learning that something in a folder has changed: from the system, or by looking now and then."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

LOST_EVENTS_S = 300.0
"""Seconds after which a folder is looked through although no event came: queues overflow."""
_READS = frozenset(("opened", "closed_no_write"))
"""Kinds of events that reading a file makes."""
_REMOTE = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "gluster", "lustre", "fuse.", "virtiofs")
"""How the types of file systems begin where changes of other machines make no events."""


@dataclass(eq=False)  # watchdog keeps its handlers in a set
class Changes:
    """When to look again. `every_s`: seconds between two looks; `note`: why it is polling."""

    every_s: float
    note: str = ""
    _changed: threading.Event = field(default_factory=threading.Event)

    @property
    def told(self) -> bool:
        """Whether something has changed since this was last asked."""
        changed = self._changed.is_set()
        self._changed.clear()
        return changed

    def dispatch(self, event: Any) -> None:
        """Called by watchdog, in a thread of its own."""
        if event.event_type not in _READS:
            self._changed.set()


@contextmanager
def changes_in(
    folders: Sequence[Path], *, recursive: bool, poll: bool, interval_s: float
) -> Iterator[Changes]:
    """Events of the system where there are any, else a look every `interval_s` seconds."""
    reason = "" if poll else _no_events(folders)
    if poll or reason:
        note = f"{reason}: it is looked at every {interval_s:g} s" if reason else ""
        yield Changes(interval_s, note)
        return
    from watchdog.observers import Observer

    changes, observer = Changes(LOST_EVENTS_S), Observer()
    try:
        for folder in folders:
            observer.schedule(changes, str(folder), recursive=recursive)  # type: ignore[arg-type, unused-ignore]
        observer.start()
    except OSError as error:  # too many folders for inotify
        changes = Changes(
            interval_s, f"no events ({error.strerror}): it is looked at every {interval_s:g} s"
        )
    try:
        yield changes
    finally:
        if observer.is_alive():
            observer.stop()
            observer.join(2.0)


def _no_events(folders: Sequence[Path]) -> str:
    """Why there would be no events; "" if there are."""
    try:
        import watchdog.observers  # noqa: F401
    except ImportError:
        return "watchdog is not installed (pip install 'esc-cli[watch]')"
    remote = next((kind for kind in map(_file_system, folders) if kind.startswith(_REMOTE)), "")
    return f"{remote} tells nothing of what other machines write" if remote else ""


def _file_system(folder: Path) -> str:
    """The type of the file system that holds a folder, "" where nobody tells."""
    try:
        mounts = {Path(m.mountpoint): m.fstype.lower() for m in psutil.disk_partitions(all=True)}
    except OSError:
        return ""
    place = folder.absolute()
    return next((mounts[above] for above in (place, *place.parents) if above in mounts), "")
