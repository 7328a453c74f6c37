"""Weights as people have them, by the real command: any training loop, no network, by hand."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from esc_cli.checkpoints.store import bundled_folder
from esc_cli.model.factory import build


@pytest.fixture(scope="module")
def state():
    return load_file(bundled_folder() / "esc-tiny-x2.safetensors")


def named(state, prefix):
    return {f"{prefix}{name}": value for name, value in state.items()}


LOOPS = {
    "compiled": lambda state: named(state, "module._orig_mod."),
    "basicsr": lambda state: {"params": {"a": torch.zeros(1)}, "params_ema": state},
    "lightning": lambda state: {
        "state_dict": named(state, "net_g.") | {"net_d.0.weight": torch.zeros(3, 3)},
        "epoch": 3,
        "optimizer_states": [{}],
    },
    "plain": lambda state: {"model_state_dict": state, "optimizer": {"lr": 1e-3}, "best": 31.0},
}


@pytest.mark.parametrize("loop", LOOPS)
def test_a_checkpoint_of_any_training_loop_enlarges(loop, state, esc, draw, tmp_path):
    torch.save(LOOPS[loop](state), tmp_path / "own.pth")
    picture = draw(tmp_path / "a.png")
    ran = esc(picture, "--model", tmp_path / "own.pth", "-o", tmp_path / "own.png")
    assert ran.code == 0, ran.err
    assert esc(picture, "--model", "esc-tiny", "-s", "2", "-o", tmp_path / "b.png").code == 0
    assert (tmp_path / "own.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_the_content_counts_and_not_the_suffix(state, esc, draw, tmp_path):
    save_file(state, tmp_path / "own.pth")
    assert esc(draw(tmp_path / "a.png"), "--model", tmp_path / "own.pth").code == 0
    assert (tmp_path / "a_x2.png").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html></html>", "a page of HTML"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b'{"error":"Access denied"}', 'a text, not the file itself: \'{"error"'),
        (b"", "the file is empty"),
        (b"PK\x03\x04 and no more", "cut short"),
    ],
)
def test_what_is_no_network_ends_the_run_in_one_line(content, words, esc, draw, tmp_path):
    (tmp_path / "own.pth").write_bytes(content)
    ran = esc(draw(tmp_path / "a.png"), "--model", tmp_path / "own.pth")
    assert ran.code == 3
    (line,) = ran.err.splitlines()
    assert line.startswith(f"error: {tmp_path / 'own.pth'}: ")
    assert words in line


def test_a_network_whose_address_is_not_known_is_used_once_it_is_put_there(
    state, esc_command, tmp_path
):
    env = {"ESC_WEIGHTS": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    ran = esc_command("weights", "pull", "esc-rib", "-s", "4", env=env)
    assert ran.code == 3
    assert "fetch ESCRIB_DFLIP_X4.pth from https://" in ran.err
    path = tmp_path / "ESCRIB_DFLIP_X4.pth"
    torch.save({"params_ema": state}, path)
    ran = esc_command("weights", "verify", env=env)
    assert ran.code == 1
    assert "is not escrib-dflip-x4: it holds esc-tiny x2" in ran.err + ran.out
    torch.save({"params_ema": build("esc-rib", 4).state_dict()}, path)
    assert esc_command("weights", "verify", env=env).code == 0
    assert path.with_name(f"{path.name}.sha256").exists()
    ran = esc_command("weights", "info", "esc-rib", "-s", "4", env=env)
    assert (ran.code, str(path) in ran.out) == (0, True)
