"""`esc bench` as a command, at sizes that take no time."""

from __future__ import annotations

import csv
import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from benching import QUICK, bench, row, start
from command import ROOT
from PIL import Image
from typer.testing import CliRunner

from esc_cli.cli import parsing
from esc_cli.cli.app import app
from esc_cli.errors import UsageError
from esc_cli.tasks.benchmark import report
from esc_cli.tasks.benchmark.events import BenchOptions
from esc_cli.tasks.benchmark.run import Benchmark
from esc_cli.tasks.stop import Stop

TINY_X2 = ROOT / "weights/esc-tiny-x2.safetensors"


pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("measured_processes")]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A run of two networks with every output."""
    folder = tmp_path_factory.mktemp("bench")
    files = [(f"--{kind}", folder / f"r.{kind}") for kind in ("json", "csv")]
    more = ("--markdown", folder / "r.md", "--plot", folder / "r.png")
    options = (word for pair in files for word in pair)
    code, out, err = bench("-m", "esc-tiny,esc-fp", *QUICK, *options, *more)
    assert code == 0, err
    return folder, out, err


def test_the_json_holds_each_configuration_and_the_machine(
    measured: tuple[Path, str, str],
) -> None:
    found = json.loads((measured[0] / "r.json").read_text())
    tiny, plain = found["rows"]
    assert (tiny["model"], tiny["weights"], tiny["parameters"]) == (
        *("esc-tiny", "esc-tiny-x4"),
        112_052,
    )
    assert (plain["model"], plain["weights"]) == ("esc-fp", "fresh")
    assert tiny["input_size"] == [48, 32]
    assert len(tiny["wall_ms"]) == 2
    assert 0 < tiny["median_ms"] < plain["median_ms"]
    assert tiny["images_per_s"] == pytest.approx(1000 / tiny["median_ms"])
    assert tiny["peak_bytes"] > tiny["idle_bytes"] > 0
    assert (tiny["psnr_source"], plain["psnr_source"]) == ("measured", "published")
    assert {"processor", "cores", "torch", "threads"} <= found["environment"].keys()


def test_every_output_names_the_machine_and_says_what_is_fresh(
    measured: tuple[Path, str, str],
) -> None:
    folder, out, err = measured
    processor = json.loads((folder / "r.json").read_text())["environment"]["processor"]
    assert "esc-tiny x4" in out
    for text in (err, (folder / "r.md").read_text()):
        assert processor in text
        assert "never trained" in text
    lines = list(csv.DictReader((folder / "r.csv").open()))
    assert [line["model"] for line in lines] == ["esc-tiny", "esc-fp"]
    assert {line["processor"] for line in lines} == {processor}


def test_the_plot_is_a_picture(measured: tuple[Path, str, str]) -> None:
    with Image.open(measured[0] / "r.png") as image:
        image.load()
        assert len(image.convert("RGB").getcolors(1 << 24)) > 3


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("-m", "missing.pth"), 3, "missing.pth"),
        (("-m", "esc-tiny", "--device", "cuda:63"), 3, "cuda:63"),
        (("-m", "esc-tiny", "--device", "tpu"), 2, "no such device: 'tpu'"),
        (("-m", "esc-tiny", "--json", "nowhere/r.json"), 3, "nowhere"),
        (("-m", "esc-real", "--plot", "r.png"), 2, "no PSNR"),
        (("-m", "esc-tiny", "--compare", "missing.json"), 2, "missing.json"),
        (("-m", "esc-tiny", "-s", "7"), 2, "cannot be built for scale 7 (has 2, 3, 4)"),
        (("-m", TINY_X2, "-s", "4"), 2, "upscales by 2, and 4 is asked for"),
        (("-m", ","), 2, "names nothing"),
        (("-m", "esc-tiny", "--out", "."), 2, "is for --end-to-end"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_work(
    arguments: tuple[object, ...], code: int, word: str
) -> None:
    found, out, err = bench(*arguments)
    assert (found, out) == (code, "")
    assert word in err


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], str]:
    """The rows of a run that asks for configurations several times over, and its stderr."""
    stored = tmp_path_factory.mktemp("several") / "r.json"
    names = ("-m", "esc-tiny,esc-tiny-x4", "-s", "4,04", "--precision", "fp32,auto,fp32")
    kernels = ("--attention", "auto,flashbias,sdpa,flex")
    code, _, err = bench(*names, *kernels, *QUICK, "--json", stored)
    assert code == 0, err
    return json.loads(stored.read_text())["rows"], " ".join(err.split())


def test_each_configuration_is_measured_once(
    several: tuple[list[dict[str, Any]], str],
) -> None:
    rows, err = several
    assert "3 to measure" in err
    named = [(row["model"], row["scale"], row["precision"], row["attention"]) for row in rows]
    kernels = ("sdpa", "flashbias", "flex")
    assert named == [("esc-tiny", 4, "fp32", kernel) for kernel in kernels]


def test_the_same_configuration_of_other_weights_is_another_one(tmp_path: Path) -> None:
    other = tmp_path / "esc-tiny.safetensors"
    other.write_bytes((ROOT / "weights/esc-tiny-x4.safetensors").read_bytes())
    options = BenchOptions(models=("esc-tiny", str(other)), scales=(4,), device="cpu")
    found = [subject.weights for subject, _ in Benchmark(options, Stop())._workloads()]
    assert found == ["esc-tiny-x4", "esc-tiny.safetensors"]


def test_a_checkpoint_made_into_factors_has_neither_its_name_nor_its_psnr(
    several: tuple[list[dict[str, Any]], str],
) -> None:
    rows, err = several
    found = {row["attention"]: (row["weights"], row["psnr"] is not None) for row in rows}
    assert found == {
        "sdpa": ("esc-tiny-x4", True),
        "flashbias": ("esc-tiny-x4, factored", False),
        "flex": ("esc-tiny-x4", True),
    }
    assert "weights factored: " in err
    assert "never trained" not in err


def test_flex_on_a_cpu_is_said_to_be_slow_without_advice_to_programmers(
    several: tuple[list[dict[str, Any]], str],
) -> None:
    assert "attention flex is compiled on CUDA only: here it is slow" in several[1]
    assert "torch.compile" not in several[1]
    assert "Warning" not in several[1]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--plot", "p.png"),
        ("--compare", "r.json"),
        ("--runs", "3"),
        ("--warmup", "1"),
        ("--size", "1280x720"),
        ("--batch", "1"),
    ],
)
def test_what_is_for_networks_alone_is_refused_for_a_folder(option: str, value: str) -> None:
    words = ["bench", "-m", "esc-tiny", "--end-to-end", ".", option, value]
    done = CliRunner().invoke(app, words)
    with pytest.raises(UsageError, match=f"{option} is for networks, not for --end-to-end"):
        raise done.exception or AssertionError(done.output)


def test_help_names_the_kernels_and_no_other_is_taken() -> None:
    told = CliRunner().invoke(app, ["bench", "--help"], env={"COLUMNS": "300", "TERM": "dumb"})
    assert "A list of sdpa, flex, flashbias; auto is what" in " ".join(told.output.split())
    for name in ("math", "fast"):
        done = CliRunner().invoke(app, ["bench", "--attention", name])
        with pytest.raises(UsageError, match=f"no attention '{name}' .auto, sdpa, flex, flashbias"):
            raise done.exception or AssertionError(done.output)


def test_an_attention_that_upscaling_does_not_use_is_refused_before_any_work() -> None:
    words = ["-m", "esc-tiny", "--end-to-end", ".", "--attention", "auto,sdpa"]
    done = CliRunner().invoke(app, ["bench", *words])
    assert "to measure" not in done.output
    with pytest.raises(UsageError, match="as esc upscale does, --attention auto"):
        raise done.exception or AssertionError(done.output)


@pytest.mark.parametrize("text", ["", "1280", "1280x", "x720", "0x720", "-1x5", "axb", "1x2x3"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no size"):
        parsing.size(text)


def test_a_word_that_is_not_known_is_named() -> None:
    assert parsing.one_of("b, a", ("a", "b", "c"), "letter") == ("b", "a")
    with pytest.raises(UsageError, match="no letter 'd'"):
        parsing.one_of("a,d", ("a", "b"), "letter")
    with pytest.raises(UsageError, match="empty"):
        parsing.one_of(" ,", ("a", "b"), "letter")


def test_times_on_a_busy_processor_come_with_a_warning() -> None:
    assert list(report._busy([row(99.0), row(180.0)])) == []
    (note,) = report._busy([row(99.0), row(40.0)])
    assert "40%" in note


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five small pictures of two sizes."""
    home = tmp_path / "pictures"
    home.mkdir()
    for number in range(5):
        size = (40, 32 + number % 2)
        Image.effect_noise(size, 40 + number).convert("RGB").save(home / f"{number}.png")
    return home


def test_a_folder_goes_through_the_whole_pipeline_and_leaves_nothing(
    folder: Path, tmp_path: Path
) -> None:
    scratch, stored = tmp_path / "not there yet" / "scratch", tmp_path / "r.json"
    lines = tmp_path / "r.csv"
    files = ("--out", scratch, "--json", stored, "--csv", lines)
    options = ("--end-to-end", folder, *files, "-s", "2")
    code, out, err = bench("-m", "esc-tiny", *options, "--device", "cpu")
    assert code == 0, err
    (job,) = json.loads(stored.read_text())["whole_jobs"]
    assert (job["model"], job["pictures"]) == ("esc-tiny", 5)
    assert job["megapixels"] == pytest.approx((3 * 80 * 64 + 2 * 80 * 66) / 1e6)
    seconds = {stage["name"]: stage["seconds"] for stage in job["stages"]}
    assert min(seconds[name] for name in ("decode", "network", "encode")) > 0
    assert job["idle_s"] == pytest.approx(max(0, job["seconds"] - seconds["network"]))
    assert job["ratio"] == pytest.approx(job["images_per_s"] / job["alone_images_per_s"])
    assert "device waited s" in out
    (line,) = csv.DictReader(lines.open())
    assert float(line["network_s"]) == seconds["network"]
    assert (line["model"], line["attention"], line["threads"]) == ("esc-tiny", "sdpa", "1")
    assert list(scratch.iterdir()) == []
    assert len(list(folder.iterdir())) == 5


def test_a_network_without_weights_goes_through_the_pipeline_too(folder: Path) -> None:
    for path in sorted(folder.iterdir())[1:]:
        path.unlink()
    code, out, _ = bench("-m", "esc-fp", "--end-to-end", folder, "-s", "2", "--device", "cpu")
    assert code == 0
    assert "esc-fp x2" in out


def test_a_picture_that_fails_is_named(folder: Path) -> None:
    (folder / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    code, out, err = bench("-m", "esc-tiny", "--end-to-end", folder, "--device", "cpu")
    assert (code, out) == (1, "")
    assert "0.png" in err


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    code, _, err = bench("-m", "esc-tiny", "--end-to-end", tmp_path, "--device", "cpu")
    assert code == 2
    assert "no pictures" in err


def test_a_signal_ends_it_with_the_documented_code() -> None:
    process = start("-m", "esc-tiny", *QUICK[:4], "--runs", "100000", "--device", "cpu")
    assert process.stderr is not None
    assert b"to measure" in process.stderr.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert b"no files are written" in err
