"""A video's facts: streams, colours, geometry, what containers hold its streams."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from esc_cli.errors import ReadError, TooLargeError, UnsupportedError
from esc_cli.media.video.codecs import CONTAINERS
from esc_cli.media.video.colour_tags import (
    FULL_RANGE,
    RGB,
    UNSPECIFIED,
    ColourTags,
    levels,
    range_of,
    resolved_matrix,
)
from esc_cli.media.video.containers import Way, codec_of, way_to_hold
from esc_cli.media.video.decoders import decoder_of
from esc_cli.media.video.info import StreamFacts, VideoFacts
from esc_cli.media.video.pixel_formats import planar
from esc_cli.media.video.side_data import Riding, riding_of
from esc_cli.media.video.source import decoding, is_ffmpeg_error, open_video
from esc_cli.media.video.tracks import ATTACHED_PICTURE, MADE, kind_of

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_MOST_PACKETS = 600
"""How far a whole frame is looked for, once there is one that is damaged."""
NUMBERED = ("dirac",)
"""Demuxers of raw streams that give numbers of pictures for times."""
_MOST_TIMES = 4
"""By which an average rate may exceed the one that FFmpeg finds in the first frames."""
_INTERLACED_ORDERS = (2, 3, 4, 5)  # AV_FIELD_TT, BB, TB, BT


def probe_video(path: Path, max_pixels: int) -> VideoFacts:
    """The facts of a video, from its headers and its first frame.

    Raises ReadError (damaged, no frame), UnsupportedError (no video stream, no decoder, a rare
    pixel format or matrix), TooLargeError over `max_pixels` a frame, MissingExtraError without
    PyAV.
    """
    with open_video(path) as container, decoding(path, "the video is damaged"):
        try:
            return _facts(container, max_pixels)
        except (ReadError, UnsupportedError, TooLargeError) as error:
            raise type(error)(error.what, path, error.advice) from error


def main_stream(container: InputContainer) -> VideoStream:
    """The video stream to upscale: the first that is no cover picture and can be decoded.

    Raises UnsupportedError when there is none, or no decoder for it.
    """
    candidates = [s for s in container.streams.video if not s.disposition & ATTACHED_PICTURE]
    if not candidates:
        has_audio = bool(container.streams.audio)
        raise UnsupportedError("no video stream" + (", only audio" if has_audio else ""))
    stream = next((one for one in candidates if one.codec_context is not None), None)
    if stream is None:
        raise UnsupportedError("there is no decoder for its video stream")
    return stream


def _facts(container: InputContainer, max_pixels: int) -> VideoFacts:
    stream = main_stream(container)
    context: Any = stream.codec_context
    if context.width * context.height > max_pixels:
        what = f"{context.width} x {context.height} is more than the limit of {max_pixels:,} pixels"
        raise TooLargeError(what, advice="raise it with --max-pixels")
    frame, plain = _first_frames(container, stream)
    layout, tags = planar(_meant(container, stream, frame.format.name)), _tags(frame)
    if layout.kind != "rgb":
        levels(resolved_matrix(tags, frame.width, frame.height), False, layout.bits)
    rate = _rate(container, stream)
    start, duration = _span_s(container)
    timecode = stream.metadata.get("timecode")
    others = tuple(_stream_facts(s, timecode) for s in container.streams if s.index != stream.index)
    ways = {name: _ways(container, others, name) for name in CONTAINERS}
    others = tuple(replace(s, is_wide=ways["matroska"].get(s.index) == "wide") for s in others)
    refused = {
        name: tuple(s for s in others if s.kept and not ways[name][s.index]) for name in CONTAINERS
    }
    # What no container holds: tracks of data are told of later, anything else is a refusal.
    nowhere = set(refused["matroska"]).intersection(*refused.values())
    lost = {other for other in nowhere if other.type in ("data", "unknown")}
    return VideoFacts(
        demuxer=container.format.name.split(",")[0],
        stream=stream.index,
        width=frame.width,
        height=frame.height,
        pixel_format=frame.format.name,
        layout=layout,
        tags=tags,
        time_base=stream.time_base or Fraction(1, 1000),
        rate=rate,
        frames=stream.frames or max(1, round(duration * rate)),
        exact_frames=stream.frames,
        start_s=start,
        duration_s=duration,
        declares_end=duration > 0 and _declares_end(container),
        sar=stream.sample_aspect_ratio or None,
        display_matrix=_display_matrix(plain),
        rotation=plain.rotation,
        others=tuple(replace(s, kept=s.kept and s not in lost) for s in others),
        refused=tuple((n, tuple(s for s in r if s not in lost)) for n, r in refused.items()),
        riding=riding_on(plain),
        codec=context.name,
        bits_per_pixel=_bits_per_pixel(container, stream, frame.width * frame.height * rate),
        interlaced=plain.interlaced_frame or context.field_order in _INTERLACED_ORDERS,
    )


def _span_s(container: InputContainer) -> tuple[float, float]:
    """(when it begins, how long it lasts), in seconds, as the file declares or FFmpeg estimates.

    Of MP4 in fragments, FFmpeg gives the end of the last fragment as the length, counted from 0.
    """
    start = (container.start_time or 0) / 1_000_000
    length = (container.duration or 0) / 1_000_000
    is_mov = container.format.name.startswith("mov")
    counts_from_0 = is_mov and not any(stream.frames for stream in container.streams)
    return start, max(0.0, length - max(0.0, start)) if counts_from_0 else length


def _rate(container: InputContainer, stream: VideoStream) -> Fraction:
    """Frames per second; a raw stream tells its rate in its headers, if at all.

    Of raw DV, FFmpeg gives the units of its clock as the average.
    """
    average, guessed = stream.average_rate, stream.guessed_rate
    if average and guessed and average > _MOST_TIMES * guessed:
        return guessed
    has_clock = container.start_time is not None and container.format.name not in NUMBERED
    return (average if has_clock else guessed) or average or guessed or Fraction(25)


def _bits_per_pixel(
    container: InputContainer, stream: VideoStream, pixels_per_s: Fraction
) -> float | None:
    rate = stream.bit_rate or container.bit_rate
    return float(rate / pixels_per_s) if rate and pixels_per_s else None


def _first_frames(container: InputContainer, stream: VideoStream) -> tuple[VideoFrame, VideoFrame]:
    """The first frame that is whole as the reader gets it, and as FFmpeg's own decoder gives it.

    The latter has what the container says of every frame, such as the display matrix. A damaged one
    where there is none among the first.
    """
    decoder = decoder_of(stream)
    found: list[VideoFrame] = []
    plain: list[VideoFrame] = found if decoder is stream else []
    for number, packet in enumerate(container.demux(stream)):
        try:
            found += decoder.decode(packet)
            if decoder is not stream:
                plain += stream.decode(packet)
        except Exception as error:  # the reader will say where
            if not is_ffmpeg_error(error):
                raise
            continue
        whole = next((frame for frame in found if not frame.is_corrupt), None)
        if plain and (whole or (found and number > _MOST_PACKETS)):
            return whole or found[0], plain[0]
    if not (found and plain):
        raise ReadError("the video stream holds no frame that can be decoded")
    return found[0], plain[0]


def _meant(container: InputContainer, stream: VideoStream, pixel_format: str) -> str:
    """The format of a frame, without an opacity that is none.

    The fourth byte of a pixel of a raw AVI is reserved (BITMAPINFOHEADER, BI_RGB).
    """
    is_raw_avi = container.format.name == "avi" and stream.name == "rawvideo"
    return "bgr0" if is_raw_avi and pixel_format == "bgra" else pixel_format


def _tags(frame: VideoFrame) -> ColourTags:
    matrix = int(frame.colorspace)
    if matrix == RGB and not frame.format.is_rgb:
        matrix = UNSPECIFIED
    name = frame.format.name
    is_full = name.startswith(("yuvj", "mono"))
    full_range = FULL_RANGE if is_full else range_of(int(frame.color_range), planar(name).kind)
    return ColourTags(matrix, full_range, int(frame.color_primaries), int(frame.color_trc))


def _display_matrix(frame: VideoFrame) -> tuple[int, ...] | None:
    for block in _side_data(frame):
        if block.type.name == "DISPLAYMATRIX":
            return tuple(int(value) for value in np.frombuffer(bytes(block), "<i4")[:9])
    return None


def riding_on(frame: VideoFrame) -> Riding:
    """What a frame carries beside its samples."""
    return riding_of((block.type.name, bytes(block)) for block in _side_data(frame))


def _side_data(frame: VideoFrame) -> Iterable[Any]:
    """The blocks of side data; none where PyAV cannot name one of them, as it then gives none."""
    try:
        blocks: Any = frame.side_data  # a Mapping by type, and yet it iterates over its values
    except ValueError:
        return ()
    return blocks  # type: ignore[no-any-return]


def _declares_end(container: InputContainer) -> bool:
    """Whether the file itself says how long it is, rather than FFmpeg estimating it."""
    name = container.format.name
    if name.startswith("mov"):
        return True
    if not name.startswith("matroska"):
        return False
    stream = container.file.file
    position = stream.tell()
    stream.seek(0)
    head = stream.read(1 << 16)
    stream.seek(position)
    # EBML element Duration (0x4489) as a float of 8 or 4 bytes; live recordings have none.
    return b"\x44\x89\x88" in head or b"\x44\x89\x84" in head


def _stream_facts(stream: Stream, timecode: str | None) -> StreamFacts:
    """`timecode`: of the main video, from which the muxer makes the track of time codes anew."""
    is_made = kind_of(stream) == MADE
    is_lost = is_made and stream.metadata.get("timecode", timecode) != timecode
    codec = codec_of(stream)
    if stream.type == "attachment":
        codec = stream.metadata.get("mimetype", "unknown")
    return StreamFacts(
        stream.index,
        stream.type,
        codec,
        stream.metadata.get("language"),
        kept=not is_made,
        made=is_made and not is_lost,
        convertible=_is_convertible(stream),
    )


def _is_convertible(stream: Stream) -> bool:
    """Whether it is sound, or text, that can be decoded."""
    context: Any = stream.codec_context
    if context is None:
        return False
    if stream.type == "audio":
        return bool(context.sample_rate and context.layout.nb_channels)
    return stream.type == "subtitle" and bool(context.codec.text_sub)


def _ways(container: InputContainer, others: tuple[StreamFacts, ...], name: str) -> dict[int, Way]:
    """How a container holds each of the streams that are kept."""
    ways = {s.index: _way(name, container.streams[s.index]) for s in others if s.kept}
    if not container.chapters():
        return ways
    return {index: "" if way == "wide" else way for index, way in ways.items()}


_COVERS = {"matroska": None, "mp4": ("mjpeg", "png", "bmp"), "mov": (), "webm": ()}
"""Codecs of the cover pictures that a container holds as such, None for all."""


def _way(name: str, stream: Stream) -> Way:
    if stream.disposition & ATTACHED_PICTURE:
        covers = _COVERS[name]
        return "plain" if covers is None or codec_of(stream) in covers else ""
    return way_to_hold(name, stream)
