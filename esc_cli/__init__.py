"""esc: upscale pictures and videos with ESC. The public Python API, imported when first used.

upscale(options)                 pictures, videos and folders of them: options in, events out
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
    from esc_cli.engine.options import EngineOptions
    from esc_cli.engine.upscaler import Upscaler
    from esc_cli.media.paths import Selection
    from esc_cli.tasks.stop import Stop
    from esc_cli.tasks.upscale.events import Event, Item, Planned, Progress, Remark, Summary
    from esc_cli.tasks.upscale.options import Target, UpscaleOptions, VideoOptions
    from esc_cli.tasks.upscale.run import upscale

__all__ = [
    "EngineOptions",
    "Event",
    "Item",
    "Planned",
    "Progress",
    "Remark",
    "Selection",
    "Stop",
    "Summary",
    "Target",
    "UpscaleOptions",
    "Upscaler",
    "VideoOptions",
    "__version__",
    "errors",
    "load_model",
    "model",
    "upscale",
]

_MODULES = {
    "checkpoints.fetch": ("load_model",),
    "engine.options": ("EngineOptions",),
    "engine.upscaler": ("Upscaler",),
    "media.paths": ("Selection",),
    "tasks.stop": ("Stop",),
    "tasks.upscale.events": ("Event", "Item", "Planned", "Progress", "Remark", "Summary"),
    "tasks.upscale.options": ("Target", "UpscaleOptions", "VideoOptions"),
    "tasks.upscale.run": ("upscale",),
}
_HOMES = {name: f"esc_cli.{module}" for module, names in _MODULES.items() for name in names}


if not TYPE_CHECKING:  # it would let a type checker take any name for one of these

    def __getattr__(name: str) -> Any:
        """Import torch only when something that needs it is asked for."""
        from importlib import import_module

        if name in _HOMES:
            return getattr(import_module(_HOMES[name]), name)
        if name in {"errors", "model"}:
            return import_module(f"esc_cli.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
