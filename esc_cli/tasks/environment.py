"""What a measurement was made with."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from esc_cli import __version__


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


def processor_name() -> str:
    """The processor as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
