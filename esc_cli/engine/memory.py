"""How much memory there is, how much a picture needs, and what running out looks like."""

from __future__ import annotations

import gc

import torch

from esc_cli.engine import host_memory
from esc_cli.engine.patch_size import patch_pixels
from esc_cli.model.config import NetworkConfig
from esc_cli.model.families import FAMILIES

USABLE = {"cuda": 0.8, "mps": 0.6, "cpu": 0.5}
"""Share of the free memory that may be planned for; the rest is for others and for error."""

TRUNK_COPIES = 16
"""Feature maps of `dim` channels alive at the peak of a block, measured on the CPU: 10 to 15."""

MAPS = 3
"""Feature maps of full size that a picture needs when it is done in patches."""

ANY_SCALE = 4
"""The scale that a network of any scale is expected to be asked for."""


def bytes_per_pixel(config: NetworkConfig, itemsize: int) -> float:
    """Peak working memory of a patch per input pixel, an upper estimate.

    docs/performance.md compares it with measured peaks.
    """
    trunk = TRUNK_COPIES * config.dim / config.unshuffle**2 * itemsize
    head = FAMILIES[config.family].head_bytes(config, itemsize)
    return trunk + head + _picture_bytes(config, itemsize)


def _picture_bytes(config: NetworkConfig, itemsize: int) -> int:
    """Input and result per input pixel, and copies of both."""
    return 12 * max(config.scale, 1) ** 2 * itemsize  # 3 channels of the result, four times


def map_bytes_per_pixel(config: NetworkConfig, device: torch.device, itemsize: int) -> float:
    """Memory per input pixel that does not hang on the patch: maps, input, on a CPU the result."""
    maps = _map_channels(config) / config.unshuffle**2
    if config.head == "dysample":
        maps += 2 * config.mid_dim + 2 * config.dim  # what it looks up, also in float32
    result = 12 * (config.scale or ANY_SCALE) ** 2 if device.type == "cpu" else 0  # in float32
    return (maps + 8) * itemsize + result  # 8: the input, as given and as the network takes it


def _map_channels(config: NetworkConfig) -> int:
    return MAPS * config.dim + config.pdim  # the first channels of one stay as they were


def host_maps_fit(config: NetworkConfig, device: torch.device, itemsize: int, pixels: int) -> bool:
    """Whether a picture can be done with its feature maps in host memory, patches on the device.

    Not with DySample, which looks values up in the whole map.
    """
    if config.head == "dysample":
        return False
    maps = pixels * _map_channels(config) / config.unshuffle**2 * itemsize
    on_device = at_work(config, device, itemsize) + pixels * 6 * itemsize
    fits = on_device <= free_bytes(device) * USABLE.get(device.type, 0.5)
    return fits and maps <= free_bytes(torch.device("cpu")) * USABLE["cpu"]


def at_work(config: NetworkConfig, device: torch.device, itemsize: int) -> float:
    """Memory for one patch, and what does not hang on the picture at all, in bytes."""
    fixed = FAMILIES[config.family].fixed_bytes
    if fixed is None:
        fixed = _bias_bytes(config, itemsize)
    return fixed + patch_pixels(config, device) * bytes_per_pixel(config, itemsize)


def pixels_that_fit(config: NetworkConfig, device: torch.device, itemsize: int) -> int:
    """Input pixels whose forward pass fits the memory that is free now, at least 0."""
    usable = free_bytes(device) * USABLE.get(device.type, 0.5)
    patch = patch_pixels(config, device)
    rest = usable - at_work(config, device, itemsize)
    if rest <= 0:  # less than a whole patch
        return max(0, patch + int(rest / bytes_per_pixel(config, itemsize)))
    return patch + int(rest / map_bytes_per_pixel(config, device, itemsize))


def _bias_bytes(config: NetworkConfig, itemsize: int) -> int:
    """The expanded table of one block, which does not depend on the picture: twice, while cast."""
    return 2 * config.heads * config.window**4 * itemsize


def free_bytes(device: torch.device) -> int:
    """Memory that can be taken on a device now, in bytes."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + cached
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    return host_memory.free_bytes()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on a device or on the host."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text or "not enough memory" in text


def release(device: torch.device) -> None:
    """Give cached memory back after running out of it."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
