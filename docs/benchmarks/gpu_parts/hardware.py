"""What the card has besides its cores: video codecs, and graphs of recorded work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from esc_cli.engine.precision import DTYPES
from esc_cli.engine.prepare import ready
from esc_cli.model import build
from gpu_parts.jobs import fresh
from gpu_parts.setting import Facts, Setting, median_ms, run_esc, scene

ENCODERS = ("h264_nvenc", "hevc_nvenc", "av1_nvenc")
LEVELS = 12
"""The most by which the mean of a frame may differ after a lossy codec."""


def codecs(setting: Setting) -> Iterator[Facts]:
    """`esc upscale` with NVENC and with NVDEC, against the processor's codecs; not all in cards."""
    clip = _clip(setting, "libx264")
    weights = fresh(setting, "esc-tiny", 2)
    common = ("-m", weights, "-s", "2", "--device", setting.device.type)
    wanted = setting.scratch / "wanted.mkv"
    run_esc("upscale", str(clip), "-o", str(wanted), *common, "--codec", "ffv1")
    expected = _frames(wanted)
    for name in setting.pick(ENCODERS, ("h264",)):
        yield {"encoder": name} | _against(setting, expected, clip, (*common, "--codec", name))
    decoder = setting.pick(("--hwaccel", "cuda"), ())
    ways = (*common, "--codec", "ffv1", *decoder)
    facts = _against(setting, expected, clip, ways)
    yield {"decoder": "cuda", **facts, "ok": facts.get("worst", 255) <= 1}


def _clip(setting: Setting, codec: str) -> Path:
    import av

    path = setting.scratch / "source.mp4"
    height, width = setting.pick((360, 640), (64, 96))
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=24, options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        base = scene(height, width)
        for number in range(setting.pick(48, 3)):
            moved = np.ascontiguousarray(np.roll(base, 2 * number, axis=1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, "rgb24")))
        container.mux(stream.encode(None))
    return path


def _frames(path: Path) -> np.ndarray:
    import av

    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def _against(setting: Setting, expected: np.ndarray, clip: Path, how: tuple[str, ...]) -> Facts:
    """The difference from what the processor's codecs give; an error in words."""
    target = setting.scratch / "found.mkv"
    target.unlink(missing_ok=True)
    try:
        run_esc("upscale", str(clip), "-o", str(target), *how)
        found = _frames(target).astype(int)
        if found.shape != expected.shape:
            return {"error": f"{found.shape} instead of {expected.shape}", "ok": False}
    except Exception as error:  # noqa: BLE001 - which codecs the card has is what is asked
        return {"error": f"{type(error).__name__}: {error}"[:200]}
    difference = np.abs(found - expected)
    mean = float(difference.mean())
    return {"worst": int(difference.max()), "mean": round(mean, 3), "ok": mean < LEVELS}


def graphs(setting: Setting) -> Iterator[Facts]:
    """Each network as it is called, and as a recorded graph that is played: time and equality."""
    size = setting.pick((180, 320), (32, 40))
    for name in setting.pick(("esc-tiny", "esc-light", "esc"), ("esc-tiny",)):
        made = ready(build(name, 4), setting.device, DTYPES[setting.pick("fp16", "fp32")])
        x = torch.rand(1, 3, *size).to(setting.device, next(made.parameters()).dtype)
        facts: Facts = {"network": name, "precision": setting.pick("fp16", "fp32")}
        try:
            yield facts | _played(setting, made, x)
        except RuntimeError as error:
            yield facts | {"error": f"{type(error).__name__}: {error}"[:300], "ok": False}


@torch.inference_mode()
def _played(setting: Setting, network: Callable[[Any], Any], x: torch.Tensor) -> Facts:
    expected = network(x).float()
    play, out = _recorded(setting, network, x)
    play()
    worst = float((out().float() - expected).abs().max())
    runs, warmup = setting.pick(50, 1), setting.pick(10, 0)
    return {
        "worst": worst,
        "ok": worst < 1e-3,
        "called_ms": round(median_ms(lambda: network(x), setting.device, runs, warmup), 3),
        "played_ms": round(median_ms(play, setting.device, runs, warmup), 3),
    }


def _recorded(
    setting: Setting, network: Callable[[Any], Any], x: torch.Tensor
) -> tuple[Callable[[], None], Callable[[], torch.Tensor]]:
    """What plays the work again, and what gives its result. Without CUDA it is computed again."""
    results: list[torch.Tensor] = [x]
    if setting.rehearse:

        def again() -> None:
            results[0] = network(x)

        return again, lambda: results[0]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # before a recording, everything is set up on another stream
        for _ in range(3):
            network(x)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results[0] = network(x)
    return graph.replay, lambda: results[0]
