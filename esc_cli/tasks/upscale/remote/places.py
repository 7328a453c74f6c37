"""Where results of a batch with addresses go: a folder of a store, or one of this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Protocol

from esc_cli.errors import DiskError, SetupError, UsageError, WriteError
from esc_cli.files.atomic import atomic_file
from esc_cli.files.remote.address import Address, Given, is_address
from esc_cli.files.remote.failures import StoreError
from esc_cli.files.remote.store import State, Store
from esc_cli.files.targets import check_folder
from esc_cli.media.naming import destination
from esc_cli.media.paths import ARCHIVES, PICTURES
from esc_cli.media.video_suffixes import VIDEOS
from esc_cli.tasks.upscale.records import FileState, OutputRecord, Records
from esc_cli.tasks.upscale.remote.ledger import Ledger

_CHUNK_BYTES = 1 << 20


class Place(Protocol):
    """Results and their records. `output` is the name of a result below the folder, with /."""

    text: str
    """What the folder is called in records of inputs."""

    def open(self) -> None:
        """Read the records. Raises SetupError."""

    def prepare(self) -> None:
        """See before any work whether results can be written. Raises SetupError."""

    def shown(self, output: str) -> Path | Address:
        """As events tell it."""

    def record(self, output: str) -> OutputRecord | None:
        """How a result came about."""

    def records_of(self, text: str) -> list[OutputRecord]:
        """Of all results of an input."""

    def holds(self, output: str) -> bool:
        """Whether something has the name."""

    def is_claimed(self, output: str, text: str) -> bool:
        """Whether an earlier run was about to write this result of this input."""

    def stands(self, record: OutputRecord, *, by_content: bool) -> bool:
        """Whether a result still is what its record says."""

    def claim(self, outputs: Mapping[str, str]) -> None:
        """Before results are made, of these inputs. Raises SetupError."""

    def keep(self, staged: Path, record: OutputRecord, *, keep_times: bool) -> None:
        """Name and record a result; threads may call. Raises WriteError and SetupError."""

    def write(self, *, when_due: bool = False) -> None:
        """Have the records written. Raises SetupError."""


def place_of(output: str, pause: Callable[[float], None], writer: str) -> tuple[Place, str]:
    """The folder that -o names, or the one of the file that it names, and the file's name, else "".

    `writer`: whose the records are. Raises UsageError and SetupError.
    """
    if not is_address(output):
        chosen = destination(("-",), output)
        if chosen is None or chosen.file is None:
            return LocalPlace(Path(output), writer), ""
        return LocalPlace(chosen.root, writer), chosen.file.name
    given = Given(output)
    if given.is_web:
        raise UsageError(f"{given.shown}: web servers are only read", advice="choose another -o")
    folder, name = _one_file(output)
    given = Given(folder)
    return StorePlace(given, Store(given, pause)), name


def _one_file(output: str) -> tuple[str, str]:
    """The folder of an address, and the name of a file where it has a suffix of one."""
    scheme, _, path = output.partition("://")
    folder, slash, name = path.rpartition("/")
    if slash and folder and PurePath(name).suffix.lower() in PICTURES | VIDEOS | ARCHIVES:
        return f"{scheme}://{folder}", name
    return output, ""


@contextmanager
def _setup(text: str) -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        what = f"{text}: cannot be written or read: {error}"
        raise SetupError(
            what, advice="look at the address, the credentials, the connection"
        ) from error


@dataclass
class StorePlace:
    """A folder of a store."""

    given: Given
    store: Store
    _states: dict[str, State] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.text = self.given.shown
        self.ledger = Ledger(self.store)

    def open(self) -> None:
        """As of every place."""
        with _setup(self.text):
            try:
                files = list(self.store.files())
            except StoreError as error:  # of folders that are none yet, and of missing buckets
                if error.kind != "missing":
                    raise
                files = []
            self._states = {"/".join(one.parts): one.state for one in files}
            self.ledger.load(files)

    def prepare(self) -> None:
        """As of every place."""
        with _setup(self.text):
            self.ledger.put_together()
            self.ledger.begin()

    def shown(self, output: str) -> Address:
        """As of every place."""
        return Address(f"{self.text}/{output}")

    def record(self, output: str) -> OutputRecord | None:
        """As of every place."""
        return self.ledger.records.get(output)

    def records_of(self, text: str) -> list[OutputRecord]:
        """As of every place."""
        return self.ledger.of_input(text)

    def holds(self, output: str) -> bool:
        """As of every place."""
        return output in self._states

    def is_claimed(self, output: str, text: str) -> bool:
        """As of every place."""
        return self.ledger.claims.get(output) == text

    def stands(self, record: OutputRecord, *, by_content: bool) -> bool:  # noqa: ARG002
        """By size and version, which is what a store has to tell of contents."""
        state = self._states.get(record.output)
        if state is None or not state.version:
            return False
        return (state.size, state.version) == (record.result.size, record.result.version)

    def claim(self, outputs: Mapping[str, str]) -> None:
        """As of every place."""
        with _setup(self.text):
            self.ledger.claim(outputs)

    def keep(self, staged: Path, record: OutputRecord, *, keep_times: bool) -> None:  # noqa: ARG002
        """As of every place."""
        try:
            state = self.store.put(staged, record.output)
        except StoreError as error:
            what = f"cannot be uploaded to {self.shown(record.output)}: {error}"
            if error.kind in {"denied", "missing"}:
                raise SetupError(what, advice="look at the credentials and the bucket") from error
            raise WriteError(what) from error
        self._states[record.output] = state
        size = record.result.size if state.size is None else state.size
        result = FileState(size, state.mtime_ns, record.result.sha256, state.version)
        with _setup(self.text):
            self.ledger.add(replace(record, result=result))

    def write(self, *, when_due: bool = False) -> None:
        """As of every place."""
        with _setup(self.text):
            self.ledger.write(when_due=when_due)


@dataclass
class LocalPlace:
    """A folder of this machine, with records as every output folder has them."""

    root: Path
    writer: str

    def __post_init__(self) -> None:
        self.text = str(self.root)
        self.records = Records(self.root, self.writer)

    def open(self) -> None:
        """As of every place."""
        if self.root.is_file():
            raise UsageError("is a file, and a folder is needed", self.root, "choose another -o")
        _ = self.records.by_output

    def prepare(self) -> None:
        """As of every place."""
        check_folder(self.root)

    def shown(self, output: str) -> Path:
        """As of every place."""
        return self.root / output

    def record(self, output: str) -> OutputRecord | None:
        """As of every place."""
        return self.records.find(self.root / output)

    def records_of(self, text: str) -> list[OutputRecord]:
        """As of every place."""
        return list(self.records.of_input(text))

    def holds(self, output: str) -> bool:
        """As of every place."""
        return os.path.lexists(self.root / output)

    def is_claimed(self, output: str, text: str) -> bool:  # noqa: ARG002
        """Never: here a record is there before its result."""
        return False

    def stands(self, record: OutputRecord, *, by_content: bool) -> bool:
        """As of every place."""
        return record.result.fits(self.root / record.output, by_content)

    def claim(self, outputs: Mapping[str, str]) -> None:
        """Nothing: see `is_claimed`."""

    def keep(self, staged: Path, record: OutputRecord, *, keep_times: bool) -> None:
        """As of every place: a copy, since the staging folder may lie on another disk."""
        target = self.root / record.output

        def note(status: os.stat_result) -> None:
            result = replace(record.result, size=status.st_size, mtime_ns=status.st_mtime_ns)
            self.records.append(replace(record, result=result))

        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DiskError(f"cannot be created: {error.strerror}", target.parent) from error
        with atomic_file(target, before_rename=note) as part, staged.open("rb") as stream:
            part.mtime_ns = record.source.mtime_ns if keep_times else None
            while chunk := stream.read(_CHUNK_BYTES):
                part.stream.write(chunk)

    def write(self, *, when_due: bool = False) -> None:
        """Nothing: each record is written at once."""
