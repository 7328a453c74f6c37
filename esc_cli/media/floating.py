"""Floating-point samples: what of them is kept, and how a screen shows them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from esc_cli.media.picture import Frame, Header, Picture, Truncation

_LINEAR_END, _LINEAR_SLOPE = 0.0031308, 12.92
"""Of the transfer function of sRGB (IEC 61966-2-1): below, it is a straight line."""
SRGB_POWER, SRGB_FACTOR = 2.4, 1.055
_SHIFT = SRGB_FACTOR - 1
_TOP = 65535


def as_floats(samples: NDArray[Any]) -> tuple[Frame, tuple[str, ...]]:
    """(H, W, C) of any kind of number -> float32 that are all finite, and notes.

    NaN becomes 0; what is infinite, or too large for float32, the largest number of the picture
    that is not, with its sign.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        frame = np.array(samples, np.float32, order="C")
    odd = ~np.isfinite(frame)
    if not odd.any():
        return frame, ()
    unknown = np.isnan(frame)
    most = np.abs(frame, where=~odd, out=np.zeros_like(frame)).max()
    frame[odd & ~unknown] = np.copysign(most, frame[odd & ~unknown])
    frame[unknown] = 0
    kinds = (unknown, "NaN became 0"), (odd & ~unknown, "Inf became finite")
    counted = ((int(mask.sum()), what) for mask, what in kinds)
    return frame, tuple(
        f"{count:,} sample{'s' * (count > 1)} of {what}" for count, what in counted if count
    )


def light_of(
    samples: NDArray[Any], truncation: Truncation, has_alpha: bool, straight: bool = False
) -> Frame:
    """(H, W, C) of any kind of number as a frame; `truncation` is told of what `as_floats` notes.

    has_alpha: the last of C is opacity, cut off at 0 and 1. straight: colour is not yet multiplied
    by it.
    """
    frame, notes = as_floats(samples)
    truncation.notes.extend(notes)
    if has_alpha:
        alpha = frame[..., -1:]
        alpha.clip(0, 1, out=alpha)
        if straight:
            frame[..., :-1] *= alpha
    return frame


def srgb_curve(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Linear light in [0, 1] -> as sRGB stores it, in [0, 1]."""
    bent = SRGB_FACTOR * np.power(np.maximum(light, _LINEAR_END), 1 / SRGB_POWER) - _SHIFT
    return np.where(light <= _LINEAR_END, light * _LINEAR_SLOPE, bent).astype(np.float32)


def srgb_light(stored: NDArray[np.float32]) -> NDArray[np.float32]:
    """What `srgb_curve` is turned back by."""
    end = _LINEAR_END * _LINEAR_SLOPE
    light = np.power((np.maximum(stored, end) + _SHIFT) / SRGB_FACTOR, SRGB_POWER)
    return np.where(stored <= end, stored / _LINEAR_SLOPE, light).astype(np.float32)


def displayed(frame: Frame, has_alpha: bool, profiled: bool = False) -> Frame:
    """A float32 frame as uint16 with straight alpha: cut off below 0 and above 1.

    By the curve of sRGB; where it is `profiled`, its colour profile has the curve.
    """
    colour, alpha = frame, None
    if has_alpha:
        colour, alpha = frame[..., :-1], frame[..., -1:].clip(0, 1)
        colour = np.divide(colour, alpha, out=np.zeros_like(colour), where=alpha > 0)
    shown = colour.clip(0, 1)
    shown = shown if profiled else srgb_curve(shown)
    parts = (shown,) if alpha is None else (shown, alpha)
    levels: Frame = np.rint(np.concatenate(parts, axis=-1) * _TOP).astype(np.uint16)
    return levels


def displayed_picture(picture: Picture) -> Picture:
    """The same picture with 16 bits in whole numbers, if it has floating-point samples."""
    if picture.header.bits != 32:
        return picture
    profiled = picture.metadata.icc is not None
    alpha = picture.header.has_alpha
    frames = tuple(displayed(frame, alpha, profiled) for frame in picture.frames)
    header: Header = replace(picture.header, bits=16)
    return replace(picture, header=header, frames=frames)
