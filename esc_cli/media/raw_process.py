"""LibRaw in a process of its own: a raw file on standard input, JSON or an .npy file as output.

Run as a file, so that it starts with numpy and rawpy alone. The argument is `HEADER` or `PIXELS`.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

HEADER, PIXELS = "header", "pixels"
UNSUPPORTED, DAMAGED = 3, 4
"""Exit codes."""
SRGB_CURVE = (2.4, 12.92)
"""LibRaw's (power, slope at the bottom) of sRGB's transfer function (IEC 61966-2-1)."""


def main() -> int:
    """Write what the argument asks for, and return the exit code."""
    import rawpy

    with tempfile.TemporaryDirectory() as folder:
        # Of a file LibRaw tells where it ends too early, of bytes in memory it does not.
        path = Path(folder, "picture")
        path.write_bytes(sys.stdin.buffer.read())
        try:
            with rawpy.imread(str(path)) as raw:
                made = _header(raw) if sys.argv[1] == HEADER else _pixels(raw)
        except rawpy.LibRawFileUnsupportedError:
            return UNSUPPORTED
        except rawpy.LibRawError:
            return DAMAGED
    sys.stdout.buffer.write(made)
    return 0


def _header(raw: Any) -> bytes:
    facts = dict(raw.sizes._asdict(), colours=raw.num_colors)
    facts["balance"] = [float(factor) for factor in raw.camera_whitebalance]
    return json.dumps(facts).encode()


def _pixels(raw: Any) -> memoryview:
    """(H, W, C) uint16 sRGB, upright."""
    import numpy as np
    import rawpy

    pixels = raw.postprocess(
        use_camera_wb=True,
        no_auto_bright=True,
        output_bps=16,
        output_color=rawpy.ColorSpace.sRGB,
        gamma=SRGB_CURVE,
    )
    target = io.BytesIO()
    np.save(target, pixels.reshape(*pixels.shape[:2], -1), allow_pickle=False)
    return target.getbuffer()


if __name__ == "__main__":
    sys.exit(main())
