"""The staging folder: inputs downloaded ahead, within a bound, and results on their way."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import platformdirs

from esc_cli.errors import DiskError, EscError, ReadError, StoppedError, counted
from esc_cli.files.atomic import file_failures
from esc_cli.files.lock import Lock
from esc_cli.files.remote.failures import StoreError
from esc_cli.files.remote.store import State
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.remote.entries import Entry

DOWNLOADS = 4
MOST_AT_ONCE = 256
"""Inputs that are handed out together."""
_TICK_S = 0.2
_SEVERAL = 64
_PARTLY_DONE = (".esc-segments", ".esc-pictures")
"""Folders in which finished parts of videos and archives wait for the next run."""


@dataclass(frozen=True)
class Folder:
    """A staging folder that is held by this process."""

    path: Path
    lock: Lock

    @property
    def inputs(self) -> Path:
        """Below which inputs are staged."""
        return self.path / "in"

    @property
    def results(self) -> Path:
        """The output folder of the staged batch."""
        return self.path / "out"

    @property
    def result_bytes(self) -> int:
        """What results, finished or not, take now."""
        return sum(p.stat().st_size for p in self.results.rglob("*") if p.is_file())

    def clear(self, *, parts: bool = False) -> None:
        """Remove everything, but for finished parts of videos and archives, unless `parts`."""
        shutil.rmtree(self.inputs, ignore_errors=True)
        for path in sorted(self.results.rglob("*"), reverse=True):
            kept = not parts and any(
                one.name.endswith(_PARTLY_DONE) for one in (path, *path.parents)
            )
            with contextlib.suppress(OSError):  # of folders that are not empty
                if not kept:
                    path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()

    def leave(self) -> None:
        """Let others have it, and remove it if it is empty."""
        self.clear()
        self.lock.release()
        for path in (self.results, self.lock.path, self.path):
            with contextlib.suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()


@contextlib.contextmanager
def staging_folder(chosen: str | None, key: str) -> Iterator[Folder]:
    """The folder for runs with this key: the same each time, so that a killed one is gone on from.

    While another process holds it, one beside it. Raises DiskError.
    """
    base = Path(chosen) if chosen else platformdirs.user_cache_path("esc") / "staging"
    name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    for number in range(_SEVERAL):
        path = base / (f"{name}.{number + 1}" if number else name)
        lock = Lock(path / "lock", "choose another --staging")
        with file_failures(path, "choose another --staging"):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if lock.take():
            break
    else:
        raise DiskError(f"{_SEVERAL} runs of esc are at work there", base, "wait for one")
    folder = Folder(path, lock)
    shutil.rmtree(folder.inputs, ignore_errors=True)
    try:
        yield folder
    finally:
        folder.leave()


@dataclass
class Staged:
    """An input that is here, or the error of its download."""

    entry: Entry
    error: EscError | None = None


@dataclass
class Stager:
    """Downloads families of inputs ahead, in order, by a few threads.

    Not more than `window` bytes lie here, but for one input that is larger. `limit`: of one input
    whose size nobody tells.
    """

    families: deque[list[Entry]]
    window: int
    limit: int
    stop: Stop
    _ready: deque[Staged] = field(default_factory=deque)
    _held: dict[Path, int] = field(default_factory=dict)
    _working: int = 0

    def __post_init__(self) -> None:
        self._change = threading.Condition()
        self._closed = False

    @property
    def held_bytes(self) -> int:
        """What inputs take that are here or come."""
        with self._change:
            return sum(self._held.values())

    @contextlib.contextmanager
    def running(self) -> Iterator[Stager]:
        """Within, inputs come. Threads that wait for a server are left behind at the end."""
        for _ in range(min(DOWNLOADS, len(self.families))):
            threading.Thread(target=self._work, daemon=True).start()
        try:
            yield self
        finally:
            with self._change:
                self._closed = True
                self._change.notify_all()

    def take(self) -> list[Staged]:
        """What is here, at least one input; empty at the end, and when it is to stop."""
        with self._change:
            while not self._ready and (self.families or self._working):
                if self.stop or self.stop.is_due:
                    return []
                self._change.wait(_TICK_S)
            count = min(len(self._ready), MOST_AT_ONCE)
            taken = [self._ready.popleft() for _ in range(count)]
            while self._ready and self._ready[0].entry.family == taken[-1].entry.family:
                taken.append(self._ready.popleft())
            return taken

    def release(self, entry: Entry) -> None:
        """Remove a staged input."""
        if entry.stored is not None:
            with contextlib.suppress(OSError):
                entry.source.path.unlink(missing_ok=True)
        with self._change:
            self._held.pop(entry.source.path, None)
            self._change.notify_all()

    def _work(self) -> None:
        while (family := self._next()) is not None:
            done = [self._staged(entry) for entry in family]
            with self._change:
                self._ready.extend(done)
                self._working -= 1
                self._change.notify_all()

    def _next(self) -> list[Entry] | None:
        """The next family, once there is room for it."""
        with self._change:
            while self.families and not self._closed and not self.stop:
                need = sum(self._need(entry) for entry in self.families[0])
                used = sum(self._held.values())
                if not used or used + need <= self.window:
                    family = self.families.popleft()
                    self._held |= {one.source.path: self._need(one) for one in family}
                    self._working += 1
                    return family
                self._change.wait(_TICK_S)
            return None

    def _need(self, entry: Entry) -> int:
        if entry.stored is None:
            return 0
        return self.limit if entry.state.size is None else entry.state.size

    def _staged(self, entry: Entry) -> Staged:
        if entry.stored is None or entry.store is None:
            return Staged(entry)
        try:
            return Staged(replace(entry, state=self._download(entry)))
        except StoreError as error:
            return Staged(entry, ReadError(f"cannot be downloaded: {error}"))
        except EscError as error:
            return Staged(entry, error)
        except OSError as error:
            return Staged(entry, ReadError(f"cannot be staged: {error.strerror}"))
        except Exception as error:  # noqa: BLE001 - a fault of ours in one item must not stop the batch
            what = f"unexpected {type(error).__name__}: {error}"
            return Staged(entry, EscError(what, advice="please report this"))

    def _download(self, entry: Entry) -> State:
        if entry.stored is None or entry.store is None:
            raise ValueError("what is here is not downloaded")
        target = entry.source.path
        target.parent.mkdir(parents=True, exist_ok=True)
        most = self._need(entry)

        def check(count: int) -> None:
            self.stop.check()
            if self._closed:
                raise StoppedError(0)
            if count > most:
                what = f"the server sends more than {counted(most, 'byte')}"
                raise StoreError(what, "refused")

        state = entry.store.fetch(entry.stored, target, check)
        os.utime(target, ns=(state.mtime_ns, state.mtime_ns))
        with self._change:  # of one whose size nobody had told, room for all had been kept
            self._held[target] = target.stat().st_size
        return state


def waiting(stop: Stop) -> Callable[[float], None]:
    """Waits so many seconds, unless `stop` says so: then it raises StoppedError."""
    event = threading.Event()

    def pause(seconds: float) -> None:
        left = seconds
        while left > 0:
            stop.check()
            event.wait(min(_TICK_S, left))
            left -= _TICK_S
        stop.check()

    return pause
