"""Whether results are right: golden parity, folders against the CPU, running out of memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from esc_cli import Upscaler, load_model
from esc_cli.checkpoints.config_from_state import read_config
from esc_cli.engine.options import EngineOptions
from esc_cli.engine.precision import DTYPES
from esc_cli.engine.prepare import ready
from esc_cli.model import Network, from_config
from esc_cli.model.families import Facts as StateFacts
from esc_cli.model.lte import ESCLTE
from gpu_parts.setting import Facts, Setting, run_esc, save, scene

FP32_LIMIT = 1e-4
"""Of the largest output; the golden values are a CPU's."""


def parity(setting: Setting) -> Iterator[Facts]:
    """Every golden file in every precision: the largest difference, as a share of the largest."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    for folder in setting.golden:
        for path in sorted(folder.glob("esc*.safetensors")):
            tensors = load_file(path)
            state = {k[6:]: v for k, v in tensors.items() if k.startswith("state.")}
            if state and "input" in tensors:
                yield from _one(path, state, tensors, setting)


def _one(
    path: Path, state: dict[str, torch.Tensor], tensors: dict[str, torch.Tensor], setting: Setting
) -> Iterator[Facts]:
    network = _network(state)
    outputs = {k: v for k, v in tensors.items() if k.startswith("output")}
    for name, dtype in DTYPES.items():
        made = ready(network, setting.device, dtype)
        x = tensors["input"].to(setting.device, dtype)
        for key, expected in outputs.items():
            with torch.inference_mode():
                size = tuple(expected.shape[-2:])
                found = made(x, size) if isinstance(made, ESCLTE) else made(x)
            if found.shape == expected.shape:
                worst = float((found.cpu().float() - expected).abs().max() / expected.abs().max())
                good = worst <= FP32_LIMIT if name == "fp32" else math.isfinite(worst)
                yield {
                    "file": path.stem,
                    "output": key,
                    "precision": name,
                    "worst": worst,
                    "ok": good,
                }


def _network(state: dict[str, torch.Tensor]) -> Network:
    meta = state.get("to_img.MetaUpsample")
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    facts = StateFacts(shapes, None if meta is None else tuple(meta.tolist()))
    network = from_config(read_config(facts))
    network.load_state_dict(state)
    return network.eval()


def folder(setting: Setting) -> Iterator[Facts]:
    """`esc upscale` on mixed pictures: how far fp32 and fp16 are from the CPU's results."""
    sources = setting.scratch / "mixed"
    high = _mixed(sources, setting.pick(6, 1))
    results = {"cpu": _upscaled(sources, setting.scratch / "cpu", "cpu", "fp32")}
    for precision in ("fp32", "fp16"):
        if precision == "fp16" and setting.rehearse:
            precision = "bf16"  # noqa: PLW2901 - a CPU has no quick fp16
        target = setting.scratch / precision
        results[precision] = _upscaled(sources, target, setting.device.type, precision)
        for name, own in results[precision].items():
            reference = results["cpu"][name]
            levels = int(np.abs(own.astype(int) - reference.astype(int)).max())
            lost = _psnr(reference, high[name]) - _psnr(own, high[name]) if name in high else 0.0
            good = levels <= 1 if precision == "fp32" else abs(lost) <= 0.01
            facts = {"precision": precision, "levels": levels, "lost_db": round(lost, 4)}
            yield {"picture": name, **facts, "ok": good}


def _mixed(folder: Path, count: int) -> dict[str, np.ndarray]:
    """Colour, grey, transparent, odd sizes; the HR of those that have one, by the result's name."""
    high = {}
    for number in range(count):
        large = scene(4 * (60 + 7 * number), 4 * (48 + 11 * number), number)
        small = Image.fromarray(large).resize((large.shape[1] // 4, large.shape[0] // 4))
        save(folder / f"colour{number}.png", np.asarray(small))
        high[f"colour{number}.png"] = large
    save(folder / "grey.png", scene(41, 53)[..., 0])
    save(folder / "clear.png", np.dstack([scene(33, 30), scene(33, 30, 3)[..., 0]]))
    save(folder / "tiny.png", scene(1, 9))
    return high


def _upscaled(sources: Path, target: Path, device: str, precision: str) -> dict[str, np.ndarray]:
    command = ["upscale", str(sources), "-o", str(target), "-m", "esc-tiny", "-s", "4"]
    run_esc(*command, "--device", device, "--precision", precision, "--quiet")
    return {path.name: np.asarray(Image.open(path)) for path in sorted(target.glob("*.png"))}


def _psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * math.log10(255**2 / max(1e-9, float(((a.astype(float) - b) ** 2).mean())))


def out_of_memory(setting: Setting) -> Iterator[Facts]:
    """A real lack of memory, by a limit for this process, that an upscale survives."""
    network, side = load_model("esc-tiny", 4), setting.pick(3000, 96)
    image = torch.from_numpy(scene(side, side)).permute(2, 0, 1)
    if not setting.rehearse:
        total = torch.cuda.get_device_properties(setting.device).total_memory
        torch.cuda.set_per_process_memory_fraction(2e9 / total)
    options = EngineOptions(device=setting.device.type, host_maps=False)
    done = Upscaler(network, options).upscale(image, dtype=torch.uint8)
    survived = done.image.shape[-1] == 4 * side
    notes = list(done.notes)
    yield {"tile": done.tile, "notes": notes, "ok": survived and (bool(notes) or setting.rehearse)}
