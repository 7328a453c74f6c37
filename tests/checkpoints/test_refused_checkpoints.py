"""What is no checkpoint of an ESC network is refused: the message names the file and the fault."""

from __future__ import annotations

import errno
import gzip
import io
import os
import pickle
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from esc_cli import load_model
from esc_cli.checkpoints.nearest_network import nearest
from esc_cli.errors import WeightsError
from esc_cli.model import build
from esc_cli.model.config import VARIANTS

State = dict[str, Tensor]


def refusal(path: Path) -> WeightsError:
    with pytest.raises(WeightsError) as caught:
        load_model(path)
    assert caught.value.path == path
    assert str(caught.value).startswith(str(path))
    return caught.value


class _Trap:
    """Unpickled carelessly, it makes a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_torch_file_is_refused_and_not_run(
    tmp_path: Path, state: State, legacy: bool
) -> None:
    path, sprung = tmp_path / "own.pth", tmp_path / "sprung"
    contents = {**state, "trap": _Trap(sprung)}
    torch.save(contents, path, _use_new_zipfile_serialization=not legacy)
    error = refusal(path)
    assert "holds a Python object" in error.what
    assert "mkdir" in error.what
    assert "state_dict() alone" in error.advice
    assert not sprung.exists()


def test_code_in_a_plain_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    path, sprung = tmp_path / "own.pth", tmp_path / "sprung"
    path.write_bytes(pickle.dumps(_Trap(sprung), protocol=2))
    assert "holds a Python object" in refusal(path).what
    assert not sprung.exists()
    pickle.loads(path.read_bytes())
    assert sprung.exists()  # the trap works where it is not disarmed


def packed(kind: str) -> bytes:
    """An archive of one file, without a checkpoint's own."""
    stream = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("weights.pth", b"inside")
    elif kind == "tar":
        with tarfile.open(fileobj=stream, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("weights.pth"))
    else:
        return gzip.compress(b"inside", mtime=0)
    return stream.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (LFS, "a pointer of Git LFS"),
        (b" \n<!DOCTYPE html>\n<html></html>", "a page of HTML"),
        (b"PK\x03\x04", "cut short"),
        (packed("zip"), "an archive (zip)"),
        (packed("tar"), "an archive (tar)"),
        (packed("gzip"), "an archive (gzip)"),
        (b"A line.\nAnother.\n", "a text, not the file itself: 'A line.'"),
        (b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', "a text"),
        (b'{"error":"Repository not found"}', "not found"),
        ("Zugriff verweigert f\u00fcr dich".encode() * 60, "a text"),
        (bytes(100), "nothing but zeros"),
        (b"\x08\x07\x12\x07pytorch" * 9, "expected safetensors or a torch file of tensors"),
    ],
)
def test_a_file_of_something_else_is_told_by_what_it_is(
    tmp_path: Path, suffix: str, content: bytes, words: str
) -> None:
    path = tmp_path / f"own{suffix}"
    path.write_bytes(content)
    error = refusal(path)
    assert words in error.what
    assert error.advice


def test_a_program_of_torchscript_is_told(tmp_path: Path) -> None:
    path = tmp_path / "own.pth"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        torch.jit.script(torch.nn.ReLU()).save(str(path))
    assert "a program of TorchScript" in refusal(path).what


@pytest.mark.parametrize("name", ["own.pth", "own.safetensors"])
@pytest.mark.parametrize("kind", ["torch", "safetensors"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused_whatever_it_is_called(
    tmp_path: Path, state: State, name: str, kind: str, kept: float
) -> None:
    path = tmp_path / name
    torch.save(state, path) if kind == "torch" else save_file(state, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    error = refusal(path)
    assert "cut short" in error.what
    assert "Error" not in error.what  # no name of an exception
    assert "fetch or copy it again" in error.advice


def test_a_missing_file_is_refused_with_the_systems_reason(tmp_path: Path) -> None:
    assert os.strerror(errno.ENOENT) in refusal(tmp_path / "nowhere.pth").what


def test_a_folder_is_refused_as_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "model.pth"
    folder.mkdir()
    assert "is a folder" in refusal(folder).what


def test_the_state_of_another_network_is_refused_with_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file(torch.nn.Linear(3, 4).state_dict(), path)
    error = refusal(path)
    assert "not an ESC network: expected the keys of an ESC network" in error.what
    assert "2 keys: bias, weight" in error.what
    assert "next to nothing in common" in error.what


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_network_that_is_nearly_one_is_told_the_nearest_and_the_differences(
    tmp_path: Path, suffix: str
) -> None:
    state = load_model("esc-tiny", 4).state_dict()
    state["lk.weight"] = state.pop("plk_filter")
    path = tmp_path / f"near{suffix}"
    torch.save(state, path) if suffix == ".pth" else save_file(state, path)
    what = refusal(path).what
    assert (
        "the nearest is esc-tiny: 1 key missing (plk_filter); 1 key unexpected (lk.weight)" in what
    )


@pytest.mark.parametrize(
    ("contents", "found"),
    [
        ([1, 2], "found a list"),
        (torch.zeros(3), "found a Tensor"),
        ({"epoch": 3, "lr": 0.1}, "found entries that are no tensors: epoch, lr"),
        ({"model": {"epoch": 3}}, "found entries that are no tensors: model"),
        ({}, "found no tensors"),
    ],
)
def test_a_torch_file_without_a_state_dict_is_refused_with_what_it_holds(
    tmp_path: Path, contents: object, found: str
) -> None:
    path = tmp_path / "own.pth"
    torch.save(contents, path)
    error = refusal(path)
    assert "not an ESC network: expected the keys" in error.what
    assert found in error.what


def test_an_extra_key_is_refused_by_name(tmp_path: Path, state: State) -> None:
    path = tmp_path / "own.safetensors"
    save_file({**state, "blocks.0.spare.weight": torch.zeros(3)}, path)
    error = refusal(path)
    assert "does not fit the network that it describes" in error.what
    assert "blocks.0.spare.weight" in error.what


def test_a_missing_key_is_refused_by_name(tmp_path: Path, state: State) -> None:
    path = tmp_path / "own.safetensors"
    del state["blocks.0.convffns.0.aggr.bias"]
    save_file(state, path)
    assert "blocks.0.convffns.0.aggr.bias" in refusal(path).what


def test_a_wrong_shape_is_refused_with_both_shapes(tmp_path: Path, state: State) -> None:
    path = tmp_path / "own.safetensors"
    state["proj.weight"] = torch.zeros(8, 4, 3, 3)
    save_file(state, path)
    error = refusal(path)
    assert "proj.weight" in error.what
    assert "[8, 4, 3, 3]" in error.what
    assert "[8, 3, 3, 3]" in error.what


def test_many_keys_that_do_not_fit_are_counted_and_the_first_named(
    tmp_path: Path, state: State
) -> None:
    path = tmp_path / "own.safetensors"
    for key in ("proj.bias", "dwc.weight", "dwc.bias", "aggr.weight"):
        del state[f"blocks.0.convffns.0.{key}"]
    state |= {f"spare.{number}": torch.zeros(1) for number in range(2)}
    save_file(state, path)
    error = refusal(path)
    assert "4 keys missing (" in error.what
    assert ", ...)" in error.what
    assert "2 keys unexpected (spare.0, spare.1)" in error.what
    assert len(str(error)) < 400 + len(str(path))
    assert "Error" not in str(error)
    assert "state_dict" not in str(error)
    assert error.advice


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_network_is_the_nearest_to_itself_with_a_name_changed(variant: str) -> None:
    with torch.device("meta"):
        names = {
            name.replace("proj.weight", "projection", 1) for name in build(variant).state_dict()
        }
    assert nearest(names).startswith(f"the nearest is {variant}: ")
