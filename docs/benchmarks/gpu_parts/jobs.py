"""Whole jobs, and training steps."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from esc_cli.model import build
from esc_cli.training.recipe import load_recipe
from gpu_parts.setting import Facts, Setting, run_esc, save, scene


def fresh(setting: Setting, model: str, scale: int) -> str:
    """A file of weights that take the same time as trained ones, and nearly repeat the picture.

    Nothing is fetched. What the written video is checked for holds with them.
    """
    path = setting.scratch / f"{model}-x{scale}.safetensors"
    torch.manual_seed(0)
    state = build(model, scale).state_dict()
    save_file(state | {key: state[key] / 100 for key in ("to_img.weight", "to_img.bias")}, path)
    return str(path)


def pictures(setting: Setting) -> Iterator[Facts]:
    """200 pictures through `esc bench --end-to-end`: the share of the network's own rate."""
    folder = setting.scratch / "pictures"
    height, width = setting.pick((240, 320), (24, 32))
    for number in range(setting.pick(200, 3)):
        save(folder / f"{number:03}.png", scene(height, width, number))
    report = setting.scratch / "pictures.json"
    for model in setting.pick(("esc-light", "esc-tiny"), ("esc-tiny",)):
        run_esc(
            "bench", "-m", fresh(setting, model, 4), "-s", "4", "--device", setting.device.type,
            "--end-to-end", str(folder), "--json", str(report),
        )  # fmt: skip
        yield {"model": model, "report": json.loads(report.read_text())}


def video(setting: Setting) -> Iterator[Facts]:
    """1080p to 4K with esc-light x2, and seconds of work a second of video."""
    import av

    height, width = setting.pick((1080, 1920), (32, 48))
    frames, rate = setting.pick(96, 4), 24
    path = setting.scratch / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        base = scene(height, width)
        for number in range(frames):
            moved = np.ascontiguousarray(np.roll(base, 3 * number, axis=1))
            frame = av.VideoFrame.from_ndarray(moved, "rgb24").reformat(format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for model in setting.pick(("esc-light", "esc-tiny"), ("esc-tiny",)):
        scale = setting.pick("2", "4")
        start = time.perf_counter()
        target = setting.scratch / f"{model}.mkv"
        weights = fresh(setting, model, int(scale))
        command = ("upscale", str(path), "-o", str(target), "-m", weights, "-s", scale)
        run_esc(*command, "--device", setting.device.type)
        spent = time.perf_counter() - start
        yield {"model": model, "seconds_a_second": round(spent / (frames / rate), 2), "s": spent}


def training(setting: Setting) -> Iterator[Facts]:
    """Steps a second of the recipes, by `esc train` over a few pictures."""
    folder = setting.scratch / "hr"
    for number in range(setting.pick(24, 2)):
        save(folder / f"{number}.png", scene(512, 512, number))
    names = setting.pick(
        ("esc-tiny-photo", "esc-light-photo", "esc", "esc-light", "esc-lte", "esc-real-mse"),
        ("esc-tiny",),
    )
    for name in names:
        steps = setting.pick(60, 2)
        run = setting.scratch / f"run-{name}"
        scale = [] if load_recipe(name).objective == "points" else ["-s", "4"]
        run_esc(
            "train", name, "-d", str(folder), "-o", str(run), *scale,
            "--iterations", str(steps), "--log-every", str(max(1, steps // 3)),
            "--device", setting.device.type,
        )  # fmt: skip
        yield {"recipe": name, "log": _log(run)}
        shutil.rmtree(run)


def _log(run: Path) -> list[Facts]:
    lines = (run / "log.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def card(setting: Setting) -> Iterator[Facts]:
    """What this was run on."""
    facts: Facts = {"torch": torch.__version__, "python": sys.version.split()[0]}
    if not setting.rehearse:
        known = torch.cuda.get_device_properties(0)
        facts |= {"card": known.name, "memory": known.total_memory}
    yield facts
