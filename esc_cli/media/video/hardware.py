"""Decoders and encoders of GPUs: which there are, and why one does not open on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from esc_cli.errors import DeviceError, UsageError
from esc_cli.media.video.source import load_av

NEEDS = {
    "nvenc": "an NVIDIA GPU and its driver",
    "qsv": "an Intel GPU and its driver with oneVPL",
    "amf": "an AMD GPU and its driver with AMF",
}
"""What encoders of a kind need; their names end in it."""
_DECODES = "h264"
"""A codec that each of them decodes, to open one for."""


def needs_of(encoder: str) -> str:
    """What an encoder needs of the machine, in words; empty for one that runs on the processor."""
    return NEEDS.get(encoder.rpartition("_")[2], "")


def accelerator(device: str | None) -> Any:
    """PyAV's HWAccel for a device such as "cuda", for `av.open`; None for None.

    What it has no decoder for is decoded by the processor.
    """
    if device is None:
        return None
    from av.codec.hwaccel import HWAccel

    return HWAccel(device_type=device, allow_software_fallback=True)


def check_accelerator(device: str) -> None:
    """Open the decoder of a device once.

    Raises UsageError for a device that this PyAV does not have, DeviceError with the reason for
    one that does not open.
    """
    av = load_av()
    from av.codec.hwaccel import HWAccel, hwdevices_available

    known = [name for name in hwdevices_available() if _has_decoder(name)]
    if device not in known:
        advice = f"this PyAV has {', '.join(known) or 'none'}"
        raise UsageError(f"--hwaccel {device!r} is not known", advice=advice)
    codec = av.codec.Codec(_DECODES, "r")
    reason = failure_of(lambda: HWAccel(device_type=device).create(codec))
    if reason:
        what = f"the decoder of {device} does not open on this machine: {reason}"
        raise DeviceError(what, advice="without --hwaccel the processor decodes")


def _has_decoder(device: str) -> bool:
    av = load_av()
    configs = av.codec.Codec(_DECODES, "r").hardware_configs
    return any(one.is_supported and one.device_type.name == device for one in configs)


def failure_of(work: Callable[[], object]) -> str:
    """Why FFmpeg refuses to open something, as its log says first; empty if it does not.

    Must not run beside decoders with threads of their own: their log would wait for Python's lock.
    """
    av = load_av()
    level = av.logging.get_level()
    try:
        with av.logging.Capture() as messages:
            av.logging.set_level(av.logging.ERROR)
            try:
                work()
            except (av.FFmpegError, NotImplementedError, RuntimeError, ValueError) as error:
                first = messages[0][2].strip().rstrip(".") if messages else ""
                return first or getattr(error, "strerror", None) or str(error)
    finally:
        av.logging.set_level(level)
    return ""
