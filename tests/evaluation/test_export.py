import csv
import io
import json
from dataclasses import replace

import pytest

from esc_cli.evaluation.decimals import Measured, Metric
from esc_cli.evaluation.export import summary_rows, to_csv, to_json, to_markdown
from esc_cli.evaluation.published import published
from esc_cli.evaluation.results import Score, Table

PSNR = Metric("psnr_y", "PSNR (Y), dB", 2)
NIQE = Metric("niqe", "NIQE", 4, lower_is_better=True)


@pytest.fixture
def table():
    scores = (
        Score("a|b", "bicubic", {"psnr_y": 30.0, "niqe": 5.0}),
        Score("a|b", "esc", {"psnr_y": 32.0, "niqe": 4.0}),
        Score("c", "bicubic", {"psnr_y": 31.0}),
        Score("c", "esc", {"psnr_y": 33.0, "niqe": 3.0}),
    )
    printed = {"esc": {"psnr_y": 32.68}}
    how = Measured(("PSNR", "SSIM"), 4)
    return Table("Set5", 4, ("bicubic", "esc"), (PSNR, NIQE), scores, printed, measured=how)


def test_the_summary_has_means_published_values_and_differences(table):
    header, bicubic, esc = summary_rows(table)
    assert header == ("method", "PSNR (Y), dB ↑", "published", "difference", "NIQE ↓")
    assert bicubic == ("bicubic", "30.50", "-", "-", "5.0000")
    assert esc == ("esc", "32.50", "32.68", "-0.18", "4.0000")


def test_a_mean_is_over_the_pictures_that_every_method_has(table):
    assert table.images_with("niqe") == ["a|b"]
    assert table.mean("esc", "niqe") == 4.0
    assert table.mean("esc", "psnr_y") == 32.5


def test_json_is_json_also_for_equal_pictures():
    equal = Table("S", 2, ("m",), (PSNR,), (Score("x", "m", {"psnr_y": float("inf")}),))
    content = json.loads(to_json([equal], {}), parse_constant=pytest.fail)
    assert content["tables"][0]["means"]["m"]["psnr_y"] == "inf"


def test_markdown_holds_every_picture_and_no_stray_column(table):
    text = to_markdown([table])
    assert "## Set5 x4" in text
    rows = [line for line in text.splitlines() if line.startswith("| c ")]
    assert rows == ["| c | 31.00 | - | 33.00 | 3.0000 |"]
    assert "a\\|b" in text


def test_csv_reads_back(table):
    rows = list(csv.DictReader(io.StringIO(to_csv([table]))))
    means = {row["method"]: row["psnr_y"] for row in rows if row["image"] == "mean"}
    assert means == {"bicubic": "30.5", "esc": "32.5"}
    assert len(rows) == 6


def test_json_reads_back(table):
    content = json.loads(to_json([table], {"esc": "1"}))
    assert content["tables"][0]["means"]["esc"] == {"psnr_y": 32.5, "niqe": 4.0}
    assert content["tables"][0]["lower_is_better"] == ["niqe"]
    assert content["environment"] == {"esc": "1"}


def test_published_values_are_those_of_the_paper():
    assert published("esc", 4, "Urban100") == {"psnr_y": 27.07, "ssim_y": 0.8144}
    assert published("esc@div2k", 2, "BSD100") == {"psnr_y": 32.41, "ssim_y": 0.9027}
    assert published("esc@dflip", 4, "Manga109")["psnr_y"] == 31.87
    assert published("esc-lte", 6, "B100") == {"psnr_y": 26.0}
    assert published("esc-lte", 6, "Manga109") == {}
    assert published("esc-tiny", 4, "Set5") == {}


def test_every_file_says_how_it_was_measured(table):
    assert "PSNR and SSIM on Y, border 4, rounded to 8 bits." in to_markdown([table])
    for row in csv.DictReader(io.StringIO(to_csv([table]))):
        told = (row["border"], row["channels"], row["rounding"])
        assert told == ("4", "Y", "rounded to 8 bits")
    (one,) = json.loads(to_json([table], {}))["tables"]
    assert (one["border"], one["channels"], one["rounding"]) == (4, "Y", "rounded to 8 bits")


def test_without_a_reference_nothing_is_said_of_borders(table):
    bare = replace(table, measured=None)
    assert "border" not in to_markdown([bare])
    (one,) = json.loads(to_json([bare], {}))["tables"]
    assert one["border"] is None
