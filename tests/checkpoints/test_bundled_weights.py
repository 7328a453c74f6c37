"""The bundled weights: their records tell the truth, and damage to a file is found."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors import safe_open

from esc_cli import load_model
from esc_cli.checkpoints import store
from esc_cli.checkpoints.catalog import read_record, read_records
from esc_cli.checkpoints.loading import load_checkpoint
from esc_cli.checkpoints.store import Checkpoint, bundled, bundled_folder, find
from esc_cli.errors import UsageError, WeightsError
from esc_cli.model.config import variant_name

NAMES = [
    *(f"esc-tiny-x{scale}" for scale in (2, 3, 4)),
    *(f"esc-tiny-photo-x{scale}" for scale in (2, 3, 4)),
]


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the bundled weights that stands in for them."""
    folder = tmp_path / "weights"
    shutil.copytree(bundled_folder(), folder)
    monkeypatch.setattr(store, "bundled_folder", lambda: folder)
    bundled.cache_clear()
    yield folder
    bundled.cache_clear()


def test_the_bundled_checkpoints_are_the_known_ones() -> None:
    assert [checkpoint.name for checkpoint in bundled()] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_record_matches_its_file(name: str) -> None:
    record = read_record(bundled_folder() / f"{name}.json")
    content = (bundled_folder() / record.file).read_bytes()
    assert record.name == name
    assert record.sha256 == hashlib.sha256(content).hexdigest()
    assert record.size_bytes == len(content)


@pytest.mark.parametrize("name", NAMES)
def test_a_record_matches_the_network_in_its_file_and_the_files_metadata(name: str) -> None:
    checkpoint = find(name, int(name[-1]))
    record = checkpoint.record
    assert record is not None
    with safe_open(checkpoint.path, "pt") as file:
        assert file.metadata() == {"variant": record.variant, "scale": str(record.scale)}
    config = load_checkpoint(checkpoint).config
    assert (variant_name(config), config.scale) == (record.variant, record.scale)


def test_a_record_says_what_the_weights_were_trained_on_and_how_good_they_are() -> None:
    for record in read_records(bundled_folder()):
        assert record.trained_on
        assert record.recipe
        assert record.licence == "MIT"
        assert record.scores["Set5"]["psnr"] > 28


def test_one_changed_byte_in_a_bundled_file_is_found(copied: Path) -> None:
    path = copied / "esc-tiny-x4.safetensors"
    load_model("esc-tiny", 4)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="damaged: its sha256 is not") as caught:
        load_model("esc-tiny", 4)
    assert caught.value.path == path
    assert load_model(path).config.scale == 4  # asked for by its path, it is anybody's file


def test_a_record_of_another_file_is_found(copied: Path) -> None:
    two, four = find("esc-tiny", 2), find("esc-tiny", 4)
    with pytest.raises(WeightsError, match="damaged"):
        Checkpoint(four.path, two.record).read_verified()
    assert four.record is not None
    renamed = replace(four.record, name="anything")
    assert Checkpoint(four.path, renamed).sha256() == four.record.sha256


def test_a_bundled_file_that_is_gone_is_an_error_with_its_path(copied: Path) -> None:
    (copied / "esc-tiny-x2.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"esc-tiny-x2\.safetensors: cannot be read"):
        load_model("esc-tiny", 2)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "it is no JSON from line 1, column 1 on"),
        ("[]", "a field is not what it must be"),
        ("{}", "it has no field 'file'"),
        ("{", "it is no JSON from line 1, column 2 on"),
        ('{"name": "x", "file": "x", "scores": 3}', "it has no field 'variant'"),
    ],
)
def test_a_damaged_record_is_an_error_with_its_path(copied: Path, content: str, why: str) -> None:
    (copied / "esc-tiny-x2.json").write_text(content)
    with pytest.raises(WeightsError, match=rf"esc-tiny-x2\.json: the record is damaged: {why} "):
        load_model()


@pytest.mark.parametrize(
    ("scale", "found"), [(None, 4), (1, 2), (2, 2), (2.0001, 3), (2.5, 3), (3, 3), (3.5, 4)]
)
def test_a_name_means_the_smallest_scale_that_reaches_the_one_asked_for(
    scale: float | None, found: int
) -> None:
    for name in ("esc-tiny", None):
        record = find(name, scale).record
        assert record is not None
        assert record.scale == found


def test_a_scale_beyond_all_networks_is_refused_with_those_that_exist() -> None:
    with pytest.raises(WeightsError, match=r"no x6 of esc-tiny \(it exists as x2, x3, x4;"):
        find("esc-tiny", 6)


def test_a_name_that_no_model_has_is_refused_with_those_known() -> None:
    with pytest.raises(UsageError, match=r"no model named 'esc-huge' \(known: .*esc-tiny,"):
        find("esc-huge")


def test_a_variant_without_weights_asks_for_a_path() -> None:
    with pytest.raises(WeightsError, match="no checkpoint of esc-lte is installed") as caught:
        find("esc-lte")
    assert "give the path of one" in caught.value.advice


def test_a_path_is_taken_as_it_is_whatever_the_scale(tmp_path: Path) -> None:
    path = tmp_path / "any.pth"
    path.write_bytes(b"not looked at yet")
    assert find(str(path), 17) == Checkpoint(path)
