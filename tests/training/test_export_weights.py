"""From a run to a file for --model, and from weights to a run."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from training_runs import picture

import esc_cli
from esc_cli.checkpoints.catalog import read_record
from esc_cli.cli.app import main
from esc_cli.errors import UsageError, WeightsError
from esc_cli.evaluation.metrics import METRICS, FullReference
from esc_cli.model.config import variant_config
from esc_cli.model.convert import to_scale
from esc_cli.tasks.evaluate.degraded import LEVELS
from esc_cli.training.folder import RunFolder, read_checkpoint
from esc_cli.training.initial import from_weights


@pytest.fixture
def out(train, recipe, pictures, tmp_path):
    ran = train(recipe, "--data", pictures, "--out", tmp_path / "run", "--iterations", 3)
    assert ran.code == 0
    return tmp_path / "run"


@pytest.fixture
def benchmark(tmp_path):
    folder = tmp_path / "Own"
    folder.mkdir()
    Image.fromarray(picture(7, 40, 36)).save(folder / "one.png")
    return folder


def test_train_export_upscale(out, esc, benchmark, tmp_path):
    mine = tmp_path / "mine.safetensors"
    words = ("--trained-on", "waves", "--licence", "CC0-1.0")
    ran = esc("weights", "export", out, mine, "--validate", benchmark, *words)
    assert ran.code == 0, ran.err
    wanted = read_checkpoint(RunFolder(out).newest())["params_ema"]
    found = esc_cli.load_model(mine, scale=2).state_dict()
    assert all(torch.equal(found[key], value) for key, value in wanted.items())
    with safe_open(mine, "pt") as file:
        assert file.metadata() == {"variant": "esc-tiny", "scale": "2"}
    record = read_record(tmp_path / "mine.json")
    assert (record.name, record.variant, record.scale) == ("mine", "esc-tiny", 2)
    assert record.sha256 == hashlib.sha256(mine.read_bytes()).hexdigest()
    assert record.size_bytes == mine.stat().st_size
    assert (record.trained_on, record.licence) == ("waves", "CC0-1.0")
    assert "batch 2 of 16x16 LR patches" in record.recipe
    assert "3 iterations" in record.recipe
    assert set(record.scores["Own"]) == set(METRICS) >= {"psnr", "ssim"}
    score = f"{record.scores['Own']['psnr']:.2f}"
    ran = esc("eval", "-d", benchmark, "-s", 2, "-m", mine, "--json", tmp_path / "s.json")
    assert ran.code == 0, ran.err
    assert score in f"{measured(json.loads((tmp_path / 's.json').read_text())):.2f}"
    assert esc("upscale", benchmark, "-o", tmp_path / "large", "--model", mine).code == 0
    with Image.open(tmp_path / "large" / "one.png") as large:
        assert large.size == (80, 72)


def measured(report):
    """The first PSNR anywhere in a report of `esc eval`."""
    if isinstance(report, dict):
        if isinstance(report.get("psnr_y"), float):
            return report["psnr_y"]
        report = list(report.values())
    found = (measured(entry) for entry in report) if isinstance(report, list) else ()
    return next((value for value in found if value is not None), None)


def test_half_precision_halves_the_file_and_keeps_the_weights_close(out, esc, tmp_path):
    for name, more in (("full", ()), ("half", ("--half",))):
        assert esc("weights", "export", out, tmp_path / f"{name}.safetensors", *more).code == 0
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.55 * sizes[0]
    states = [
        esc_cli.load_model(tmp_path / f"{name}.safetensors").state_dict()
        for name in ("full", "half")
    ]
    for key, value in states[0].items():
        assert states[1][key].dtype == torch.float32
        assert torch.allclose(value, states[1][key], rtol=1e-3, atol=1e-6)


def test_a_checkpoint_itself_serves_as_model(out, esc, benchmark, tmp_path):
    checkpoint = RunFolder(out).newest()
    ran = esc("upscale", benchmark, "-o", tmp_path / "large", "--model", checkpoint)
    assert ran.code == 0, ran.err


@pytest.mark.parametrize("name", ["mine.pth", "mine"])
def test_only_safetensors_are_exported(out, esc, tmp_path, name):
    assert esc("weights", "export", out, tmp_path / name).code == 2
    assert not (tmp_path / name).exists()


def test_a_folder_without_checkpoints_has_nothing_to_export(esc, tmp_path):
    ran = esc("weights", "export", tmp_path, tmp_path / "mine.safetensors")
    assert ran.code == 2
    assert "no checkpoint" in ran.err


def test_weights_of_another_scale_are_taken_only_when_asked(out, esc, tmp_path):
    mine = tmp_path / "mine.safetensors"
    assert esc("weights", "export", out, mine).code == 0
    config = variant_config("esc-tiny", 4)
    with pytest.raises(UsageError, match=r"upscales by 2, and 4 is trained.*--convert-head"):
        from_weights(mine, config, convert_head=False)
    wanted = to_scale(esc_cli.load_model(mine).state_dict(), 4)
    found = from_weights(mine, config, convert_head=True).state_dict()
    assert all(torch.equal(found[key], value) for key, value in wanted.items())


def test_a_name_means_the_weights_of_the_scale_that_is_trained():
    for scale in (2, 4):
        wanted = esc_cli.load_model("esc-tiny", scale=scale).state_dict()
        config = variant_config("esc-tiny", scale)
        found = from_weights(Path("esc-tiny"), config, convert_head=False).state_dict()
        assert all(torch.equal(found[key], value) for key, value in wanted.items())


def test_weights_of_another_network_are_refused_by_name(out, esc, tmp_path):
    mine = tmp_path / "mine.safetensors"
    assert esc("weights", "export", out, mine).code == 0
    with pytest.raises(WeightsError, match="is esc-tiny x2, and esc is trained"):
        from_weights(mine, variant_config("esc", 2), convert_head=True)


def test_a_run_begins_with_the_weights_it_is_given(out, train, recipe, pictures, tmp_path):
    init = RunFolder(out).newest()
    still = ("--set", "optimiser.learning_rate=1e-30", "--iterations", 1)
    arguments = (recipe, "--data", pictures, "--init", init, *still)
    assert train(*arguments, "--out", tmp_path / "next").code == 0
    before = read_checkpoint(init)["params_ema"]
    after = read_checkpoint(RunFolder(tmp_path / "next").newest())
    assert all(torch.equal(after["params"][key], value) for key, value in before.items())
    assert after["facts"]["init"] == init.name


def test_validation_scores_as_eval_does(train, recipe, pictures, benchmark, tmp_path):
    arguments = (recipe, "--data", pictures, "--out", tmp_path / "run", "--iterations", 1)
    ran = train(*arguments, "--validate", benchmark)
    assert ran.code == 0
    lines = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    scores = json.loads(lines[-1])["scores"]["Own"]
    assert scores.keys() == METRICS.keys()
    values = " ".join(METRICS[name].validated(value) for name, value in scores.items())
    assert f"Own {scores['psnr']:.3f} dB" in ran.err
    assert f"{scores['ssim']:.4f}" in ran.err
    assert f"Own {values}" in ran.err


def test_a_recipe_for_photographs_is_validated_on_degraded_copies(
    train, pictures, benchmark, tmp_path
):
    arguments = ("--data", pictures, "--out", tmp_path / "run", "--iterations", 1, "--short")
    changes = ("--scale", 2, "--patch", 16, "--batch", 1, "--set", "photo.context=0")
    changes = (*changes, "--init", "esc-tiny", "--set", "optimiser.learning_rate=1e-30")
    ran = train("esc-tiny-photo", *arguments, *changes, "--validate", benchmark)
    assert ran.code == 0, ran.err
    lines = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    scores = json.loads(lines[-1])["scores"]
    copies = {f"Own {name}" for name in LEVELS if name != "clean"}
    assert set(scores) == {"Own"} | copies
    assert scores["Own"]["psnr"] > scores["Own JPEG 75"]["psnr"] > scores["Own JPEG 30"]["psnr"]
    assert scores["Own noise 5"]["psnr"] > scores["Own noise 15"]["psnr"]


def test_a_metric_added_to_the_table_is_validated_and_recorded(
    esc, recipe, pictures, benchmark, tmp_path, monkeypatch
):
    def worst(sr, hr):
        return (sr - hr).abs().max().item()

    metric = FullReference("worst", "Worst", worst, 1, 2, "levels", lower_is_better=True)
    monkeypatch.setitem(METRICS, metric.name, metric)
    out, mine = tmp_path / "run", tmp_path / "mine.safetensors"
    arguments = (recipe, "--data", pictures, "--out", out, "--iterations", 1)
    ran = esc("train", *arguments, "--validate", benchmark)
    scores = json.loads((out / "log.jsonl").read_text().splitlines()[-1])["scores"]["Own"]
    assert f" {scores['worst']:.2f} levels" in ran.err
    ran = esc("weights", "export", out, mine, "--validate", benchmark)
    assert f", Worst {scores['worst']:.2f} levels" in ran.err
    record = json.loads(mine.with_suffix(".json").read_text())
    assert record["scores"]["Own"]["worst"] == round(scores["worst"], 1)


@pytest.mark.parametrize("name", ["mine.safetensors", "mine.json"])
def test_weights_and_record_are_both_written_or_none(out, esc, tmp_path, name):
    (tmp_path / name).mkdir()
    for more in ((), ("--overwrite",)):
        ran = esc("weights", "export", out, tmp_path / "mine.safetensors", *more)
        assert ran.code == 3
        assert f"{tmp_path / name}: cannot be written: it is a folder" in ran.err
    assert [path.name for path in tmp_path.glob("*mine*")] == [name]


def test_a_place_that_cannot_be_written_is_found_before_the_run_is_read(esc, tmp_path):
    ran = esc("weights", "export", tmp_path, tmp_path / "none" / "mine.safetensors")
    assert ran.code == 3
    assert "its folder is not there" in ran.err


@pytest.mark.parametrize("option", ["--device", "--data-root"])
def test_what_is_for_validation_is_refused_without_it(out, esc, tmp_path, option):
    ran = esc("weights", "export", out, tmp_path / "mine.safetensors", option, "cpu")
    assert ran.code == 2
    assert f"{option} belongs to --validate" in ran.err
    assert not (tmp_path / "mine.safetensors").exists()


def test_a_record_counts_in_english(out, esc, tmp_path):
    path = RunFolder(out).newest()
    state = read_checkpoint(path)
    for seconds, words in ((61.0, "1 minute"), (18.2, "18 seconds"), (5400.0, "90 minutes")):
        torch.save(state | {"step": 1, "seconds": seconds}, path)
        target = tmp_path / "mine.safetensors"
        assert esc("weights", "export", out, target, "--overwrite").code == 0
        assert f"1 iteration in {words}, on" in read_record(tmp_path / "mine.json").recipe


def test_the_help_names_the_exit_codes(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["esc", "weights", "export", "--help"])
    with pytest.raises(SystemExit):
        main()
    assert "Exit codes:" in capsys.readouterr().out


@pytest.mark.slow
def test_the_same_run_gives_the_same_file(out, esc, tmp_path):
    for name in "abcdefgh":
        assert esc("weights", "export", out, tmp_path / f"{name}.safetensors").code == 0
    assert len({path.read_bytes() for path in tmp_path.glob("*.safetensors")}) == 1


@pytest.mark.parametrize("name", ["mine.safetensors", "mine.json"])
def test_an_export_replaces_nothing_unasked(out, esc, tmp_path, name):
    (tmp_path / name).write_text("precious")
    refused = esc("weights", "export", out, tmp_path / "mine.safetensors")
    assert refused.code == 2
    assert name in refused.err
    assert (tmp_path / name).read_text() == "precious"
    asked = esc("weights", "export", out, tmp_path / "mine.safetensors", "--overwrite")
    assert asked.code == 0, asked.err
