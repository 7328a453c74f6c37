"""The ESC networks: torch only, no files, no devices, no printing.

`build` gives a network with fresh parameters; `config` holds the variants and needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from esc_cli.model.factory import build, from_config
    from esc_cli.model.network import Network

__all__ = ["Network", "build", "from_config"]

_HOMES = {"build": "factory", "from_config": "factory", "Network": "network"}


def __getattr__(name: str) -> Any:
    """Import torch only when a network is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
