"""Modules that `esc --help` needs must not load torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

LIGHT = [
    "esc_cli",
    "esc_cli.errors",
    "esc_cli.model.config",
    "esc_cli.model.families",
    "esc_cli.tasks.benchmark.events",
    "esc_cli.checkpoints.store",
    "esc_cli.checkpoints.fetch",
]


def loaded_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("module", LIGHT)
def test_a_light_module_is_imported_without_torch(module: str) -> None:
    loaded = loaded_after(f"import {module}")
    assert module in loaded
    assert "torch" not in loaded


def test_the_public_api_loads_nothing_before_it_is_used() -> None:
    assert not {"torch", "numpy", "PIL", "av"} & loaded_after("import esc_cli")


def test_the_options_and_events_of_upscaling_need_no_torch() -> None:
    names = "UpscaleOptions, Target, EngineOptions, Selection, VideoOptions, Stop, Summary, upscale"
    assert "torch" not in loaded_after(f"from esc_cli import {names}")


def test_the_public_names_are_found_when_they_are_asked_for() -> None:
    import esc_cli

    promised = {"__version__", "errors", "load_model", "model", "upscale", "Upscaler", "Stop"}
    promised |= {"UpscaleOptions", "Target", "EngineOptions", "Selection", "VideoOptions"}
    promised |= {"Event", "Planned", "Item", "Remark", "Progress", "Summary"}
    assert {name for name in esc_cli.__all__ if getattr(esc_cli, name) is not None} == promised
    assert esc_cli.upscale.__module__ == "esc_cli.tasks.upscale.run"
    assert esc_cli.model.build.__module__ == "esc_cli.model.factory"
    with pytest.raises(AttributeError, match="nonsense"):
        _ = esc_cli.nonsense
    with pytest.raises(AttributeError, match="nonsense"):
        _ = esc_cli.model.nonsense
