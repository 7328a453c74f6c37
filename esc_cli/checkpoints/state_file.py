"""The named tensors of a file, told by its content; what is no checkpoint is told by what it is."""

from __future__ import annotations

import io
import pickle
import re
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from esc_cli.checkpoints.config_from_state import EXPECTED, UNREADABLE_ADVICE
from esc_cli.checkpoints.state_names import has_network, is_safetensors, own_names, wrapped
from esc_cli.errors import WeightsError

EXPECTED_FILE = "expected safetensors or a torch file of tensors"
_SUITABLE = "give another file, or a name"
_ARCHIVES = (
    (b"\x1f\x8b", "gzip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
_ZIP = b"PK\x03\x04"
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")


def tensors_of(content: bytes, key: str | None = None) -> dict[str, Tensor]:
    """The tensors of a network, by its own names; no code in the file is run.

    `key` is the wrapper to take, None for the first that holds an ESC network. Raises WeightsError,
    without a path, saying what the file is instead.
    """
    stored = _stored(content)
    if not isinstance(stored, dict):
        raise _no_state(f"found a {type(stored).__name__}")
    if key is not None:
        stored = _under(stored, key)
    places = [_tensors(place) for place in wrapped(stored)]
    chosen = next((one for one in places if has_network(own_names(one))), None)
    if chosen is None:
        chosen = next(filter(None, places), None)
    if chosen is None:
        others = ", ".join(map(str, list(stored)[:4]))
        raise _no_state(f"found entries that are no tensors: {others}" if others else _NOTHING)
    return {own: chosen[name] for own, name in own_names(chosen).items()}


_NOTHING = "found no tensors"


def _no_state(found: str) -> WeightsError:
    return WeightsError(f"not an ESC network: {EXPECTED}; {found}", advice=_SUITABLE)


def _tensors(place: Mapping[str, Any]) -> dict[str, Tensor]:
    return {str(name): value for name, value in place.items() if isinstance(value, Tensor)}


def _under(stored: dict[str, Any], key: str) -> dict[str, Any]:
    inner = stored.get(key)
    if isinstance(inner, dict):
        return inner
    there = ", ".join(str(name) for name, value in stored.items() if isinstance(value, dict))
    raise _no_state(f"no tensors under the key {key!r}; such keys: {there or 'none'}")


def _stored(content: bytes) -> Any:
    """What the file holds."""
    if is_safetensors(content):
        try:
            return safetensors.torch.load(content)
        except safetensors.SafetensorError as error:
            raise _unreadable("safetensors that are cut short or damaged") from error
    if other := _other_kind(content):
        raise WeightsError(f"not a checkpoint: {other[0]}", advice=other[1])
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = _GLOBAL.search(str(error))
        if named is None:
            raise _unreadable(EXPECTED_FILE) from error
        what = f"it holds a Python object ({named[1]}) beside tensors, which could run code"
        advice = "save its state_dict() alone in the program that wrote it"
        raise WeightsError(f"not loaded: {what}", advice=advice) from error
    except Exception as error:  # torch.load raises anything at all over damaged bytes
        raise _unreadable(EXPECTED_FILE) from error


def _unreadable(what: str) -> WeightsError:
    return WeightsError(f"not a readable checkpoint: {what}", advice=UNREADABLE_ADVICE)


def _other_kind(content: bytes) -> tuple[str, str] | None:
    """What a file is that is no checkpoint, and what to do; None for what may be one."""
    start = content[:1024].lstrip().lower()
    if not content.strip(b"\0"):
        what = "nothing but zeros, as of a transfer that never ended"
        return what if content else "the file is empty", "fetch or copy it again"
    if start.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS, not the file itself", "git lfs pull, or download the file"
    if start.startswith((b"<!doctype html", b"<html")):
        return "a page of HTML, not the file itself", "download the file the page is about"
    if name := next((name for magic, name in _ARCHIVES if content.startswith(magic)), ""):
        return f"an archive ({name})", "unpack it first"
    if line := _first_line(content[:1024]):
        return f"a text, not the file itself: {line!r}", "fetch or copy it again"
    return _zip_or_tar(content)


def _first_line(start: bytes) -> str:
    """Of a text, such as a server's error in XML or JSON; "" of anything else."""
    text = start.decode("utf-8", "ignore")
    is_text = text.replace("\n", " ").replace("\r", " ").replace("\t", " ").isprintable()
    # A character that is cut at the end is no other kind of file; bytes that are left out are.
    if not is_text or len(text.encode()) < len(start) - 3:
        return ""
    return next(iter(text.split("\n")))[:60].strip() or "no words"


def _zip_or_tar(content: bytes) -> tuple[str, str] | None:
    stream = io.BytesIO(content)
    if content.startswith(_ZIP):
        try:
            names = zipfile.ZipFile(stream).namelist()
        except zipfile.BadZipFile:
            return "a torch file or an archive that is cut short", "fetch or copy it again"
        if not any(name.endswith("data.pkl") for name in names):
            return "an archive (zip)", "unpack it first"
        if any(name.endswith("constants.pkl") for name in names):
            return "a program of TorchScript", "save the state_dict() of the network that it is of"
    elif content[257:262] == b"ustar" and tarfile.is_tarfile(stream):
        return "an archive (tar)", "unpack it first"
    return None
