"""Which number format where, and what to do when it does not hold the result."""

from __future__ import annotations

import re
from typing import Literal

import torch

from esc_cli.errors import DeviceError, UsageError

Precision = Literal["fp32", "fp16", "bf16"]

DTYPES: dict[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}

_DEVICES = re.compile(r"(cpu|cuda|mps)(:(0|[1-9][0-9]?))?")
"""What torch calls the devices that are supported; its others have no such name here."""

_FALLBACKS: dict[Precision, tuple[Precision, ...]] = {
    "fp16": ("fp16", "bf16", "fp32"),
    "bf16": ("bf16", "fp32"),
    "fp32": ("fp32",),
}


def choose_device(wish: str) -> torch.device:
    """The device that a wish means: "auto" is CUDA, then Apple's MPS, then the CPU.

    Raises UsageError for what is no device of any machine, DeviceError, saying what there is, for
    one that is not there.
    """
    if wish == "auto":
        return torch.device(_best_device())
    if not _DEVICES.fullmatch(wish):
        raise UsageError(f"no such device: {wish!r}", advice="auto, cpu, cuda, cuda:1, mps")
    device = torch.device(wish)
    if not _exists(device):
        raise DeviceError(f"device {wish} is not there", advice=f"here: {_present()}")
    return device


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _present() -> str:
    return ", ".join(dict.fromkeys([_best_device(), "cpu"]))


def _exists(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    return device.type == "cpu" or (device.type == "mps" and torch.backends.mps.is_available())


def choose_precision(wish: str, device: torch.device) -> Precision:
    """The precision that a wish means.

    "auto" is fp16 on CUDA with tensor cores, else fp32; "fast" the same, but bf16 on processors
    that multiply it in hardware.
    """
    if wish == "fast" and device.type == "cpu" and bf16_is_faster(device):
        return "bf16"
    if wish in {"auto", "fast"}:
        return "fp16" if _has_tensor_cores(device) else "fp32"
    for known in DTYPES:
        if wish == known:
            return known
    raise DeviceError(f"no precision {wish!r}", advice="auto, fast, " + ", ".join(DTYPES))


def _has_tensor_cores(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (7, 0)


def bf16_is_faster(device: torch.device) -> bool:
    """Whether the device multiplies bf16 in hardware: CUDA, and processors with AVX512-BF16 or AMX.

    An older torch, which does not tell what a processor can, counts as one without.
    """
    if device.type != "cpu":
        return device.type == "cuda"
    can: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(can.get("avx512_bf16") or can.get("amx_bf16"))


def attempts(chosen: Precision) -> tuple[Precision, ...]:
    """The precisions to try for a tile, in order: the chosen one, then those with more range."""
    return _FALLBACKS[chosen]
