"""A local server that has some of the published networks, and the command that asks it."""

from __future__ import annotations

import pytest
from PIL import Image
from weights_command import COMMAND, FP2


@pytest.fixture
def esc():
    """Any command of esc, with the environment of the test, which names the local server."""

    def run(*words, code=0, **variables):
        done = COMMAND(*words, env=variables)
        assert done.code == code, done.err
        return done

    return run


@pytest.fixture
def server(weights_server, published_file):
    weights_server.files = {
        FP2: published_file("esc-fp", 2),
        "ESC_FP_X3.pth": published_file("esc-fp", 3),
        "ESC_DFLIP_X2.pth": published_file("esc", 2),
    }
    return weights_server


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (12, 9), "teal").save(folder / f"{name}.png")
    return folder
