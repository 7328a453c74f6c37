"""`load_model` on good checkpoints, by name and by path, in every layout they come in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from esc_cli import load_model
from esc_cli.checkpoints.state_names import WRAPPERS
from esc_cli.checkpoints.store import bundled
from esc_cli.errors import WeightsError
from esc_cli.model import Network
from esc_cli.model.config import variant_name

State = dict[str, Tensor]


def assert_same(network: Network, state: State) -> None:
    loaded = network.state_dict()
    assert loaded.keys() == state.keys()
    for key, value in state.items():
        assert torch.equal(loaded[key], value), key


def test_the_default_model_is_the_bundled_tiny_one_x4() -> None:
    network = load_model()
    assert variant_name(network.config) == "esc-tiny"
    assert network.config.scale == 4


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_name_and_a_scale_give_the_bundled_network(scale: int) -> None:
    for name in ("esc-tiny", None):
        network = load_model(name, scale)
        assert network.config.scale == scale
        with torch.inference_mode():
            output = network(torch.full((1, 3, 5, 6), 0.5))
        assert output.shape == (1, 3, 5 * scale, 6 * scale)
        assert float((output - 0.5).abs().max()) < 0.1  # trained: flat grey stays flat grey


def test_the_name_of_a_record_means_its_checkpoint() -> None:
    assert load_model("esc-tiny-x3", 3).config.scale == 3


def test_a_loaded_network_is_in_evaluation_mode_in_float32() -> None:
    network = load_model()
    assert not network.training
    assert {p.dtype for p in network.parameters()} == {torch.float32}


def test_a_safetensors_file_is_loaded_by_its_path(tmp_path: Path, state: State) -> None:
    path = tmp_path / "own.safetensors"
    save_file(state, path)
    assert_same(load_model(path), state)
    assert_same(load_model(str(path), scale=2), state)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt", ".PTH"])
def test_a_plain_torch_file_is_loaded_by_its_path(
    tmp_path: Path, state: State, suffix: str
) -> None:
    path = tmp_path / f"own{suffix}"
    torch.save(state, path)
    assert_same(load_model(path), state)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_state_dict_is_found_in_its_wrapper(tmp_path: Path, state: State, wrapper: str) -> None:
    path = tmp_path / "own.pth"
    torch.save({"epoch": 7, "optimizer": {"state": {}, "lr": [1.0]}, wrapper: state}, path)
    assert_same(load_model(path), state)


@pytest.mark.parametrize(
    "prefix",
    ["_orig_mod.", "module.", "module._orig_mod.", "_orig_mod.module.", "net_g.", "model.net_g."],
)
@pytest.mark.parametrize("name", ["own.pth", "own.safetensors"])
def test_prefixes_of_training_loops_are_taken_off(
    tmp_path: Path, state: State, prefix: str, name: str
) -> None:
    path = tmp_path / name
    prefixed = {f"{prefix}{key}": value for key, value in state.items()}
    torch.save(prefixed, path) if name.endswith("pth") else save_file(prefixed, path)
    assert_same(load_model(path), state)


def test_a_lightning_checkpoint_of_two_networks(tmp_path: Path, state: State) -> None:
    path = tmp_path / "epoch=3.ckpt"
    tensors = {f"generator.{key}": value for key, value in state.items()}
    tensors |= {"discriminator.conv.weight": torch.zeros(3), "loss.vgg.weight": torch.zeros(2)}
    stored = {"epoch": 3, "state_dict": tensors, "hyper_parameters": {"lr": 1e-4}}
    torch.save(stored | {"callbacks": {}, "lr_schedulers": [{}]}, path)
    assert_same(load_model(path), state)


def test_the_averaged_network_is_preferred(tmp_path: Path, state: State) -> None:
    plain = {f"net_g.{key}": value + 1 for key, value in state.items()}
    averaged = {f"net_g_ema.module.{key}": value for key, value in state.items()}
    torch.save({**plain, **averaged, "net_g_ema.n_averaged": torch.tensor(5)}, tmp_path / "a.pth")
    assert_same(load_model(tmp_path / "a.pth"), state)


def test_tensors_beside_other_entries(tmp_path: Path, state: State) -> None:
    torch.save({**state, "epoch": 3, "name": "mine", "args": {"lr": 1.0}}, tmp_path / "a.pth")
    assert_same(load_model(tmp_path / "a.pth"), state)


def test_the_content_counts_and_not_the_suffix(tmp_path: Path, state: State) -> None:
    save_file(state, tmp_path / "own.pth")
    torch.save(state, tmp_path / "own.safetensors")
    for name in ("own.pth", "own.safetensors"):
        assert_same(load_model(tmp_path / name), state)


def test_params_ema_is_preferred_over_params(tmp_path: Path, state: State) -> None:
    path = tmp_path / "own.pth"
    others = {key: value + 1 for key, value in state.items()}
    torch.save({"params": others, "params_ema": state}, path)
    assert_same(load_model(path), state)


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_prefix_of_data_parallel_training_is_dropped(
    tmp_path: Path, state: State, wrapped: bool
) -> None:
    path = tmp_path / "own.pth"
    prefixed: dict[str, Any] = {f"module.{key}": value for key, value in state.items()}
    torch.save({"params": prefixed} if wrapped else prefixed, path)
    assert_same(load_model(path), state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_in_the_file_becomes_float32(
    tmp_path: Path, state: State, dtype: torch.dtype
) -> None:
    half = {key: value.to(dtype) for key, value in state.items()}
    save_file(half, tmp_path / "own.safetensors")
    torch.save(half, tmp_path / "own.pth")
    for name in ("own.safetensors", "own.pth"):
        network = load_model(tmp_path / name)
        assert {p.dtype for p in network.parameters()} == {torch.float32}
        assert_same(network, {key: value.float() for key, value in half.items()})


def test_a_scale_that_is_not_the_files_is_refused_with_both(tmp_path: Path, state: State) -> None:
    path = tmp_path / "own.safetensors"
    save_file(state, path)
    with pytest.raises(WeightsError, match=r"own\.safetensors: upscales by 2, but scale 4"):
        load_model(path, 4)


def test_a_smaller_scale_than_any_bundled_one_is_refused_with_both() -> None:
    assert min(c.record.scale for c in bundled() if c.record) == 2
    with pytest.raises(WeightsError, match="upscales by 2, but scale 1"):
        load_model("esc-tiny", 1)
