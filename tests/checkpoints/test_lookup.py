"""Where a name is looked for: $ESC_WEIGHTS, the cache, what is bundled, what was published."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import save_file

from esc_cli import load_model
from esc_cli.checkpoints.store import bundled_folder, cache_folder, find
from esc_cli.errors import UsageError, WeightsError
from esc_cli.model import build
from esc_cli.tasks.weights.catalog import verify
from esc_cli.tasks.weights.pull import pull_all


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The folder that $ESC_WEIGHTS names; the cache is empty."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setenv("ESC_WEIGHTS", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    cache_folder().mkdir(parents=True)
    return folder


def add_record(folder, name="mine-x2", **changes):
    """A copy of the bundled x2 checkpoint with a record of its own."""
    source = bundled_folder() / "esc-tiny-x2"
    fields = json.loads(source.with_suffix(".json").read_text())
    fields |= {"name": name, "file": f"{name}.safetensors"} | changes
    shutil.copy(source.with_suffix(".safetensors"), folder / f"{name}.safetensors")
    (folder / f"{name}.json").write_text(json.dumps(fields))
    return folder / f"{name}.safetensors"


def test_the_users_folder_comes_before_the_cache_and_the_cache_before_bundled(own):
    assert find("esc-tiny", 2).path.parent == bundled_folder()
    cached = add_record(cache_folder())
    assert find("esc-tiny", 2).path == cached
    mine = add_record(own)
    assert find("esc-tiny", 2).path == mine
    assert find("mine-x2").path == mine
    assert find("esc-tiny", 3).path.parent == bundled_folder()


def test_the_default_network_is_the_bundled_one_whatever_lies_in_the_folders(own):
    add_record(own)
    assert find(None, 2).path.parent == bundled_folder()


def test_a_published_file_is_found_in_the_users_folder_and_in_the_cache(own):
    (cache_folder() / "ESC_FP_X2.pth").write_bytes(b"in the cache")
    assert find("esc-fp", 2).path == cache_folder() / "ESC_FP_X2.pth"
    (own / "ESC_FP_X2.pth").write_bytes(b"in the user's folder")
    assert find("esc-fp", 2).path == own / "ESC_FP_X2.pth"
    assert not find("esc-fp", 3).here


def test_a_file_without_record_is_found_by_its_name(own):
    save_file(build("esc-tiny", 3).state_dict(), own / "holiday.safetensors")
    assert load_model("holiday").config.scale == 3
    assert load_model("holiday", 3).config.scale == 3


def test_a_record_of_any_scale_serves_every_scale(own):
    torch.manual_seed(0)
    state = {name: value.half() for name, value in build("esc-lte").state_dict().items()}
    save_file(state, own / "lte.safetensors")
    add_record(own, "lte", variant="esc-lte", scale=0)
    for scale in (None, 2.5, 17):
        assert find("esc-lte", scale).path == own / "lte.safetensors"


def test_a_file_that_is_not_what_its_record_says_is_refused(own):
    add_record(own, variant="esc-light")
    with pytest.raises(WeightsError, match="is not mine-x2: it holds esc-tiny x2"):
        load_model("mine-x2")
    (own / "mine-x2.safetensors").write_bytes(b"hello")
    with pytest.raises(WeightsError, match="damaged: its sha256 is not"):
        load_model("mine-x2")


def test_other_json_files_are_left_alone_and_damaged_records_named(own):
    (own / "settings.json").write_text('{"theme": "dark"}')
    assert find("esc-tiny", 2).here
    (own / "settings.safetensors").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"settings\.json: the record is damaged"):
        find("settings")


def test_a_record_cannot_lead_out_of_its_folder(own):
    add_record(own, file="../../secret.safetensors")
    with pytest.raises(WeightsError, match=r"mine-x2\.json: the record is damaged"):
        find("mine-x2")


def test_a_damaged_record_hinders_no_other_name_and_nothing_is_taken_for_its_file(own):
    other = add_record(own, "other-x2", scale=2)
    add_record(cache_folder(), "esc-tiny-x3").with_suffix(".json").write_text("{bad")
    assert find("other-x2").path == other
    assert find("esc-tiny", 3).path.parent == bundled_folder()
    assert not find("esc-fp", 3).here
    with pytest.raises(UsageError, match=r"'nobody' .*esc-tiny-x3\.json is damaged"):
        find("nobody")
    with pytest.raises(WeightsError, match=r"esc-tiny-x3\.json: the record is damaged"):
        find("esc-tiny-x3")


def test_a_variable_that_names_no_folder_is_an_error(own, monkeypatch):
    monkeypatch.setenv("ESC_WEIGHTS", str(own / "missing"))
    with pytest.raises(WeightsError, match=r"missing: is no folder .*ESC_WEIGHTS"):
        find("esc-tiny", 2)
    assert find(None).here
    monkeypatch.setenv("ESC_WEIGHTS", "n" * 300)
    with pytest.raises(WeightsError, match="is no folder"):
        find("esc-tiny", 2)


def test_a_cache_that_cannot_be_looked_into_holds_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ("n" * 300)))
    assert find("esc-tiny", 2).path.parent == bundled_folder()
    assert not find("esc-fp", 2).here


@pytest.mark.parametrize("name", ["bad.toml", "run"])
def test_a_name_that_is_a_file_or_a_folder_says_what_is_expected(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text("")
    (tmp_path / "run").mkdir()
    expected = {"bad.toml": "end in .safetensors, .pth", "run": "is a folder .give a .safetensors"}
    with pytest.raises(UsageError, match=expected[name]):
        find(name)


def test_a_folder_in_the_place_of_a_published_file_is_called_one(own, monkeypatch):
    monkeypatch.setenv("ESC_OFFLINE", "1")
    for place in (own / "ESC_FP_X2.pth", cache_folder() / "ESC_FP_X3.pth"):
        place.mkdir()
        scale = int(place.stem[-1])
        for ask in (find, load_model):
            with pytest.raises(WeightsError, match="is a folder, and a checkpoint") as caught:
                ask("esc-fp", scale)
            assert caught.value.path == place
        (event,) = pull_all(("esc-fp",), scale)
        assert event.error.path == place
        (found,) = [one for one in verify((f"esc-fp-x{scale}",)) if one.problem]
        assert (found.path, found.basis) == (place, "")
    assert not find("esc-fp", 4).here
    (cache_folder() / "ESC_FP_X2.pth").write_bytes(b"the file")
    assert find("esc-fp", 2).path == cache_folder() / "ESC_FP_X2.pth"


def test_a_folder_in_the_place_of_a_users_file_is_called_one(own):
    add_record(own)
    (own / "mine-x2.safetensors").unlink()
    (own / "mine-x2.safetensors").mkdir()
    with pytest.raises(UsageError, match="is a folder, and a checkpoint is expected there"):
        find("mine-x2")
