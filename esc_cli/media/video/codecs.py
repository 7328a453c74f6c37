"""How a video is to be encoded, decided before work; tables, no codec is opened here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from esc_cli.errors import UnsupportedError, UsageError
from esc_cli.media.video.colour_tags import ColourTags
from esc_cli.media.video.info import FrameFormat
from esc_cli.media.video.pixel_formats import Layout

CONTAINERS = {
    "matroska": (".mkv",),
    "mp4": (".mp4", ".m4v"),
    "mov": (".mov",),
    "webm": (".webm",),
}
"""What is written, by FFmpeg's name of the muxer, with the suffixes; the first is canonical."""


@dataclass(frozen=True)
class Codec:
    """An encoder of FFmpeg's and how it is asked for its quality.

    alpha: how the names of formats begin whose opacity a reader of its stream gets back.
    """

    encoder: str
    containers: tuple[str, ...]
    quality_option: str | None = None
    quality: int = 0  # the default, visually lossless
    preset: str | None = None
    fixed: tuple[tuple[str, str], ...] = ()
    alpha: tuple[str, ...] = ()

    def keeps(self, pixel_format: str) -> bool:
        """Whether what the encoder takes comes back; x265 takes opacity but does not open then."""
        has_alpha = _ALPHA.match(pixel_format) is not None
        return not has_alpha or pixel_format.startswith(self.alpha)


_ALPHA = re.compile(r"yuva|gbrap|ya\d|rgba|bgra|argb|abgr")
_HEVC = ("matroska", "mp4", "mov")
_AV1 = ("matroska", "mp4", "webm")
_VP9 = ("webm", "matroska", "mp4")
# libvpx has no opacity with alternate reference frames, and a limit of bits unless it is 0.
_LIBVPX = (("auto-alt-ref", "0"), ("b", "0"), ("row-mt", "1"), ("cpu-used", "2"))
_FFV1 = (("level", "3"), ("slicecrc", "1"))
_NVENC = (("rc", "vbr"),)
_AMF = (("rc", "qvbr"), ("quality", "quality"))
# With more frames at once x265 waits for ever now and then when it is flushed (its issue 684).
_X265 = "log-level=none:open-gop=0:repeat-headers=0:frame-threads=1"
CODECS = {
    "h264": Codec("libx264", _HEVC, "crf", 17, "medium"),
    "hevc": Codec("libx265", _HEVC, "crf", 18, "medium", (("x265-params", _X265),)),
    "av1": Codec("libsvtav1", _AV1, "crf", 20, "6"),
    "vp9": Codec("libvpx-vp9", _VP9, "crf", 18, None, _LIBVPX, ("yuva420p",)),
    "ffv1": Codec("ffv1", ("matroska",), fixed=_FFV1, alpha=("yuva", "bgra", "gbrap", "ya")),
    "prores": Codec("prores_ks", ("matroska", "mov"), fixed=(("vendor", "apl0"),), alpha=("yuva",)),
    "png": Codec("png", ("mov",), alpha=("rgba", "ya")),
    "qtrle": Codec("qtrle", ("mov",), alpha=("argb",)),
    "h264_nvenc": Codec("h264_nvenc", _HEVC, "cq", 17, "p5", _NVENC),
    "hevc_nvenc": Codec("hevc_nvenc", _HEVC, "cq", 18, "p5", _NVENC),
    "av1_nvenc": Codec("av1_nvenc", _AV1, "cq", 20, "p5", _NVENC),
    "h264_qsv": Codec("h264_qsv", _HEVC, "global_quality", 17, "medium"),
    "hevc_qsv": Codec("hevc_qsv", _HEVC, "global_quality", 18, "medium"),
    "av1_qsv": Codec("av1_qsv", _AV1, "global_quality", 20, "medium"),
    "h264_amf": Codec("h264_amf", _HEVC, "qvbr_quality_level", 17, fixed=_AMF),
    "hevc_amf": Codec("hevc_amf", _HEVC, "qvbr_quality_level", 18, fixed=_AMF),
    "av1_amf": Codec("av1_amf", _AV1, "qvbr_quality_level", 20, fixed=_AMF),
}
"""What --codec takes; the encoder's own name does as well."""
GROUPING = ("libx264", "libx265", "libsvtav1")
"""Encoders that place key frames by themselves, with groups that are closed between them."""
DEFAULT_CODEC = "h264"


def codec_by_name(name: str | None) -> Codec:
    """The codec of a name such as "hevc" or "libx265". Raises UsageError."""
    wanted = DEFAULT_CODEC if name is None else name.lower()
    for alias, codec in CODECS.items():
        if wanted in (alias, codec.encoder, {"hevc": "h265"}.get(alias)):
            return codec
    raise UsageError(f"--codec {name!r} is not known", advice="one of " + ", ".join(CODECS))


def transparent_codec(source: str, container: str | None) -> Codec:
    """The codec for a transparent video when none is asked for: that which its container is for.

    source: the codec that it has, as FFmpeg names it. container: None where it is not settled.
    """
    if container == "webm" or (container != "mov" and source in ("vp8", "vp9")):
        return CODECS["vp9"]
    return CODECS["prores" if container == "mov" else "ffv1"]


def transparency_refused(pixel_format: str, holder: str) -> UnsupportedError:
    """The error for a transparent video that is to go where there is no place for opacity."""
    able = ", ".join(name for name, codec in CODECS.items() if codec.alpha)
    what = f"the video is transparent ({pixel_format}), and {holder} holds no opacity"
    return UnsupportedError(what, advice=f"use --codec {able} and mkv, mov or webm")


def codec_options(
    codec: Codec, crf: int | None, preset: str | None, *, named: bool = True
) -> tuple[tuple[str, str], ...]:
    """The options of the encoder. Raises UsageError for one that it does not have.

    named: whether this codec was asked for. What one that a video brings with it has no option for
    is meant for the other videos of the batch, and is left out.
    """
    if not named:
        crf = crf if codec.quality_option else None
        preset = preset if codec.preset else None
    if crf is not None and codec.quality_option is None:
        raise UsageError(f"--crf means nothing to {codec.encoder}", advice="leave it out")
    if preset is not None and codec.preset is None:
        raise UsageError(f"--preset means nothing to {codec.encoder}", advice="leave it out")
    options = list(codec.fixed)
    if codec.quality_option is not None:
        options.append((codec.quality_option, str(codec.quality if crf is None else crf)))
    if codec.preset is not None:
        options.append(("preset", preset or codec.preset))
    return tuple(options)


def unused_options(codec: Codec, crf: int | None, preset: str | None) -> tuple[str, ...]:
    """A sentence for each option that `codec_options` leaves out."""
    asked = (("--crf", crf, codec.quality_option), ("--preset", preset, codec.preset))
    return tuple(
        f"{option} {value} is left out: {codec.encoder}, for the opacity, has no such option"
        for option, value, known in asked
        if value is not None and known is None
    )


@dataclass(frozen=True)
class Encoding:
    """Everything that makes one encoder produce the same stream headers as another.

    container: of the result. width, height: of the result, before the display matrix.
    layout: of the frames that it is given. time_base: of PTS, that of the source.
    """

    encoder: str
    options: tuple[tuple[str, str], ...]
    container: str
    layout: Layout
    width: int
    height: int
    time_base: Fraction
    rate: Fraction
    sar: Fraction | None
    tags: ColourTags
    display_matrix: tuple[int, ...] | None

    @property
    def format(self) -> FrameFormat:
        """What its frames are."""
        return FrameFormat(self.layout, self.width, self.height, self.tags)


def container_of(suffix: str) -> str | None:
    """The container that a suffix with its dot stands for, if it is one that is written."""
    wanted = suffix.lower()
    return next((name for name, known in CONTAINERS.items() if wanted in known), None)


def container_candidates(codec: Codec, suffix: str, asked: str | None) -> tuple[str, ...]:
    """Where the result may go, best first: what was asked for, or the input's, else Matroska.

    Raises UsageError when the container that was asked for cannot hold the codec.
    """
    if asked is not None:
        if asked not in codec.containers:
            held = ", ".join(CONTAINERS[name][0][1:] for name in codec.containers)
            what = f"{asked} cannot hold {codec.encoder}"
            raise UsageError(what, advice=f"use another --codec, or write {held}")
        return (asked,)
    own = container_of(suffix)
    return (own, "matroska") if own in codec.containers and own else ("matroska",)
