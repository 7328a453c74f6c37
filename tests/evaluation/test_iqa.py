"""The metrics of pyiqa, with the real pyiqa where it is installed."""

import importlib.util
import json
import os
import random
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from command import Command
from PIL import Image

from esc_cli.errors import MissingExtraError, NonFiniteError, UnsupportedError, UsageError
from esc_cli.evaluation import iqa, iqa_weights
from esc_cli.evaluation.export import to_json
from esc_cli.tasks.evaluate.events import EvalOptions, Scored, SetDone
from esc_cli.tasks.evaluate.run import Evaluation
from esc_cli.tasks.stop import Stop

CPU = torch.device("cpu")

needs_pyiqa = pytest.mark.skipif(
    importlib.util.find_spec("pyiqa") is None,
    reason="pyiqa is not installed: pip install '.[iqa]'",
)

LOAD = """
import json, sys, torch
from esc_cli.errors import EscError
from esc_cli.evaluation import iqa
found = {}
for name in sys.argv[1:]:
    try:
        iqa.load_metric(name, torch.device("cpu"))
        found[name] = ["", ""]
    except EscError as error:
        found[name] = [type(error).__name__, str(error)]
json.dump(found, sys.stderr)
"""


def run(code, *arguments, folder, **environment):
    """A fresh interpreter whose caches are in the empty `folder`."""
    homes = {name: str(folder) for name in ("HOME", "TORCH_HOME", "HF_HOME")}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **homes, **environment},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def errors_of(names, folder, **environment):
    """What loading the metrics ends with, by name; nothing may have reached stdout."""
    done = run(LOAD, *names, folder=folder, **environment)
    assert done.stdout == ""
    return json.loads(done.stderr[done.stderr.rindex('{"') :])


def always(value):
    """A network that gives `value` whatever it is shown."""
    return lambda *_, **__: torch.tensor([value])


def picture(noise, size=96):
    """A smooth picture with soft edges and as much noise as asked for, (1, 3, size, size)."""
    ramp = torch.linspace(0, 6.28, size)
    waves = torch.stack([torch.sin(k * ramp)[:, None] * torch.cos(ramp)[None] for k in (1, 2, 3)])
    grain = torch.randn(3, size, size, generator=torch.Generator().manual_seed(0))
    return (0.5 + 0.3 * waves + noise * grain).clamp(0, 1)[None]


@needs_pyiqa
def test_piqe_finds_the_noisier_picture_worse():
    metric = iqa.load_metric("piqe", CPU)
    clean, noisy = metric.score(torch.cat([picture(0.01), picture(0.2)]), None)
    assert metric.info.lower_is_better
    assert clean < noisy


@needs_pyiqa
@pytest.mark.parametrize("name", ["psnry", "ssim"])
def test_a_batch_has_the_values_of_its_pictures(name):
    metric = iqa.load_metric(name, CPU)
    hr = picture(0).repeat(3, 1, 1, 1)
    sr = torch.cat([picture(noise) for noise in (0.02, 0.05, 0.1)])
    together = metric.score(sr, hr)
    assert together == [metric.score(sr[i : i + 1], hr[i : i + 1])[0] for i in range(3)]
    assert together == sorted(together, reverse=True)


@needs_pyiqa
def test_psnr_is_ten_times_the_logarithm_of_the_inverse_mean_square():
    hr = torch.full((1, 3, 16, 16), 0.5)
    assert iqa.load_metric("psnr", CPU).score(hr + 0.1, hr)[0] == pytest.approx(20, abs=1e-4)


@needs_pyiqa
def test_half_precision_pictures_are_scored_in_float32():
    sr, hr = picture(0.1).half(), picture(0).half()
    assert iqa.load_metric("psnr", CPU).score(sr, hr)[0] > 15


DRAWING = {
    "torch": lambda sr: sr.mean() + torch.randint(1000, ()),
    "numpy": lambda sr: sr.mean() + np.random.randint(1000),
    "python": lambda sr: sr.mean() + random.random(),
}


@needs_pyiqa
@pytest.mark.parametrize("network", DRAWING.values(), ids=DRAWING)
def test_random_patches_are_the_same_for_every_call(network):
    metric = iqa.IqaMetric(iqa.describe("piqe"), network)
    states = torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    assert len(set(metric.score(picture(0).repeat(3, 1, 1, 1), None))) == 1
    assert metric.draws
    assert torch.equal(torch.random.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])
    assert random.getstate() == states[2]


@needs_pyiqa
def test_a_metric_that_draws_nothing_is_not_called_seeded():
    metric = iqa.load_metric("psnr", CPU)
    metric.score(picture(0.1), picture(0))
    assert not metric.draws


@needs_pyiqa
def test_a_table_says_which_metric_is_seeded_also_from_the_cache(tmp_path, monkeypatch):
    (tmp_path / "Own" / "HR").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "Own" / "HR" / "a.png")
    made = iqa.load_metric

    def drawing(name: str, device: torch.device, **how: bool) -> iqa.IqaMetric:
        metric = made(name, device, **how)
        network = metric._network
        if name == "gmsd":
            metric._network = lambda *pair: network(*pair) + 0 * torch.rand(())
        return metric

    monkeypatch.setattr(iqa, "load_metric", drawing)
    asked = EvalOptions(
        ("Own",), (tmp_path,), (2,), (), ("bicubic",), iqa=("gmsd", "psnr"), cache=tmp_path / "c"
    )
    for _ in range(2):
        events = list(Evaluation(asked, Stop()).run())
        (table,) = [event.table for event in events if isinstance(event, SetDone)]
        assert [m.label for m in table.metrics if m.seeded] == ["GMSD (seeded)"]
        assert '"seeded": [\n        "gmsd"' in to_json([table], {})
    assert all(event.cached for event in events if isinstance(event, Scored))
    words = (
        "eval",
        "-d",
        "Own",
        "--data-root",
        tmp_path,
        "-s",
        "2",
        "-m",
        "esc-tiny",
        "--no-cache",
    )
    first, again = (Command()(*words, "--iqa", "gmsd,psnr") for _ in range(2))
    assert first.code == 0, first.err
    assert "GMSD (seeded)" in " ".join(first.out.split())
    assert again.out == first.out


@needs_pyiqa
def test_a_metric_is_described_as_pyiqa_describes_it():
    found = {info.name: info for info in iqa.known_metrics()}
    paper = ["psnry", "ssim", "lpips", "dists", "fid", "niqe", "maniqa", "musiq", "clipiqa"]
    assert set(paper) <= found.keys()
    lower = {name for name in [*paper, "piqe"] if found[name].lower_is_better}
    assert lower == {"lpips", "dists", "fid", "niqe", "piqe"}
    reference = {name for name in paper if found[name].needs_reference}
    assert reference == {"psnry", "ssim", "lpips", "dists", "fid"}
    assert [name for name in paper if found[name].whole_set] == ["fid"]


@needs_pyiqa
def test_an_unknown_metric_suggests_its_neighbours():
    with pytest.raises(UsageError, match=r"'psnr_y'.*did you mean psnry"):
        iqa.load_metric("psnr_y", CPU)


@needs_pyiqa
def test_a_metric_without_a_value_per_picture_is_refused():
    with pytest.raises(UsageError, match="'clipscore'"):
        iqa.describe("clipscore")


@needs_pyiqa
def test_a_picture_too_small_is_an_error_of_that_picture():
    metric = iqa.load_metric("ssim", CPU)
    small = torch.rand(1, 3, 6, 8)
    with pytest.raises(UnsupportedError, match="ssim cannot take 8x6 pixels"):
        metric.score(small, small)
    assert metric.score(picture(0), picture(0)) == pytest.approx([1])


@needs_pyiqa
def test_a_reference_is_asked_for_and_must_have_the_same_size():
    metric = iqa.load_metric("psnr", CPU)
    with pytest.raises(UsageError, match="needs a reference"):
        metric.score(picture(0), None)
    with pytest.raises(UnsupportedError, match="96x96 pixels, but the reference has 64x64"):
        metric.score(picture(0), picture(0, size=64))


@needs_pyiqa
def test_a_value_that_is_no_number_is_an_error():
    metric = iqa.IqaMetric(iqa.describe("psnr"), always(float("nan")))
    with pytest.raises(NonFiniteError, match="psnr gives nan for 96x96 pixels"):
        metric.score(picture(0), picture(0))


@needs_pyiqa
def test_metrics_of_folders_and_of_pictures_are_not_mixed_up(tmp_path):
    fid = iqa.IqaMetric(iqa.describe("fid"), always(7))
    (tmp_path / "1.png").touch()
    with pytest.raises(UsageError, match="needs two pictures"):
        fid.score_folders(tmp_path, tmp_path)
    (tmp_path / "2.png").touch()
    assert fid.score_folders(tmp_path, tmp_path) == 7
    with pytest.raises(UsageError, match="no folder"):
        fid.score_folders(tmp_path, tmp_path / "absent")
    with pytest.raises(UsageError, match="compares folders"):
        fid.score(picture(0), picture(0))
    with pytest.raises(UsageError, match="compares pictures"):
        iqa.load_metric("psnr", CPU).score_folders(tmp_path, tmp_path)


@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    """The cache, the seconds and the errors of loading without internet; brisque's file is bad."""
    folder = tmp_path_factory.mktemp("caches")
    damaged = folder / "hub" / "pyiqa" / "brisque_svm_weights.pth"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"<html>please log in</html>")
    started = time.monotonic()
    names = ["niqe", "lpips", "musiq", "maniqa", "clipiqa", "psnr", "brisque"]
    found = errors_of(names, folder, ESC_OFFLINE="1")
    return folder, time.monotonic() - started, found


@needs_pyiqa
def test_without_internet_missing_weights_are_named_at_once(offline):
    folder, seconds, found = offline
    assert seconds < 20
    assert found["psnr"] == ["", ""]  # needs none
    cache = folder / "hub"
    for name, file, address, place in [
        ("niqe", "niqe_modelparameters.mat", "https://huggingface.co/chaofengc/", cache / "pyiqa"),
        ("lpips", "alexnet", "https://download.pytorch.org/models/", cache / "checkpoints"),
        ("musiq", "musiq_koniq", "https://huggingface.co/chaofengc/", cache / "pyiqa"),
        ("maniqa", "", "https://huggingface.co/timm/vit_base_patch8_224", folder),
        ("clipiqa", "RN50.pt", "https://openaipublic.azureedge.net/clip/", cache / "clip"),
    ]:
        kind, message = found[name]
        assert kind == "WeightsError"
        assert f"the metric {name} needs {file}" in message
        assert address in message
        assert str(place) in message
        assert "ESC_OFFLINE is set" in message


@needs_pyiqa
def test_a_damaged_file_of_weights_is_an_error_of_the_weights(offline):
    folder, _, found = offline
    kind, message = found["brisque"]
    assert kind == "WeightsError"
    assert "the metric brisque cannot be loaded" in message
    assert f"remove it from {folder / 'hub'}" in message


@needs_pyiqa
def test_a_torchvision_for_another_torch_is_said_so(tmp_path):
    stub = tmp_path / "torchvision" / "__init__.py"
    stub.parent.mkdir()
    stub.write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    [kind, message] = errors_of(["psnr"], tmp_path, PYTHONPATH=path)["psnr"]
    assert kind == "MissingExtraError"
    assert f"does not match torch {torch.__version__}" in message


@pytest.mark.slow
def test_without_pyiqa_the_extra_is_named(tmp_path):
    blocked = "import sys; sys.modules['pyiqa'] = None\n" + LOAD
    done = run(blocked, "psnr", folder=tmp_path)
    [kind, message] = json.loads(done.stderr)["psnr"]
    assert kind == MissingExtraError.__name__
    assert "No module named 'pyiqa'" in message
    assert "pip install pyiqa" in message


@pytest.mark.slow
def test_importing_the_module_and_listing_the_metrics_loads_no_pyiqa(tmp_path):
    code = (
        "import sys\nfrom esc_cli.errors import MissingExtraError\n"
        "from esc_cli.evaluation import iqa\n"
        "try:\n    iqa.known_metrics()\nexcept MissingExtraError:\n    pass\n"
        "print([name for name in ('pyiqa', 'torchvision', 'timm') if name in sys.modules])"
    )
    assert run(code, folder=tmp_path).stdout.strip() == "[]"


def test_a_host_that_is_not_there_is_found_within_the_time_allowed(monkeypatch):
    monkeypatch.delenv("ESC_OFFLINE", raising=False)
    monkeypatch.setenv("ESC_CONNECT_TIMEOUT", "0.5")
    started = time.monotonic()
    # Port 1 refuses, and 192.0.2.1 (TEST-NET, RFC 5737) never answers.
    for host in ("127.0.0.1:1", "192.0.2.1"):
        assert iqa_weights.obstacle(f"https://{host}/weights.pth")
    assert time.monotonic() - started < 3


def test_a_host_that_answers_is_no_obstacle_unless_offline_is_wished(monkeypatch):
    monkeypatch.delenv("ESC_OFFLINE", raising=False)
    # This server refuses every request (501), which is an answer too.
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/weights.pth"
        assert iqa_weights.obstacle(address) == ""
        monkeypatch.setenv("ESC_OFFLINE", "1")
        assert iqa_weights.obstacle(address) == "ESC_OFFLINE is set"
        server.shutdown()
