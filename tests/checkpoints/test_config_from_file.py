"""`peek_config` says what a checkpoint is, as loading it does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from esc_cli import load_model
from esc_cli.checkpoints.config_from_file import peek_config
from esc_cli.checkpoints.store import Checkpoint, bundled
from esc_cli.errors import WeightsError


def test_the_record_of_a_bundled_checkpoint_describes_its_network() -> None:
    for checkpoint in bundled():
        assert peek_config(checkpoint) == load_model(checkpoint.path).config


@pytest.mark.parametrize(
    "name", ["esc_x4", "esc_fp_x2", "esc_lte", "esc_flashbias_r24_x2", "esc_real_m_dysample_x2"]
)
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_is_described_as_it_would_be_loaded(
    golden: Path, tmp_path: Path, name: str, suffix: str
) -> None:
    tensors = load_file(golden / f"{name}.safetensors")
    state = {k.removeprefix("state."): v for k, v in tensors.items() if k.startswith("state.")}
    path = tmp_path / f"own{suffix}"
    torch.save(state, path) if suffix == ".pth" else save_file(state, path)
    assert peek_config(Checkpoint(path)) == load_model(path).config


def test_a_file_of_bfloat16_is_described(tmp_path: Path, state: dict[str, Tensor]) -> None:
    path = tmp_path / "own.safetensors"
    save_file({f"module.{key}": value.bfloat16() for key, value in state.items()}, path)
    assert peek_config(Checkpoint(path)) == load_model(path).config


def test_a_file_of_something_else_is_refused_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(WeightsError, match="readable checkpoint: expected safetensors") as caught:
        peek_config(Checkpoint(path))
    assert caught.value.path == path
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match="not an ESC network") as caught:
        peek_config(Checkpoint(path))
    assert caught.value.path == path
