"""One store: what it holds, and whole files from and to it. Whatever may pass is tried again."""

from __future__ import annotations

import re
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from esc_cli.files.remote.address import Given
from esc_cli.files.remote.failures import StoreError, store_failures
from esc_cli.files.remote.library import WHOLE_OR_NOTHING, open_library
from esc_cli.files.retries import STORE_PAUSES_S, BrokenError, patiently

T = TypeVar("T")
_TAGS = ("etag", "e_tag", "content_md5", "md5hash", "generation", "versionid", "version_id")
_TIMES = ("lastmodified", "last_modified", "updated", "modified", "mtime", "created")
_DEEPEST = 32
"""Folders in folders that are listed of a web server, whose pages may lead in circles."""
_NO_TIME_S = 946_684_800  # the year 2000


@dataclass(frozen=True)
class State:
    """A file as a store tells of it: bytes (None where it does not), and what changes with its
    content: ETag, digest, generation or version, or else its time; "" where it tells nothing.

    `mtime_ns`: its time since 1970, in which also the version has a part.
    """

    size: int | None
    version: str
    mtime_ns: int

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> State:
        """From what fsspec tells."""
        told = {key.lower().replace("-", "_"): value for key, value in info.items() if value}
        tags = [str(told[name]).strip('"') for name in _TAGS if name in told]
        time = next((told[name] for name in _TIMES if name in told), None)
        version = " ".join(dict.fromkeys(tags)) or ("" if time is None else _time_text(time))
        size = info.get("size")
        return cls(None if size is None else int(size), version, _time_ns(time, version))


def _time_text(time: Any) -> str:
    """The same for a time that one question tells as a date and another as seconds."""
    seconds = time.timestamp() if isinstance(time, datetime) else time
    return f"{seconds:.6f}" if isinstance(seconds, (int, float)) else str(seconds)


def _time_ns(time: Any, version: str) -> int:
    """Whole seconds of the time; below them digits of the version."""
    seconds = _NO_TIME_S
    if isinstance(time, str):
        try:
            time = parsedate_to_datetime(time)
        except ValueError:
            time = None
    if isinstance(time, datetime):
        seconds = int(time.timestamp())
    elif isinstance(time, (int, float)):
        seconds = int(time)
    return seconds * 10**9 + zlib.crc32(version.encode()) % 10**9


@dataclass(frozen=True)
class StoredFile:
    """A file in a store. path: in the store, perhaps with secrets. shown: its address without.
    parts: its name below the folder that was listed."""

    path: str
    shown: str
    parts: tuple[str, ...]
    state: State


@dataclass
class Store:
    """A folder or file behind an address. `pause` waits between attempts, and may raise.

    Every method raises StoreError. Threads may call at once.
    """

    given: Given
    pause: Callable[[float], None]
    _lock: AbstractContextManager[Any] = field(default_factory=nullcontext)

    def __post_init__(self) -> None:
        """Raise as `open_library`."""
        self._files, path = open_library(self.given)
        self.root = path.rstrip("/")
        if not self._files.async_impl:  # its connection serves one at a time
            self._lock = threading.RLock()

    def look(self) -> StoredFile | None:
        """The file of this address; None for a folder, or what may be one."""
        if self.given.raw.endswith("/"):
            return None
        info = self._asked(lambda: self._files.info(self.root))
        if info.get("type") == "directory":
            return None
        name = re.sub(r"[?#].*", "", self.root) if self.given.is_web else self.root
        return StoredFile(
            self.root, self.given.shown, self._parts(name.rpartition("/")[2]), State.of(info)
        )

    def files(self, *, recursive: bool = True) -> Iterator[StoredFile]:
        """The files of the folder, in order of their names."""
        found = self._asked(lambda: self._find(1 if not recursive else None))
        for path in sorted(found):
            info = found[path]
            if info.get("type") != "directory" and not path.endswith("/"):
                relative = path.removeprefix(self.root).removeprefix("/")
                shown = f"{self.given.shown}/{relative}"
                yield StoredFile(path, shown, self._parts(relative), State.of(info))

    def _parts(self, relative: str) -> tuple[str, ...]:
        parts = relative.split("/")
        return tuple(map(unquote, parts) if self.given.is_web else parts)

    def _find(self, depth: int | None) -> dict[str, Any]:
        own = {} if self.given.scheme in WHOLE_OR_NOTHING - {"memory"} else {"on_error": "raise"}
        if self.given.is_web and depth is None:
            depth = _DEEPEST
        path = f"{self.root}/" if self.given.is_web else self.root
        found: dict[str, Any] = self._files.find(path, maxdepth=depth, detail=True, **own)
        return found

    def state(self, path: str) -> State:
        """What the store tells of a file now."""
        return self._asked(lambda: State.of(self._files.info(path)))

    def fetch(self, held: StoredFile, target: Path, check: Callable[[int], None]) -> State:
        """Download a file; its state, which is newer than `held` where it has changed meanwhile.

        `check` gets the bytes so far, and may raise. Raises DiskError when there is no space.
        """
        state = held.state

        def attempt() -> State:
            nonlocal state
            target.unlink(missing_ok=True)
            with self._calling(target):
                self._files.get_file(held.path, str(target), callback=_callback(check))
                before, state = state, State.of(self._files.info(held.path))
            size = target.stat().st_size
            if state.size not in {None, size}:
                raise BrokenError(f"the transfer ended after {size} of {state.size} bytes")
            if before.version and state.version != before.version:
                raise BrokenError("it changed while it was read")
            return state

        return self._tried(attempt)

    def put(self, source: Path, relative: str) -> State:
        """Upload a whole file below this folder, in place of what has its name; its state.

        Stores of objects show it when it is complete. Elsewhere it gets its name when it is there.
        """
        path = self.path_of(relative)

        def attempt() -> State:
            with self._calling():
                self._upload(source, path)
                state = State.of(self._files.info(path))
            if state.size not in {None, source.stat().st_size}:
                raise BrokenError(f"{state.size} bytes have arrived")
            return state

        return self._tried(attempt)

    def _upload(self, source: Path, path: str) -> None:
        if self.given.scheme in WHOLE_OR_NOTHING:
            self._files.put_file(str(source), path)
            return
        folder, _, name = path.rpartition("/")
        part = f"{folder}/.{name}.esc-part"
        self._files.makedirs(folder, exist_ok=True)
        self._files.put_file(str(source), part)
        self._files.mv(part, path)

    def read(self, path: str) -> bytes:
        """The content of a small file."""
        return self._asked(lambda: bytes(self._files.cat_file(path)))

    def remove(self, path: str) -> None:
        """Remove a file; no error where it is gone."""
        try:
            self._asked(lambda: self._files.rm_file(path))
        except StoreError as error:
            if error.kind != "missing":
                raise

    def path_of(self, relative: str) -> str:
        """The path of a file below this folder."""
        return f"{self.root}/{relative}"

    def _asked(self, question: Callable[[], T]) -> T:
        def attempt() -> T:
            with self._calling():
                return question()

        return self._tried(attempt)

    def _tried(self, attempt: Callable[[], T]) -> T:
        try:
            return patiently(attempt, self.pause)
        except BrokenError as error:
            count = len(STORE_PAUSES_S) + 1
            raise StoreError(f"{error} ({count} attempts)", "broken") from error

    @contextmanager
    def _calling(self, staged: Path | None = None) -> Iterator[None]:
        with self._lock, store_failures(self.given.hide, staged):
            yield


def _callback(check: Callable[[int], None]) -> Any:
    """What fsspec tells of the bytes that have come."""
    from fsspec.callbacks import Callback

    class Counting(Callback):  # type: ignore[misc]
        def relative_update(self, inc: int = 1) -> None:
            super().relative_update(inc)
            check(self.value)

    return Counting()
