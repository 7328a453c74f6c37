"""Listing, describing and converting checkpoints; which published figures are theirs."""

from __future__ import annotations

import hashlib
import io
import json
import shutil

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from esc_cli.checkpoints.config_from_file import peek_config
from esc_cli.checkpoints.fetch import obtain
from esc_cli.checkpoints.releases import RELEASES
from esc_cli.checkpoints.store import Checkpoint, bundled_folder, cache_folder, find
from esc_cli.errors import DiskError, UsageError, WeightsError
from esc_cli.evaluation.published import published
from esc_cli.tasks.evaluate.methods import published_name
from esc_cli.tasks.weights.catalog import listing, verify
from esc_cli.tasks.weights.convert import Conversion, convert
from esc_cli.tasks.weights.describe import describe
from esc_cli.tasks.weights.pull import PullFailed, pull_all


@pytest.fixture
def server(weights_server, published_file):
    weights_server.files = {
        "ESC_DIV2K_X2.pth": published_file("esc", 2),
        "ESC_DFLIP_X2.pth": published_file("esc", 2),
        "ESC_DIV2K_FB_R48_X2.pth": published_file("esc", 2, flashbias=True),
        "ESC_FP_X2.pth": published_file("esc-fp", 2),
        "ESC_FP_X3.pth": published_file("esc-fp", 3),
    }
    return weights_server


def test_the_list_tells_what_is_here_and_whose_figures_it_shows(server):
    obtain(find("esc-fp", 2))
    rows = {row.name: row for row in listing()}
    assert rows["esc-fp-x2"].path == server.cache / "ESC_FP_X2.pth"
    assert rows["esc-fp-x2"].size_bytes == len(server.files["ESC_FP_X2.pth"])
    assert rows["esc-fp-x2"].place == "cache"
    assert rows["esc-fp-x3"].path is None
    assert rows["esc-fp-x3"].place == ""
    assert rows["esc-tiny-x2"].place == "bundled"
    assert rows["esc-fp-x3"].size_bytes is None
    assert rows["esc-dflip-x2"].scores["Urban100"] == {"psnr": 33.86, "ssim": 0.9424}
    assert rows["esc-div2k-x2"].scores["Urban100"] == {"psnr": 33.46, "ssim": 0.9395}
    assert not rows["esc-dflip-x2"].measured
    assert rows["esc-tiny-x4"].scores == find("esc-tiny-x4").record.scores
    assert rows["esc-tiny-x4"].scores["Set5"]["psnr"] > 30
    assert rows["esc-tiny-x4"].measured
    assert rows["esc-xl-df2k-x2-ft"].scores == {}  # nobody published any for these files
    assert rows["esc-tiny-x2"].source == "bundled"
    assert rows["esc-fp-x2"].url == f"{server.base}/ESC_FP_X2.pth"
    own = list(bundled_folder().glob("*.safetensors"))
    assert len(rows) == len(RELEASES) + len(own)


def test_the_list_says_which_one_the_bare_name_of_a_variant_means(server):
    defaults = {(row.variant, row.scale): row.name for row in listing() if row.default}
    assert defaults["esc", 2] == "esc-div2k-x2"
    assert defaults["esc-real", 4] == "esc-real-x4-gan"
    assert defaults["esc-xl", 2] == "esc-xl-df2k-x2-ft"
    assert defaults["esc-tiny", 3] == "esc-tiny-x3"
    for (variant, scale), name in defaults.items():
        assert find(variant, scale).name == name


def test_a_name_is_pulled_at_all_its_scales_or_at_one(server):
    assert [event.name for event in pull_all(("esc-fp",), 2)] == ["esc-fp-x2"]
    events = list(pull_all(("esc-fp", "esc-tiny-x2"), None))
    assert [getattr(event, "fetched", None) for event in events] == [False, True, None, False]
    assert isinstance(events[2], PullFailed)  # the server has no x4
    assert "404" in str(events[2].error)
    assert sorted(p.name for p in server.cache.glob("*.pth")) == ["ESC_FP_X2.pth", "ESC_FP_X3.pth"]
    with pytest.raises(UsageError, match=r"no x7 of esc-fp \(it exists as x2, x3, x4\)"):
        list(pull_all(("esc-fp",), 7))


def test_pulling_leaves_the_users_folder_alone_and_checks_what_lies_there(
    server, published_file, tmp_path, monkeypatch
):
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setenv("ESC_WEIGHTS", str(own))
    (own / "ESC_FP_X2.pth").write_bytes(published_file("esc-fp", 3))
    (event,) = pull_all(("esc-fp",), 2)
    assert isinstance(event, PullFailed)
    assert "it holds esc-fp x3" in str(event.error)
    (own / "ESC_FP_X2.pth").write_bytes(published_file("esc-fp", 2))
    (event,) = pull_all(("esc-fp",), 2)
    assert (event.path, event.basis, event.fetched) == (own / "ESC_FP_X2.pth", "recorded", False)
    assert server.requests == []


def test_verify_names_a_changed_file_and_records_what_nobody_knew(server):
    path = obtain(find("esc-fp", 2)).path
    (found,) = verify(("esc-fp-x2",))
    assert (found.basis, found.problem) == ("recorded", "")
    path.with_name(f"{path.name}.sha256").unlink()
    (found,) = verify(("esc-fp-x2",))
    assert (found.basis, found.problem, found.recorded) == ("", "", True)
    path.write_bytes(path.read_bytes() + b"x")
    (found,) = verify(("esc-fp-x2",))
    assert "damaged" in found.problem
    assert [one.name for one in verify(()) if one.problem] == ["esc-fp-x2"]
    with pytest.raises(UsageError, match="not here: esc-light-x2"):
        list(verify(("esc-light",)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "urban100"), [("esc", 33.46), ("esc@dflip", 33.86), ("esc@flashbias", 33.43)]
)
def test_published_figures_are_those_of_the_weights_and_not_of_their_shape(
    server, tmp_path, name, urban100
):
    checkpoint = obtain(find(name, 2))
    copy = cache_folder() / f"copy-of-{checkpoint.path.name}"
    shutil.copy(checkpoint.path, copy)
    by_path = Checkpoint(checkpoint.path)
    converted = tmp_path / f"{checkpoint.path.stem}.safetensors"
    convert(Conversion(name, converted, scale=2))
    for one in (checkpoint, by_path, Checkpoint(converted)):
        figures = published(published_name(one, peek_config(one)), 2, "Urban100")
        assert figures["psnr_y"] == urban100
    renamed = published_name(Checkpoint(copy), peek_config(Checkpoint(copy)))
    assert renamed == ("esc@flashbias" if name == "esc@flashbias" else "esc")


def test_a_name_that_is_not_here_is_described_without_fetching_it(server):
    found = describe("esc@dflip", 3)
    assert (found.variant, found.scale, found.parameters) == ("esc", 3, 955_383)
    assert (found.path, found.sha256, found.intact) == (None, None, None)
    assert found.trained_on == "DFLIP"
    assert server.requests == []
    assert describe("esc@flashbias").network == "esc x2 with FlashBias of rank 48"


def test_a_file_is_described_with_the_record_beside_it(tmp_path):
    for suffix in (".safetensors", ".json"):
        shutil.copy(bundled_folder() / f"esc-tiny-x2{suffix}", tmp_path)
    path = tmp_path / "esc-tiny-x2.safetensors"
    found = describe(str(path))
    assert (found.variant, found.scale, found.parameters) == ("esc-tiny", 2, 101_648)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.record is not None
    assert found.intact
    assert found.metadata == {"variant": "esc-tiny", "scale": "2"}
    shutil.copy(bundled_folder() / "esc-tiny-x4.safetensors", path)
    found = describe(str(path))
    assert (found.scale, found.intact) == (4, False)


def test_a_file_that_is_no_network_is_refused_as_elsewhere(tmp_path):
    path = tmp_path / "own.pth"
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match="not an ESC network"):
        describe(str(path))


@pytest.fixture
def source(tmp_path, published_file):
    path = tmp_path / "downloaded.pth"
    path.write_bytes(published_file("esc-fp", 3))
    return path


def test_a_checkpoint_is_converted_with_its_ema_weights_variant_and_scale(source, tmp_path):
    target = tmp_path / "own.safetensors"
    done = convert(Conversion(str(source), target))
    assert (done.variant, done.scale) == ("esc-fp", 3)
    assert done.sha256 == hashlib.sha256(target.read_bytes()).hexdigest()
    stored = torch.load(io.BytesIO(source.read_bytes()), weights_only=True)
    written = load_file(target)
    assert written.keys() == stored["params_ema"].keys()
    assert all(torch.equal(value, stored["params_ema"][key]) for key, value in written.items())
    with safe_open(target, "np") as file:
        assert file.metadata() == {"variant": "esc-fp", "scale": "3"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["downloaded.pth", "own.safetensors"]


def test_other_weights_of_the_file_are_taken_when_asked_for(source, tmp_path):
    convert(Conversion(str(source), tmp_path / "own.safetensors", key="params"))
    stored = torch.load(io.BytesIO(source.read_bytes()), weights_only=True)
    written = load_file(tmp_path / "own.safetensors")
    assert all(torch.equal(value, stored["params"][key]) for key, value in written.items())
    with pytest.raises(WeightsError, match=r"no tensors under the key 'ema'.*params, params_ema"):
        convert(Conversion(str(source), tmp_path / "other.safetensors", key="ema"))
    assert not (tmp_path / "other.safetensors").exists()


def test_an_existing_file_is_overwritten_only_when_asked(source, tmp_path):
    target = tmp_path / "own.safetensors"
    target.write_text("precious")
    with pytest.raises(UsageError, match="exists already"):
        convert(Conversion(str(source), target))
    assert target.read_text() == "precious"
    convert(Conversion(str(source), target, overwrite=True))
    assert describe(str(target)).variant == "esc-fp"


@pytest.mark.slow
def test_the_same_checkpoint_gives_the_same_bytes(source, tmp_path):
    targets = [tmp_path / f"{name}.safetensors" for name in "abcdefgh"]
    assert len({convert(Conversion(str(source), target)).sha256 for target in targets}) == 1
    with safe_open(targets[0], "np") as file:
        assert file.metadata() == {"variant": "esc-fp", "scale": "3"}


@pytest.fixture
def recorded(tmp_path):
    """A bundled network with its record in a folder of the user."""
    for suffix in (".safetensors", ".json"):
        shutil.copy(bundled_folder() / f"esc-tiny-x2{suffix}", tmp_path)
    return tmp_path / "esc-tiny-x2.safetensors"


def test_a_file_converted_in_place_keeps_a_record_that_fits_it(recorded):
    tensors = load_file(recorded)
    before = json.loads(recorded.with_suffix(".json").read_text())
    save_file(tensors, recorded, {"made": "elsewhere"})
    before["sha256"] = hashlib.sha256(recorded.read_bytes()).hexdigest()
    recorded.with_suffix(".json").write_text(json.dumps(before))
    done = convert(Conversion(str(recorded), recorded, overwrite=True))
    assert done.record == "rewritten"
    assert describe(str(recorded)).intact
    after = json.loads(recorded.with_suffix(".json").read_text())
    assert after == before | {"sha256": done.sha256, "bytes": done.size_bytes}


def test_the_record_of_another_network_does_not_outlive_its_file(source, recorded):
    with pytest.raises(UsageError, match="exists already"):
        convert(Conversion(str(source), recorded))
    done = convert(Conversion(str(source), recorded, overwrite=True))
    assert done.record == "removed"
    assert not recorded.with_suffix(".json").exists()
    assert describe(str(recorded)).variant == "esc-fp"


def test_a_record_without_its_file_is_replaced_only_when_asked(source, recorded):
    recorded.unlink()
    with pytest.raises(UsageError, match=r"esc-tiny-x2\.json: exists already"):
        convert(Conversion(str(source), recorded))
    assert convert(Conversion(str(source), recorded, overwrite=True)).record == "removed"


def test_a_json_file_that_is_no_record_of_the_output_stays(source, tmp_path):
    (tmp_path / "own.json").write_text("{}")
    assert convert(Conversion(str(source), tmp_path / "own.safetensors")).record == ""
    assert (tmp_path / "own.json").read_text() == "{}"


def test_a_place_that_cannot_be_written_is_found_before_the_network_is_read(tmp_path):
    with pytest.raises(DiskError, match="its folder is not there"):
        convert(Conversion("no such model", tmp_path / "none" / "own.safetensors"))
    (tmp_path / "own.safetensors").mkdir()
    with pytest.raises(DiskError, match="it is a folder"):
        convert(Conversion("no such model", tmp_path / "own.safetensors", overwrite=True))


def test_the_scale_of_a_file_is_its_own(source, tmp_path):
    with pytest.raises(UsageError, match="a file has its own scale"):
        convert(Conversion(str(source), tmp_path / "own.safetensors", scale=3))
    with pytest.raises(UsageError, match="a file has its own scale"):
        describe(str(source), 3)


def test_what_is_no_network_or_no_safetensors_is_not_written(source, tmp_path):
    with pytest.raises(UsageError, match=r"must end in \.safetensors"):
        convert(Conversion(str(source), tmp_path / "own.pth"))
    (tmp_path / "text.pth").write_text(json.dumps({}))
    with pytest.raises(WeightsError, match="not a checkpoint: a text"):
        convert(Conversion(str(tmp_path / "text.pth"), tmp_path / "own.safetensors"))
    assert not (tmp_path / "own.safetensors").exists()
