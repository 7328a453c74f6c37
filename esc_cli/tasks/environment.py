"""What a measurement was made with."""

from __future__ import annotations

import platform
from pathlib import Path

import psutil
import torch

from esc_cli._version import __version__
from esc_cli.engine.threads import available_cores


def environment_facts() -> dict[str, str]:
    """Versions, threads and processor or GPU, by name."""
    on_gpu = torch.cuda.is_available()
    return {
        "esc": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name() if on_gpu else processor_name(),
        "threads": str(torch.get_num_threads()),
    }


def bench_facts(device: torch.device) -> dict[str, str]:
    """The machine and what runs on it, for a measurement on a device.

    The names in `evaluation.bench_compare.MACHINE` say which machine it is.
    """
    facts = {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor_name(),
        "cores": str(available_cores()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
    }
    if device.type == "cuda":
        facts |= _gpu_facts(device)
    return facts | {
        "threads": str(min(torch.get_num_threads(), available_cores())),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "esc": __version__,
    }


def _gpu_facts(device: torch.device) -> dict[str, str]:
    known = torch.cuda.get_device_properties(device)
    convolutions, products = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    return {
        "gpu": str(known.name),
        "gpu memory": f"{known.total_memory / 2**30:.0f} GiB",
        "driver": _driver(),
        "cuda": str(torch.version.cuda),
        "cudnn": str(torch.backends.cudnn.version()),
        "tf32": f"convolutions {convolutions}, products {products}",
    }


def _driver() -> str:
    """The version of NVIDIA's driver, where the kernel tells it."""
    try:
        words = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8").split()
    except OSError:
        return "unknown"
    return next((word for word in words if word[0].isdigit() and "." in word), "unknown")


def processor_name() -> str:
    """The processor as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
