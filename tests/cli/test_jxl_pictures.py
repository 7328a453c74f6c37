"""JPEG XL through the whole command."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest

from esc_cli.media.decode import probe
from esc_cli.media.picture import Header

pytest.importorskip("OpenImageIO")


def test_a_folder_of_jxl_is_done_with_a_network_chosen_by_itself(esc, tmp_path):
    (tmp_path / "in").mkdir()
    ramp = np.linspace(0, 255, 24 * 32 * 3).reshape(24, 32, 3).astype(np.uint8)
    (tmp_path / "in" / "a.JXL").write_bytes(imagecodecs.jpegxl_encode(ramp, lossless=True))
    ran = esc(tmp_path / "in", "-s", 2, "-o", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert probe(tmp_path / "out" / "a.JXL", 10**6) == Header("JXL", 64, 48, 3, 8, 1)
