"""Where the records of a folder stand in its files: of each 32 bytes are held, and not the record.

There may be ten millions of them, and a batch asks for each once or twice.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from esc_cli.errors import DiskError
from esc_cli.files.jsonl import each_line_at, objects

if TYPE_CHECKING:
    from esc_cli.tasks.upscale.records import OutputRecord

_FILE = 1 << 40
"""A place is the number of a file times this, and the byte at which the line begins."""
READ_AHEAD = 1 << 16
"""Bytes that are read at once: who asks in order finds the next ones among them."""
HELD = 1 << 14
"""Records that are held as they are: few enough for any memory."""
MOST_ADDED = 1 << 15
"""Records that are added before they are sorted in."""
Numbers = NDArray[np.int64]


class RecordIndex(Mapping[str, "OutputRecord"]):
    """The last record of each output in files of JSON lines, as they are now, and those of `add`.

    Within a file that is the last line, of several files the one that was written last. `parse`: an
    entry -> its record, None for what is none. Raises OSError; and DiskError when a line that was
    there can no longer be read. Threads may ask and add.
    """

    def __init__(
        self,
        files: Sequence[Path],
        parse: Callable[[dict[str, Any]], OutputRecord | None],
        passes: Callable[[Path, OSError], bool],
    ) -> None:
        self._files, self._parse = list(files), parse
        self._lock = threading.RLock()
        self._ahead: tuple[int, int, bytes] = (-1, 0, b"")
        self._added: dict[int, int] = {}
        self._held: dict[int, OutputRecord] = {}
        outputs, inputs, times, places = self._scanned(passes)
        order = np.lexsort((times, outputs))  # stable: of one time the later line is the last
        ordered = outputs[order]
        last = order[np.append(ordered[1:] != ordered[:-1], True)] if len(order) else order
        del order, ordered
        self._outputs, self._places = outputs[last], places[last]
        by_input = last[np.lexsort((times[last], inputs[last]))]
        self._inputs, self._input_places = inputs[by_input], places[by_input]

    def _scanned(self, passes: Callable[[Path, OSError], bool]) -> tuple[Numbers, ...]:
        """Of each line the digests of output and input, when it was written, and its place."""
        columns = tuple(array("q") for _ in range(4))
        for number, path in enumerate(self._files):
            latest = 0
            try:
                for offset, entry in each_line_at(path):
                    record = self._parse(entry)
                    if record is not None:
                        latest = max(latest, record.at_ns)  # a clock may have been set back
                        place = number * _FILE + offset
                        row = _digest(record.output), _digest(record.input), latest, place
                        for column, value in zip(columns, row, strict=True):
                            column.append(value)
                        if len(self._held) < HELD:
                            self._held[place] = record
            except OSError as error:
                if not passes(path, error):
                    raise
        return tuple(np.frombuffer(one, np.int64) if one else _EMPTY for one in columns)

    def __len__(self) -> int:
        """Outputs that have a record."""
        return len(self._outputs) + len(self._added)

    def __iter__(self) -> Iterator[str]:
        """The outputs, in the order of the lines."""
        with self._lock:
            places = sorted([*self._places.tolist(), *self._added.values()])
        for place in places:
            record = self._record(place)
            if record is not None:
                yield record.output

    def __getitem__(self, output: str) -> OutputRecord:
        """The record of an output. Raises KeyError."""
        digest = _digest(output)
        with self._lock:
            place = self._added.get(digest)
            if place is None:
                row = self._row(digest)
                place = None if row is None else int(self._places[row])
            record = None if place is None else self._record(place)
        if record is None or record.output != output:
            raise KeyError(output)
        return record

    def of_input(self, text: str) -> Iterator[OutputRecord]:
        """The records of all results of an input, the last one first, without those of `add`."""
        digest = _digest(text)
        first, end = (int(np.searchsorted(self._inputs, digest, side)) for side in _SIDES)
        for row in reversed(range(first, end)):
            record = self._record(int(self._input_places[row]))
            if record is not None and record.input == text:
                yield record

    def add(self, record: OutputRecord, path: Path, offset: int) -> None:
        """A record that was appended to a file, at this byte."""
        with self._lock:
            if path not in self._files:
                self._files.append(path)
            place, digest = self._files.index(path) * _FILE + offset, _digest(record.output)
            row = self._row(digest)
            self._held.pop(place, None)  # of a file that was there before
            if row is not None:
                self._places[row] = place
                return
            self._added[digest] = place
            if len(self._added) >= MOST_ADDED:
                self._sort_in()

    def _sort_in(self) -> None:
        outputs = np.concatenate([self._outputs, np.array([*self._added], np.int64)])
        places = np.concatenate([self._places, np.array([*self._added.values()], np.int64)])
        order = np.argsort(outputs)
        self._outputs, self._places, self._added = outputs[order], places[order], {}

    def _row(self, digest: int) -> int | None:
        row = int(np.searchsorted(self._outputs, digest))
        return row if row < len(self._outputs) and self._outputs[row] == digest else None

    def _record(self, place: int) -> OutputRecord | None:
        """What stands there; None where the file has become another since."""
        with self._lock:
            record = self._held.get(place)
            if record is None:
                line = self._line(*divmod(place, _FILE))
                record = next(filter(None, map(self._parse, objects([line]))), None)
                if record is not None:
                    if len(self._held) >= HELD:
                        self._held.pop(next(iter(self._held), place), None)
                    self._held[place] = record
            return record

    def _line(self, number: int, offset: int) -> bytes:
        read, start, content = self._ahead
        at = offset - start
        end = content.find(b"\n", at) if read == number and 0 <= at < len(content) else -1
        if end >= 0:
            return content[at:end]
        path = self._files[number]
        try:
            with path.open("rb") as stream:
                stream.seek(offset)
                content = stream.read(READ_AHEAD)
                if b"\n" not in content:
                    content += stream.readline()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise DiskError(f"cannot be read: {error.strerror}", path) from error
        self._ahead = number, offset, content
        return content.partition(b"\n")[0]


_EMPTY: Numbers = np.empty(0, np.int64)
_SIDES: tuple[Any, Any] = ("left", "right")


def _digest(text: str) -> int:
    """64 bits that stand for a text in this process; what they lead to is compared with it."""
    return hash(text)
