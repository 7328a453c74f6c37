"""A benchmark set whose HR pictures are enlarged LR pictures shows by its scores."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

COUNT = 5


@pytest.fixture
def set_of(tmp_path):
    def made(name, enlarged, count=COUNT):
        """A set of noisy pictures, which no method enlarges well, or of enlarged ones."""
        folder = tmp_path / str(enlarged) / name / "HR"
        folder.mkdir(parents=True)
        for number in range(count):
            rng = np.random.default_rng(number)
            side = 4 if enlarged else 48
            image = Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8))
            image.resize((48, 48), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
        return folder.parent

    return made


def evaluated(esc_command, folder, *words):
    ran = esc_command("eval", "--dataset", folder, "--scale", "4", "--no-cache", *words)
    assert ran.code == 0, ran.err
    return [line for line in ran.err.splitlines() if "cannot be the pictures" in line]


def test_enlarged_pictures_under_the_name_of_a_set_are_told(set_of, esc_command):
    (line,) = evaluated(esc_command, set_of("Set5", True), "--against", "bicubic,lanczos")
    assert "Set5 x4" in line
    assert "enlarged LR" in line


def test_the_network_s_scores_tell_as_well(set_of, esc_command):
    assert evaluated(esc_command, set_of("Set5", True), "--against", "", "--model", "esc-tiny")


def test_other_pictures_parts_of_a_set_and_other_names_are_left_alone(set_of, esc_command):
    bicubic = "--against", "bicubic"
    assert not evaluated(esc_command, set_of("Set5", False), *bicubic)
    assert not evaluated(esc_command, set_of("holidays", True), *bicubic)
    assert not evaluated(esc_command, set_of("Set14", True), *bicubic)  # five of 14
