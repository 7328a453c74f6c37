"""Records in a store, which cannot be appended to: files of JSON lines, each written whole.

A run writes files of its own, so that several may work at once. Before results are made, their
names are claimed; when one is there, its record says how it came about. So there is no moment at
which a result exists of which no line tells, and what a killed run claimed is done again.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from esc_cli.files.jsonl import objects
from esc_cli.files.remote.failures import StoreError
from esc_cli.files.remote.store import Store, StoredFile
from esc_cli.tasks.upscale.records import OutputRecord

FOLDER = ".esc-records"
LINES_OF_A_FILE = 1000
"""After so many a run begins another file, so that writing one stays quick."""
WRITTEN_EVERY_S = 2.0
_READERS = 8
_MANY_FILES = 20
"""So many small files are put together."""
_LOOKS = 3
"""A file that another run has put together with others is in a newer listing no more."""


@dataclass
class Ledger:
    """The records below one folder of a store. Raises StoreError."""

    store: Store
    records: dict[str, OutputRecord] = field(default_factory=dict)
    claims: dict[str, str] = field(default_factory=dict)
    _by_input: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _lines: list[str] = field(default_factory=list)
    _written: int = 0
    _at: float = 0.0
    _name: str = ""
    _small: list[StoredFile] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()  # uploads of several threads end at once

    def load(self, files: Iterable[StoredFile]) -> None:
        """Read the files of all runs; `files`: those of the folder that are known."""
        texts = self._read([one for one in files if _is_ledger(one)], _LOOKS)
        for _, text in texts:
            for entry in objects(text.split(b"\n")):
                self._take(entry)
        self._small = [one for one, text in texts if text.count(b"\n") < LINES_OF_A_FILE]

    def _read(self, own: list[StoredFile], looks: int) -> list[tuple[StoredFile, bytes]]:
        try:
            with ThreadPoolExecutor(_READERS) as readers:
                texts = list(readers.map(lambda one: self.store.read(one.path), own))
        except StoreError as error:
            if error.kind != "missing" or looks == 1:
                raise
            newer = [one for one in self.store.files() if _is_ledger(one)]
            return self._read(newer, looks - 1)
        return list(zip(own, texts, strict=True))

    def _take(self, entry: dict[str, Any]) -> None:
        if isinstance(entry.get("claimed"), str):
            self.claims[entry["claimed"]] = str(entry.get("input"))
            return
        record = OutputRecord.from_entry(entry)
        if record is None or not isinstance(record.output, str):
            return
        other = self.records.get(record.output)
        if other is None or other.at_ns <= record.at_ns:
            self.records[record.output] = record
            self._by_input[record.input].add(record.output)

    def of_input(self, text: str) -> list[OutputRecord]:
        """The records of all results of an input."""
        found = (self.records[output] for output in sorted(self._by_input.get(text, ())))
        return [record for record in found if record.input == text]

    def begin(self) -> None:
        """Begin a file of this run, whose writing shows whether the store takes any."""
        self._name = f"{FOLDER}/{time.time_ns():020d}-{secrets.token_hex(4)}.jsonl"
        self._lines, self._written = [], -1
        self.write()

    def put_together(self) -> None:
        """Where runs have left many small files, make one of them."""
        if len(self._small) < _MANY_FILES:
            return
        self.begin()
        outputs = sorted(self.records)
        self._lines = [_line(self.records[output].as_entry()) for output in outputs]
        claimed = set(self.claims) - set(self.records)
        self._lines += [_claim(output, self.claims[output]) for output in sorted(claimed)]
        self.write()
        for one in self._small:
            self.store.remove(one.path)
        self._small = []
        self._name = ""

    def claim(self, outputs: Mapping[str, str]) -> None:
        """Say that these outputs will be made, each of its input, before they are there."""
        if not outputs:
            return
        with self._lock:
            self._append([_claim(output, text) for output, text in outputs.items()])
            self.claims.update(outputs)
            self.write()

    def add(self, record: OutputRecord) -> None:
        """Keep a record, which `write` writes."""
        record = replace(record, at_ns=time.time_ns())
        with self._lock:
            self._append([_line(record.as_entry())])
            self.records[record.output] = record

    def _append(self, lines: list[str]) -> None:
        if not self._name or len(self._lines) >= LINES_OF_A_FILE:
            self.write()
            self.begin()
        self._lines += lines

    def write(self, *, when_due: bool = False) -> None:
        """Write what was added since, with `when_due` only after a while."""
        with self._lock:
            waits = when_due and time.monotonic() - self._at < WRITTEN_EVERY_S
            if not self._name or waits or self._written == len(self._lines):
                return
            handle, name = tempfile.mkstemp(prefix="esc-records-")
            try:
                with os.fdopen(handle, "w", encoding="ascii") as stream:
                    stream.writelines(self._lines)
                self.store.put(Path(name), self._name)
            finally:
                Path(name).unlink()
            self._written, self._at = len(self._lines), time.monotonic()


def _is_ledger(held: StoredFile) -> bool:
    return len(held.parts) == 2 and held.parts[0] == FOLDER and held.path.endswith(".jsonl")


def _claim(output: str, text: str) -> str:
    return _line({"claimed": output, "input": text})


def _line(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry, separators=(",", ":")) + "\n"
