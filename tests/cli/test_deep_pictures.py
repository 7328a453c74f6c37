"""Pictures of 10 bits through the whole command."""

from __future__ import annotations

import imagecodecs
import numpy as np

from esc_cli.media.decode import probe


def test_esc_enlarges_at_16_bits_and_writes_10(esc, tmp_path):
    source = tmp_path / "deep.avif"
    ramp = np.linspace(0, 1023, 32 * 24 * 3).reshape(24, 32, 3).astype(np.uint16)
    source.write_bytes(imagecodecs.avif_encode(ramp, bitspersample=10))
    for options, bits in (((), (16, 10)), (("-f", "png"), (16, None)), (("-f", "jpg"), (8, None))):
        ran = esc(source, "-m", "esc-tiny", "-s", 2, "-o", tmp_path / "out", *options)
        assert ran.code == 0, ran.err
        suffix = f".{options[1]}" if options else ".avif"
        (made,) = (tmp_path / "out").glob(f"*{suffix}")
        header = probe(made, 10**6)
        assert (header.bits, header.coded_bits) == bits
        assert ("10 bits per channel become 8" in ran.err) == (suffix == ".jpg")
