"""Every error that esc raises on purpose, and the exit code that it leads to.

    EscError                      1
    |-- UsageError                2   wrong options, or nothing to do
    |-- SetupError                3   the environment: fix it and run again
    |   |-- WeightsError              a checkpoint that is missing, damaged or not an ESC network
    |   |-- DeviceError               a device that is not there, or an encoder that needs one
    |   |-- MissingExtraError         an optional dependency that is not installed
    |   |-- UnreachableError          a server that cannot be reached, or does not answer
    |   `-- DiskError                 no space, or a folder that cannot be written
    |-- ItemError                 1   one input failed; the others go on
    |   |-- ReadError                 cannot be opened or decoded
    |   |-- UnsupportedError          a kind of file or picture that is refused by name
    |   |-- TooLargeError             for --max-pixels, the memory or the result's format
    |   |-- WriteError                the result could not be written
    |   |-- DeviceMemoryError         does not fit the device, even in the smallest tile
    |   `-- NonFiniteError            NaN or Inf even in float32
    |-- TrainingError             1   a training run that cannot go on
    |-- DeadlineError            75   --deadline or --max-minutes: run again to go on
    `-- StoppedError            128+n   stopped by signal n (130 SIGINT, 143 SIGTERM)

A message says what happened, to which file, and what to do about it.
"""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path


def shown(path: str | os.PathLike[str]) -> str:
    """A path for a message: on one line, printable on every terminal, never raising.

    Control characters and line ends are escaped; bytes that are no UTF-8 appear as ``\\xNN``.
    """
    text = os.fspath(path)
    return "".join(_printable(character) for character in text)


def _printable(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that os.fsdecode could not decode
        return f"\\x{ord(character) - 0xDC00:02x}"
    # Cc, Cs, Zl, Zp and Cf: the last holds the marks that turn the direction of text around.
    if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} or character in "\u202d\u202e":
        return character.encode("unicode_escape", "backslashreplace").decode("ascii")
    return character


def counted(number: int, noun: str) -> str:
    """A number with its noun, for a message: "1 picture", "1,078 pictures"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class EscError(Exception):
    """The root: `what` happened, to which `path`, and `advice` on what to do."""

    exit_code = 1

    def __init__(self, what: str, path: str | os.PathLike[str] | None = None, advice: str = ""):
        super().__init__(what, path, advice)
        self.what = what
        self.path = None if path is None else Path(path)
        self.advice = advice

    def __str__(self) -> str:
        where = "" if self.path is None else f"{shown(self.path)}: "
        return f"{where}{self.reason}"

    @property
    def reason(self) -> str:
        """The message without the path, on one line."""
        what = self.what if not self.advice else f"{self.what} ({self.advice})"
        return " ".join(shown(what).replace("\\n", " ").split())


class UsageError(EscError):
    """Wrong options, or nothing to do."""

    exit_code = 2


class SetupError(EscError):
    """The environment stands in the way; no item can be done until it is mended."""

    exit_code = 3


class WeightsError(SetupError):
    """A checkpoint that is missing, damaged, or not an ESC network."""


class DeviceError(SetupError):
    """A device, precision or hardware encoder that this machine does not have."""


class MissingExtraError(SetupError):
    """An optional dependency that is not installed; the advice holds the install line."""


class UnreachableError(SetupError):
    """A server that cannot be reached, or that never answered."""


class DiskError(SetupError):
    """No space left, or a folder that cannot be written."""


class ItemError(EscError):
    """One input failed. It is reported and the others go on."""


class ReadError(ItemError):
    """An input that cannot be opened or decoded."""


class UnsupportedError(ItemError):
    """A kind of file or picture that is refused by name."""


class TooLargeError(ItemError):
    """More pixels or memory than allowed or there, or more than the output format can hold."""


class WriteError(ItemError):
    """A result that could not be written."""


class DeviceMemoryError(ItemError):
    """The picture does not fit the device, even in tiles of one window."""


class NonFiniteError(ItemError):
    """The network's output holds NaN or Inf, even in float32."""


class TrainingError(EscError):
    """A training run that cannot go on; the advice names the last good checkpoint."""


class DeadlineError(EscError):
    """The time that the user set is up; the next run goes on."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h


class StoppedError(EscError):
    """Stopped by a signal; the exit code is 128 plus its number."""

    def __init__(self, signal_number: int):
        super().__init__(f"stopped by signal {signal_number}")
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number
