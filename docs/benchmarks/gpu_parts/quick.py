"""How quick networks are: latency, peak memory and the memory's estimate, Triton kernels."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from attention import PlainESC

from esc_cli import Upscaler
from esc_cli.engine import memory
from esc_cli.engine.options import WHOLE, EngineOptions
from esc_cli.engine.precision import DTYPES
from esc_cli.engine.prepare import ready
from esc_cli.model import Network, build
from esc_cli.model.attention import flex_attention, set_attention_kernel
from esc_cli.model.config import VARIANTS, variant_config
from esc_cli.model.layers import geometric_ensemble
from gpu_parts.setting import Facts, Setting, median_ms, peak_bytes

PAPER = (180, 320)
"""Input of an output of 1280x720 at x4."""
KERNELS = ("sdpa", "flex")


def latency(setting: Setting) -> Iterator[Facts]:
    """All networks, kernels and precisions; first esc beside its plain eager composition."""
    size = setting.pick(PAPER, (32, 40))
    torch._dynamo.config.recompile_limit = 64  # flex is compiled for each shape and type
    yield _plain(setting, size)
    names = setting.pick(tuple(VARIANTS), ("esc-tiny",))
    for precision in ("fp16", "fp32", "bf16"):
        for name in names:
            for kernel in (*KERNELS, "flashbias"):
                yield _latency(setting, name, kernel, precision, size)


def _timed(setting: Setting, work: Callable[[], Any]) -> Facts:
    with torch.inference_mode():
        work()
        took = median_ms(work, setting.device, setting.pick(30, 1), setting.pick(10, 0))
        return {"ms": round(took, 3), "peak_bytes": peak_bytes(work, setting.device)}


def _latency(setting: Setting, name: str, kernel: str, precision: Any, size: Any) -> Facts:
    facts: Facts = {"network": name, "kernel": kernel, "precision": precision}
    try:
        scale = variant_config(name).scale or None
        network = build(name, scale, flashbias=kernel == "flashbias").eval()
        if kernel != "flashbias":
            set_attention_kernel(network, kernel)
        made = ready(network, setting.device, DTYPES[precision])
        x = torch.rand(1, 3, *size).to(setting.device, DTYPES[precision])
        out = (size[0] * 4, size[1] * 4)
        return facts | _timed(setting, (lambda: made(x)) if scale else (lambda: made(x, out)))
    except Exception as error:  # noqa: BLE001 - the others are measured all the same
        return facts | {"error": f"{type(error).__name__}: {error}"[:300], "ok": False}


def _plain(setting: Setting, size: tuple[int, int]) -> Facts:
    """Eager fp32 with flex attention, the composition that the goals are measured against."""
    state = {k: v.to(setting.device) for k, v in build("esc", 4).state_dict().items()}

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, bias: torch.Tensor) -> Any:
        if setting.rehearse:
            return F.scaled_dot_product_attention(q, k, v, attn_mask=bias[None])
        return flex_attention(q, k, v, tables[0], 32)

    tables = [state["blocks.0.attn.relative_position_bias"]]
    network = PlainESC(state, attend)
    # flex looks the table up by itself: nothing worth the name is gathered for it
    columns = network.columns if setting.rehearse else torch.zeros(1, 1, dtype=torch.long)
    network.columns = columns.to(setting.device)
    x = torch.rand(1, 3, *size, device=setting.device)
    return {"network": "esc", "kernel": "plain, flex", "precision": "fp32"} | _timed(
        setting, lambda: network(x)
    )


def memory_truth(setting: Setting) -> Iterator[Facts]:
    """The estimate of memory against the peak, and cost per pixel, from 1 to 64 megapixels."""
    for megapixels in setting.pick((1, 4, 16, 64), (0.005,)):
        side = round((megapixels * 1e6) ** 0.5)
        image = torch.randint(0, 256, (3, side, side), dtype=torch.uint8)
        for name in setting.pick(("esc-tiny", "esc-light"), ("esc-tiny",)):
            network = build(name, 4).eval()
            facts: Facts = {"network": name, "megapixels": megapixels}
            for way, options in _ways(setting).items():
                upscaler = Upscaler(network, options)
                work = partial(upscaler.upscale, image, dtype=torch.uint8)
                itemsize = DTYPES[upscaler.precision].itemsize
                took = _once(setting, work, megapixels)
                yield facts | {"way": way, **_estimate(setting, network, side, itemsize), **took}
            made = ready(network, setting.device, DTYPES[upscaler.precision])
            made.working = replace(made.working, store=torch.device("cpu"))
            x = (image[None].to(setting.device) / 255).to(DTYPES[upscaler.precision])
            work = partial(_through, made, x)
            yield facts | {"way": "host maps", **_once(setting, work, megapixels)}


def _once(setting: Setting, work: Callable[[], Any], megapixels: float) -> Facts:
    """Peak and time of one run: the first of its size, with all that this takes."""
    start = time.perf_counter()
    peak = peak_bytes(work, setting.device)
    spent = time.perf_counter() - start
    return {"peak_bytes": peak, "ms_per_megapixel": round(1000 * spent / megapixels, 1)}


def _estimate(setting: Setting, network: Network, side: int, itemsize: int) -> Facts:
    config, device = network.config, setting.device
    maps = memory.map_bytes_per_pixel(config, device, itemsize) * side * side
    return {"estimate": int(memory.at_work(config, device, itemsize) + maps)}


@torch.inference_mode()
def _through(network: Network, x: torch.Tensor) -> None:
    for _ in network.parts(x):
        pass


def _ways(setting: Setting) -> dict[str, EngineOptions]:
    kind = setting.device.type
    return {
        "patches": EngineOptions(device=kind, tile=WHOLE),
        "tiles": EngineOptions(device=kind, tile=setting.pick(1024, 32)),
        "chosen": EngineOptions(device=kind),
    }


def triton_kernels(setting: Setting) -> Iterator[Facts]:
    """The Triton kernels against torch: difference and time. Without CUDA only that they import."""
    from esc_cli.model import triton_attention, triton_large_conv

    device = setting.device
    if setting.rehearse:
        taps = triton_large_conv.distinct_taps(geometric_ensemble(torch.randn(4, 4, 13, 13)))
        yield {"kernel": "28 taps", "taps": len(taps), "ok": len(taps) == 28}
        return
    q, k, v = torch.randn(3, 60, 4, 1024, 16, device=device, dtype=torch.float16)
    table = torch.randn(4, 63**2, device=device)
    ours = lambda: triton_attention.triton_attention(q, k, v, table, 32)  # noqa: E731
    theirs = lambda: flex_attention(q, k, v, table, 32)  # noqa: E731
    yield _compared("attention, against flex", ours, theirs, device)
    kernel = geometric_ensemble(torch.randn(16, 16, 13, 13, device=device)).half()
    x = torch.randn(1, 16, 720, 1280, device=device, dtype=torch.float16)
    x = x.contiguous(memory_format=torch.channels_last)
    taps = triton_large_conv.distinct_taps(kernel)
    ours = lambda: triton_large_conv.symmetric_conv(x, taps, 13, (6, 6, 6, 6))  # noqa: E731
    theirs = lambda: F.conv2d(x, kernel, padding=6)  # noqa: E731
    yield _compared("28 taps, against conv2d", ours, theirs, device)


def _compared(name: str, ours: Any, theirs: Any, device: torch.device) -> Facts:
    expected = theirs().float()
    worst = float((ours().float() - expected).abs().max() / expected.abs().max())
    times = {"ms": median_ms(ours, device, 30, 5), "torch_ms": median_ms(theirs, device, 30, 5)}
    return {"kernel": name, "worst": worst, "ok": worst < 1e-2, **times}
