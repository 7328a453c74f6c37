"""esc: upscale pictures with ESC. The public Python API, imported when first used.

load_model(name_or_path, scale)  a network with its trained weights
Upscaler(network)                pictures of any size through it: tiles, precision, memory
model.build(variant, scale)      a network with fresh parameters
errors                           the error tree
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from esc_cli._version import __version__

if TYPE_CHECKING:
    from esc_cli import errors, model
    from esc_cli.checkpoints.fetch import load_model
    from esc_cli.engine.upscaler import Upscaler

__all__ = ["Upscaler", "__version__", "errors", "load_model", "model"]

_HOMES = {
    "load_model": "esc_cli.checkpoints.fetch",
    "Upscaler": "esc_cli.engine.upscaler",
}


def __getattr__(name: str) -> Any:
    """Import torch only when something that needs it is asked for."""
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in {"errors", "model"}:
        return import_module(f"esc_cli.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
