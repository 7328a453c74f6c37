"""The figures that the ESC paper prints (table 2 and the ESC+LTE and FlashBias tables).

PSNR in dB and SSIM on Y, border = scale; mean over each set.
"""

from __future__ import annotations

from collections.abc import Iterator

SETS = ("Set5", "Set14", "B100", "Urban100", "Manga109")

ALIASES = {"bsd100": "B100", "b100": "B100", "bsds100": "B100"}
"""Other names of a set, in lower case."""

_DIV2K = """
esc-fp    2 38.27/.9617 34.09/.9219 32.37/.9022 33.22/.9375 39.40/.9784
esc-light 2 38.24/.9615 33.98/.9211 32.35/.9020 33.05/.9363 39.33/.9786
esc       2 38.35/.9619 34.11/.9223 32.41/.9027 33.46/.9395 39.54/.9790
esc-fp    3 34.72/.9300 30.67/.8483 29.30/.8107 29.12/.8706 34.56/.8706
esc-light 3 34.61/.9295 30.52/.8475 29.26/.8102 28.93/.8679 34.33/.9495
esc       3 34.84/.9308 30.74/.8493 29.34/.8118 29.28/.8739 34.66/.9512
esc-fp    4 32.56/.8897 28.87/.7889 27.75/.7435 26.90/.8098 31.40/.9192
esc-light 4 32.52/.8995 28.87/.7878 27.72/.7423 26.76/.8058 31.26/.9173
esc       4 32.68/.9011 28.93/.7902 27.80/.7447 27.07/.8144 31.54/.9207
"""

_DFLIP = """
esc@dflip 2 38.34/.9618 34.42/.9235 32.50/.9036 33.86/.9424 39.73/.9795
esc@dflip 3 34.85/.9312 30.97/.8511 29.41/.8135 29.70/.8799 34.94/.9525
esc@dflip 4 32.79/.9025 29.06/.7927 27.85/.7466 27.45/.8229 31.87/.9239
"""

_FLASHBIAS = """
esc@flashbias 2 38.35/.9619 34.06/.9221 32.41/.9027 33.43/.9392 39.53/.9790
"""

_LTE = """
esc-lte 2 38.29 34.05 32.38 33.30
esc-lte 3 34.79 30.69 29.32 29.21
esc-lte 4 32.72 28.94 27.77 27.04
esc-lte 6 29.18 26.70 26.00 24.44
esc-lte 8 27.24 25.24 24.96 23.03
"""


def _rows() -> Iterator[tuple[tuple[str, int, str], dict[str, float]]]:
    for line in (_DIV2K + _DFLIP + _FLASHBIAS + _LTE).split("\n"):
        if not line:
            continue
        model, scale, *cells = line.split()
        for name, cell in zip(SETS, cells, strict=False):  # ESC+LTE has no Manga109
            values = dict(zip(("psnr_y", "ssim_y"), map(float, cell.split("/")), strict=False))
            yield (model, int(scale), name), values


_TABLE = dict(_rows())


def published(model: str, scale: int, dataset: str) -> dict[str, float]:
    """The printed means by metric name (psnr_y, ssim_y); empty when nothing was printed.

    `model` is a variant, with "@dflip" for the weights trained on DFLIP and "@flashbias".
    """
    name = ALIASES.get(dataset.lower(), dataset)
    return _TABLE.get((model.removesuffix("@div2k"), scale, name), {})
