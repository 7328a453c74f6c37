"""The inputs of a batch with addresses: what stores list, and local files among them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from esc_cli.errors import ItemError, ReadError, SetupError, UsageError
from esc_cli.files.remote.address import Address, Given, is_address
from esc_cli.files.remote.failures import StoreError
from esc_cli.files.remote.store import State, Store, StoredFile
from esc_cli.media.paths import Source, chosen_by_name, find_sources
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.shard import family

_LONGEST_NAME_BYTES = 255
"""Of a part of a path, on nearly every file system."""


@dataclass(frozen=True)
class Entry:
    """An input. `source`: where it lies, or will lie when it is staged from `store`.

    text: what records know it by, the address or the absolute path.
    """

    text: str
    source: Source
    state: State
    stored: StoredFile | None = None
    store: Store | None = field(default=None, repr=False)

    @property
    def shown(self) -> Path | Address:
        """As events tell it."""
        return self.source.path if self.stored is None else Address(self.text)

    @property
    def family(self) -> tuple[str, str]:
        """Inputs with the same may want the same name for their results."""
        folder = os.fspath(self.source.folder or "")
        root = folder if self.stored is None else PurePath(folder).name
        return root, family(self.source)


@dataclass
class Inputs:
    """All inputs of a batch, and what a scan tells besides; as `media.paths.Found`."""

    entries: list[Entry] = field(default_factory=list)
    problems: list[tuple[Path | Address, ItemError]] = field(default_factory=list)
    no_pictures: int = 0
    earlier_outputs: tuple[Path, ...] = ()
    empty_folders: list[Path | Address] = field(default_factory=list)

    @property
    def families(self) -> list[list[Entry]]:
        """The entries in order, those of a family together."""
        groups: dict[tuple[str, str], list[Entry]] = {}
        for entry in self.entries:
            groups.setdefault(entry.family, []).append(entry)
        return list(groups.values())


@dataclass
class Lister:
    """Finds the inputs of a batch. `staged`: the folder below which they will be staged.

    `left_out`: the folder that results go to, as a text. Raises UsageError where that is an input.
    """

    options: UpscaleOptions
    staged: Path
    pause: Callable[[float], None]
    left_out: str

    def __post_init__(self) -> None:
        folders = [Given(name).shown for name in self.options.inputs if is_address(name)]
        if self.left_out in folders:
            advice = "choose another -o"
            raise UsageError(f"{self.left_out}: results would replace inputs there", advice=advice)
        self._around = any(folder.startswith(f"{self.left_out}/") for folder in folders)

    def inputs(self) -> Inputs:
        """Raises UsageError when an address holds nothing, or there is nothing to do at all, and
        SetupError for a store that cannot be reached."""
        inputs = Inputs()
        local = tuple(name for name in self.options.inputs if not is_address(name))
        if local:
            self._add_local(local, inputs)
        for name in self.options.inputs:
            if is_address(name):
                self._add_store(Given(name), inputs)
        inputs.entries = list({entry.text: entry for entry in inputs.entries}.values())
        if not inputs.entries and not inputs.problems:
            advice = "see --include and --help"
            raise UsageError(f"{self._first}: no pictures or videos found", advice=advice)
        return inputs

    @property
    def _first(self) -> str:
        first = self.options.inputs[0]
        return Given(first).shown if is_address(first) else first

    def _add_local(self, names: tuple[str, ...], inputs: Inputs) -> None:
        found = find_sources(
            names,
            self.options.selection,
            output_root=None if is_address(self.left_out) else Path(self.left_out),
            source_of=lambda _: None,
        )
        inputs.entries += [_local(source) for source in found.sources]
        inputs.problems += found.problems
        inputs.no_pictures += found.no_pictures
        inputs.empty_folders += found.empty_folders

    def _add_store(self, given: Given, inputs: Inputs) -> None:
        with listing_failures(given):
            store = Store(given, self.pause)
            one = store.look()
            if one is not None:
                self._add_held(store, one, None, inputs)
                return
            before, entries = len(inputs.entries), 0
            stored = list(store.files(recursive=self.options.selection.recursive))
            folders = {one.parts[:n] for one in stored for n in range(1, len(one.parts))}
            for one in stored:
                entries += 1
                if self._wanted(one, inputs):
                    self._add_held(store, one, folders, inputs)
        if not entries:
            raise UsageError(f"{given.shown}: no such file or folder, or nothing in it")
        if len(inputs.entries) == before:
            inputs.empty_folders.append(Address(given.shown))

    def _wanted(self, stored: StoredFile, inputs: Inputs) -> bool:
        hidden = any(part.startswith(".") and part.strip(".") for part in stored.parts)
        below = stored.shown.startswith(f"{self.left_out}/") and not self._around
        if hidden or below:
            return False
        chosen = chosen_by_name(PurePath(*stored.parts), self.options.selection)
        inputs.no_pictures += chosen is None
        return bool(chosen)

    def _add_held(
        self, store: Store, stored: StoredFile, folders: set[tuple[str, ...]] | None, inputs: Inputs
    ) -> None:
        """An entry, or a problem; `folders`: those that were listed, None for one file alone."""
        why = unsafe(stored.parts)
        if not why and stored.parts in (folders or ()):
            why = "a folder of the store has the same name, and no disk holds both"
        if why:
            inputs.problems.append((Address(stored.shown), ReadError(why)))
            return
        if stored.state.size is None and folders is not None:
            try:
                stored = replace(stored, state=store.state(stored.path))
            except StoreError as error:
                inputs.problems.append((Address(stored.shown), ReadError(str(error))))
                return
        inputs.entries.append(
            Entry(stored.shown, self._place(store, stored, folders), stored.state, stored, store)
        )

    def _place(
        self, store: Store, stored: StoredFile, folders: set[tuple[str, ...]] | None
    ) -> Source:
        """A folder for each, so that what differs by case alone, or is no path, does no harm."""
        own = self.staged / hashlib.sha256(stored.shown.encode()).hexdigest()[:24]
        if folders is None:
            return Source(own / stored.parts[0])
        name = Address(store.given.shown).name
        root = own / (name if not unsafe((name,)) else "files")
        return Source(root.joinpath(*stored.parts), root)


@contextmanager
def listing_failures(given: Given) -> Iterator[None]:
    """StoreError as UsageError for what is not there, as SetupError for the rest."""
    try:
        yield
    except StoreError as error:
        what = f"{given.shown}: {error}"
        if error.kind == "missing":
            raise UsageError(what, advice="look at the address") from error
        advice = "look at the address, the credentials and the connection, and run it again"
        raise SetupError(what, advice=advice) from error


def unsafe(parts: tuple[str, ...]) -> str:
    """Why names of a store can be no path below a folder; "" if they can."""
    for part in parts:
        if part in {"", os.curdir, os.pardir} or "\0" in part:
            return "its name has a part that is empty, or leads to another folder"
        if "/" in part or os.sep in part or (os.name == "nt" and set(part) & set('<>:"|?*')):
            return "a part of its name is no name of a file"
        try:
            too_long = len(os.fsencode(part)) > _LONGEST_NAME_BYTES
        except UnicodeEncodeError:
            return "its name is no text"
        if too_long:
            return f"a part of its name has more than {_LONGEST_NAME_BYTES} bytes"
    return ""


def _local(source: Source) -> Entry:
    status = source.path.stat() if source.path.exists() else None
    size = None if status is None else status.st_size
    return Entry(str(source.absolute), source, State(size, "", 0))


def shared_out(inputs: Inputs, options: UpscaleOptions) -> int:
    """Keep the entries of this machine's share; how many are left to others."""
    if options.shard is None:
        return 0
    before = len(inputs.entries)
    inputs.entries = [one for one in inputs.entries if options.shard.holds(one.source)]
    return before - len(inputs.entries)
