"""YUV <-> RGB as numbers: the coefficients of the matrices and the levels of the ranges.

Numbers of matrices and ranges are those of ITU-T H.273 as FFmpeg writes them. No pixels here.
"""

from __future__ import annotations

from dataclasses import dataclass

from esc_cli.errors import UnsupportedError

UNSPECIFIED = 2
RGB = 0
BT709 = 1
BT601 = 6
BT2020 = 9
LIMITED_RANGE, FULL_RANGE = 1, 2
"""FFmpeg's AVCOL_RANGE_MPEG and AVCOL_RANGE_JPEG; 0 is unspecified: limited, but for grey."""

_LUMA_WEIGHTS = {  # (Kr, Kb), ITU-T H.273 table 4
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}


@dataclass(frozen=True)
class ColourTags:
    """What a stream says of its colours, as H.273 numbers; 2 is unspecified, range 0 as well."""

    matrix: int = UNSPECIFIED
    full_range: int = 0
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED


@dataclass(frozen=True)
class Levels:
    """How integer samples of a frame relate to [0, 1] and to [-0.5, 0.5].

    luma = (sample - luma_offset) / luma_scale, chroma = (sample - chroma_offset) / chroma_scale.
    kr, kb: weights of red and blue in the luma.
    """

    kr: float
    kb: float
    luma_offset: float
    luma_scale: float
    chroma_offset: float
    chroma_scale: float
    maximum: int


def resolved_matrix(tags: ColourTags, width: int, height: int) -> int:
    """The matrix that a player takes: the tag, or by size BT.709 for HD and BT.601 below."""
    if tags.matrix != UNSPECIFIED:
        return tags.matrix
    return BT709 if width >= 1280 or height > 576 else BT601


def range_of(stated: int, kind: str) -> int:
    """The range of a layout of some kind; grey of which none is stated has all levels, as swscale
    takes it. The standards whose default is limited (H.264, HEVC, AV1) have it stated by FFmpeg.
    """
    return FULL_RANGE if stated == 0 and kind == "gray" else stated


_PRORES_ALIKE = {"matrix": {5: BT601}, "transfer": {6: 1, 14: 1, 15: 1}}
"""Numbers that mean the same as those that ProRes has (ITU-T H.273, tables 3 and 4)."""
_PRORES_MATRICES = (BT709, UNSPECIFIED, BT601, BT2020)


def prores_tags(tags: ColourTags, size: tuple[int, int]) -> ColourTags:
    """The tags for ProRes: always limited range, and one of the matrices that it has."""
    matrix = _PRORES_ALIKE["matrix"].get(tags.matrix, tags.matrix)
    transfer = _PRORES_ALIKE["transfer"].get(tags.transfer, tags.transfer)
    if matrix not in _PRORES_MATRICES:
        matrix = resolved_matrix(ColourTags(), *size)
    return ColourTags(matrix, LIMITED_RANGE, tags.primaries, transfer)


def levels(matrix: int, full_range: bool, bits: int) -> Levels:
    """The numbers for a resolved matrix. Raises UnsupportedError for other colour models."""
    if matrix not in _LUMA_WEIGHTS:
        what = f"its colour matrix (number {matrix} of ITU-T H.273) is not supported"
        raise UnsupportedError(what, advice="convert it first, e.g. to BT.709")
    kr, kb = _LUMA_WEIGHTS[matrix]
    top = 2**bits - 1
    if full_range:
        return Levels(kr, kb, 0.0, top, 2.0 ** (bits - 1), top, top)
    unit = 2.0 ** (bits - 8)  # ITU-R BT.601, BT.709, BT.2020: 16..235 and 16..240 in 8 bits
    return Levels(kr, kb, 16 * unit, 219 * unit, 128 * unit, 224 * unit, top)
