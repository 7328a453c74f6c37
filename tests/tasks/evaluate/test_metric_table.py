"""A metric is one entry of one table: what is added there stands in every result."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from esc_cli.errors import UnsupportedError
from esc_cli.evaluation.export import to_csv, to_json, to_markdown
from esc_cli.evaluation.html import Facts, render_report
from esc_cli.evaluation.metrics import METRICS, FullReference
from esc_cli.evaluation.protocol import compare
from esc_cli.evaluation.results import Table
from esc_cli.tasks.evaluate.events import EvalOptions, Scored, SetDone
from esc_cli.tasks.evaluate.report import set_rows
from esc_cli.tasks.evaluate.run import Evaluation
from esc_cli.tasks.stop import Stop

PUBLISHED = ["psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb"]


def mean_absolute_error(sr, hr):
    return (sr - hr).abs().mean().item()


@pytest.fixture
def mae(monkeypatch):
    metric = FullReference(
        "mae",
        "MAE",
        mean_absolute_error,
        digits=3,
        validation_digits=5,
        unit="levels",
        lower_is_better=True,
    )
    monkeypatch.setitem(METRICS, "mae", metric)
    return metric


@pytest.fixture
def options(tmp_path) -> EvalOptions:
    folder = tmp_path / "Own" / "HR"
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (40, 44, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "a.png")
    return EvalOptions(
        datasets=("Own",),
        data_roots=(tmp_path,),
        scales=(2,),
        models=(),
        against=("bicubic",),
        rgb=True,
        cache=tmp_path / "scores.jsonl",
    )


def evaluated(options) -> tuple[Table, bool]:
    """The only table, and whether its scores are those of an earlier run."""
    events = list(Evaluation(options, Stop()).run())
    (table,) = [event.table for event in events if isinstance(event, SetDone)]
    return table, all(event.cached for event in events if isinstance(event, Scored))


def test_the_columns_of_earlier_versions_are_as_they_were(options):
    table, _ = evaluated(options)
    earlier = [metric for metric in table.metrics if metric.name in PUBLISHED]
    assert [metric.name for metric in earlier] == PUBLISHED
    labels = ["PSNR (Y), dB", "SSIM (Y)", "PSNR (RGB), dB", "SSIM (RGB)"]
    assert [metric.label for metric in earlier] == labels
    assert [metric.digits for metric in earlier] == [2, 4, 2, 4]


@pytest.mark.usefixtures("mae")
def test_an_added_metric_stands_in_every_file_and_on_the_page(options):
    table, _ = evaluated(options)
    mean = table.mean("bicubic", "mae_y")
    assert mean is not None
    assert mean > 1
    content = json.loads(to_json([table], {}))["tables"][0]
    assert content["means"]["bicubic"]["mae_y"] == mean
    assert content["pictures"][0]["mae_rgb"] > mean
    assert content["lower_is_better"] == ["mae_y", "mae_rgb"]
    rows = csv.DictReader(io.StringIO(to_csv([table])))
    assert [float(row["mae_y"]) for row in rows] == [mean, mean]
    page = render_report([table], [], Facts("t", "c", {}))
    for text in (to_markdown([table]), page):
        assert "MAE (Y), levels" in text
        assert f"{mean:.3f}" in text
        assert "SSIM and MAE on Y and RGB, border 2" in text
    (title,) = set_rows(SetDone(table, ()), per_picture=False)
    assert "; PSNR, SSIM and MAE on Y and RGB, border 2" in title


def test_scores_of_earlier_runs_are_kept_with_the_added_metric(options, monkeypatch, mae):
    monkeypatch.delitem(METRICS, mae.name)
    assert not evaluated(options)[1]
    monkeypatch.setitem(METRICS, mae.name, mae)
    first, cached = evaluated(options)
    assert not cached  # the earlier run knew nothing of it
    again, cached = evaluated(options)
    assert cached
    assert again.mean("bicubic", "mae_y") == first.mean("bicubic", "mae_y")
    last = options.cache.read_text().strip().splitlines()[-1]
    assert json.loads(last)["values"].keys() >= {*PUBLISHED, "mae_y", "mae_rgb"}


@pytest.mark.usefixtures("mae")
def test_a_picture_too_small_for_a_metric_says_for_which(monkeypatch):
    small = torch.zeros(3, 12, 30, dtype=torch.uint8)
    with pytest.raises(UnsupportedError, match="30 x 12 is too small for SSIM without 2 pixels"):
        compare(small, small, 2, "y")
    monkeypatch.delitem(METRICS, "ssim")
    assert compare(small, small, 2, "y")["mae"] == 0
