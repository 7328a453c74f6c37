"""Encoding: every encoder made from the same `Encoding` writes the same stream headers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from esc_cli.errors import DeviceError, UnsupportedError, WriteError
from esc_cli.media.video.codecs import (
    GROUPING,
    Codec,
    Encoding,
    codec_by_name,
    transparency_refused,
)
from esc_cli.media.video.decoders import BESIDE
from esc_cli.media.video.encoder_limits import check_size
from esc_cli.media.video.frames import Plane, RawFrame
from esc_cli.media.video.hardware import failure_of, needs_of
from esc_cli.media.video.out_of_memory import memory_error
from esc_cli.media.video.pixel_formats import Layout, closest, planar
from esc_cli.media.video.scheduling import kept_scheduling
from esc_cli.media.video.side_data import joined
from esc_cli.media.video.source import load_av

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame

GLOBAL_HEADER = 1 << 22  # AV_CODEC_FLAG_GLOBAL_HEADER: all containers that are written need it


@dataclass(frozen=True)
class StoredPacket:
    """An encoded frame, shown at `pts`; when it is decoded follows from those around it.

    beside: what lies beside the packet, as WebM keeps opacity.
    """

    pts: int
    duration: int
    key: bool
    payload: bytes
    beside: bytes = b""


def output_layout(codec: Codec, source: Layout, wanted: str | None) -> Layout:
    """The pixel format for the result: `wanted`, or what the encoder has closest to the source's.

    Raises UnsupportedError when this build lacks the encoder, or the encoder the format, or has no
    place for the source's opacity.
    """
    av = load_av()
    try:
        formats = av.codec.Codec(codec.encoder, "w").video_formats or []
    except av.codec.codec.UnknownCodecError as error:
        what = f"this build of FFmpeg has no encoder {codec.encoder}"
        raise UnsupportedError(what, advice="use another --codec") from error
    names = [form.name for form in formats if codec.keeps(form.name)]
    if wanted is not None and wanted not in names:
        what = f"{codec.encoder} does not take the pixel format {wanted}"
        raise UnsupportedError(what, advice=f"one of {', '.join(names)}")
    chosen = closest(source, names if wanted is None else [wanted])
    if chosen is None:
        raise UnsupportedError(f"the pixel format {wanted} is not supported")
    if source.alpha and not chosen.alpha:
        holder = codec.encoder if wanted is None else wanted
        raise transparency_refused(source.name, holder)
    return chosen


def configure(context: VideoCodecContext, encoding: Encoding, threads: int) -> None:
    """Set an encoder that is not open yet."""
    context.width, context.height = encoding.width, encoding.height
    context.pix_fmt = encoding.layout.coded
    context.time_base, context.framerate = encoding.time_base, encoding.rate
    if encoding.sar is not None:
        context.sample_aspect_ratio = encoding.sar
    tags = encoding.tags
    context.colorspace, context.color_range = tags.matrix, tags.full_range
    context.color_primaries, context.color_trc = tags.primaries, tags.transfer
    if encoding.encoder not in GROUPING:
        context.max_b_frames = 0
    context.thread_count = threads
    context.thread_type = "AUTO"  # PyAV's own default makes x264 cut frames into slices
    context.flags |= GLOBAL_HEADER
    context.options = joined((*encoding.options, *_repeatable(encoding.encoder)))
    is_hevc = encoding.encoder == "libx265" or encoding.encoder.startswith("hevc_")
    if is_hevc and encoding.container in ("mp4", "mov"):
        context.codec_tag = "hvc1"  # the players of Apple know no other


def _repeatable(encoder: str) -> tuple[tuple[str, str], ...]:
    """Options without which packets depend on more than on the frames.

    x264's macroblock tree for AVX-512 (mbtree_propagate_list of core 165) propagates 8 blocks at a
    time, also from those beyond the end of a row, whose motion vectors are what the memory held
    before. Its code for AVX2 does not, and gives the same packets otherwise.
    """
    return (("x264-params", "asm=avx2"),) if encoder == "libx264" and _has_avx512() else ()


@cache
def _has_avx512() -> bool:
    """Whether this processor has what x264 asks for before it uses AVX-512; AVX2 comes with it.

    NumPy names this set of instructions X86_V4, and AVX512_SKX before its version 2.4.
    """
    known = cast("dict[str, Any]", np.show_config(mode="dicts"))
    extensions = known.get("SIMD Extensions", {})  # NumPy leaves out what is empty
    return not {"X86_V4", "AVX512_SKX"}.isdisjoint(extensions.get("found", ()))


def check_encoder(encoding: Encoding, threads: int) -> None:
    """Open the encoder once. Raises UnsupportedError with its reason when it refuses the video.

    DeviceError when it refuses any, because this machine lacks what it needs; TooLargeError when
    what it lacks is memory.
    """
    check_size(encoding)
    _check_sides(encoding)
    try:
        SegmentEncoder(encoding, threads)
    except UnsupportedError:
        _check_machine(encoding)
        raise


def _check_machine(encoding: Encoding) -> None:
    """Raise DeviceError when the encoder does not open for the plainest video either."""
    plain = replace(
        encoding,
        options=(),
        layout=output_layout(codec_by_name(encoding.encoder), planar("yuv420p"), None),
        width=256,
        height=256,
        rate=Fraction(25),
        time_base=Fraction(1, 25),
        sar=None,
    )
    encoder = encoding.encoder
    context: Any = load_av().CodecContext.create(encoder, "w")
    configure(context, plain, threads=1)
    with kept_scheduling():
        reason = failure_of(context.open)
    if reason:
        what = f"the encoder {encoder} does not open on this machine: {reason}"
        raise DeviceError(what, advice=_advice(encoding))


def _check_sides(encoding: Encoding) -> None:
    layout = encoding.layout
    fits = encoding.width % layout.sub_x == 0 and encoding.height % layout.sub_y == 0
    if not fits and encoding.encoder != "ffv1":
        size = f"{encoding.width} x {encoding.height}"
        what = f"the result would be {size}, and {layout.name} needs even sides"
        raise UnsupportedError(what, advice="use --pix-fmt yuv444p, --codec ffv1 or another scale")


def _advice(encoding: Encoding) -> str:
    needs = needs_of(encoding.encoder)
    if needs:
        plain = encoding.encoder.rpartition("_")[0]
        return f"it needs {needs}; without them use --codec {plain}"
    return "another --codec, --preset or --pix-fmt"


class SegmentEncoder:
    """One encoder for one segment: its first frame is a key frame, and none refers outside."""

    def __init__(self, encoding: Encoding, threads: int) -> None:
        av = load_av()
        self.encoding = encoding
        self._durations: dict[int, int] = {}
        self._is_finished = False
        self.context: Any = av.CodecContext.create(encoding.encoder, "w")
        configure(self.context, encoding, threads)
        try:
            with kept_scheduling():
                self.context.open()
        except (av.FFmpegError, ValueError) as error:
            if short := memory_error(error, encoding):
                raise short from error
            reason = getattr(error, "strerror", None) or str(error)
            what = f"{encoding.encoder} refuses {encoding.width} x {encoding.height}: {reason}"
            raise UnsupportedError(what, advice=_advice(encoding)) from error

    @property
    def headers(self) -> bytes:
        """The stream headers (extradata)."""
        return bytes(self.context.extradata or b"")

    def encode(self, frame: RawFrame) -> Iterator[StoredPacket]:
        """Packets that are ready after one more frame in the layout of the encoding."""
        self._durations[frame.pts] = frame.duration
        yield from self._packets(frame_of(frame, self.encoding))

    def finish(self) -> Iterator[StoredPacket]:
        """The rest."""
        self._is_finished = True
        yield from self._packets(None)

    def abandon(self) -> None:
        """Leave it before its end. SVT-AV1 has to be at its end, or complains to the terminal."""
        if self.encoding.encoder == "libsvtav1" and not self._is_finished:
            for _ in self.finish():
                pass

    def _packets(self, frame: VideoFrame | None) -> Iterator[StoredPacket]:
        av = load_av()
        try:
            packets = self.context.encode(frame)
        except av.FFmpegError as error:
            if short := memory_error(error, self.encoding):
                raise short from error
            raise WriteError(f"{self.encoding.encoder} failed: {error.strerror}") from error
        for packet in packets:
            if packet.pts is None or packet.pts not in self._durations:
                raise WriteError(f"{self.encoding.encoder} changed a timestamp to {packet.pts}")
            duration = self._durations.pop(packet.pts)
            beside = bytes(packet.get_sidedata(BESIDE)) if packet.has_sidedata(BESIDE) else b""
            key = bool(packet.is_keyframe)
            yield StoredPacket(packet.pts, duration, key, bytes(packet), beside)


def frame_of(raw: RawFrame, encoding: Encoding) -> VideoFrame:
    """FFmpeg's frame for planes in the layout of the encoding."""
    av = load_av()
    layout = encoding.layout
    frame: VideoFrame = av.VideoFrame(encoding.width, encoding.height, layout.name)
    dtype = np.uint8 if layout.bytes_per_sample == 1 else np.dtype("<u2")
    targets: Any = frame.planes  # buffers, as their type does not say
    planes = (_interleaved(raw.planes),) if layout.is_interleaved else raw.planes
    for plane, samples in zip(targets, planes, strict=True):
        rows, columns = samples.shape
        target = np.frombuffer(plane, dtype)
        target.reshape(-1, plane.line_size // target.itemsize)[:rows, :columns] = samples
    if layout.packed:
        frame = frame.reformat(format=layout.packed)
    frame.pts, frame.time_base = raw.pts, encoding.time_base
    tags = encoding.tags
    frame.color_range, frame.colorspace = tags.full_range, tags.matrix
    frame.color_primaries, frame.color_trc = tags.primaries, tags.transfer  # ProRes asks the frame
    return frame


def _interleaved(planes: tuple[Plane, ...]) -> Plane:
    """Planes of (rows, columns) -> (rows, columns * planes), their samples in turn."""
    both: Plane = np.stack(planes, axis=2)
    return both.reshape(len(both), -1)
