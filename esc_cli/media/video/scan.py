"""How many frames a video will give: counted, because a declared rate says little of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esc_cli.media.video.info import VideoFacts
from esc_cli.media.video.leading_frames import is_before_edit
from esc_cli.media.video.probe import main_stream
from esc_cli.media.video.reader import Part
from esc_cli.media.video.seeking import starts_at
from esc_cli.media.video.source import is_ffmpeg_error, load_av, open_video, sought, without_guesses

_RESYNCS = ("matroska",)
"""Demuxers that look for the next intact block by themselves, so that what is lost is not seen."""


def structural_damage(path: Path, demuxer: str) -> list[str]:
    """One sentence for each place where a demuxer had to skip something.

    Must not run beside decoders with threads of their own: their log would wait for Python's lock.
    """
    if demuxer not in _RESYNCS:
        return []
    av = load_av()
    level, skips = av.logging.get_level(), av.logging.get_skip_repeated()
    try:
        with open_video(path) as container:
            av.logging.set_level(av.logging.ERROR)
            av.logging.set_skip_repeated(False)
            return _skipped(av, container)
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(skips)


def _skipped(av: Any, container: Any) -> list[str]:
    found: list[str] = []
    before = 0.0
    with av.logging.Capture() as messages:
        for packet in container.demux():
            now = before if packet.pts is None else float(packet.pts * packet.time_base)
            if messages:
                found.append(f"the file is damaged between {before:.3f} s and {now:.3f} s")
                messages.clear()
            before = now
    return found


if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet

HIDES_FRAMES = ("vp8", "libvpx")
"""Decoders of VP8, whose alternate reference frames are packets of their own."""


def count_frames(
    path: Path, facts: VideoFacts, part: Part, check: Callable[[], None] = lambda: None
) -> int | None:
    """The frames of a part, from its packets, without decoding; None where that cannot be said.

    A packet holds one frame that is shown, but in VP8, where some are never. The file is read to
    the end of the part once. `check` is called on the way and may raise to stop it.
    """
    first, last = part.span_s(facts.start_s)
    count = 0
    try:
        base = facts.time_base * facts.fields.time_units
        seeks = first is not None and starts_at(path, base, first)
        with open_video(path) as container:
            if main_stream(container).codec_context.name in HIDES_FRAMES:
                return None
            for packet in _shown(container, first, last, seeks):
                check()
                time = packet.pts if packet.pts is not None else packet.dts
                if time is None and not part.whole:
                    return None
                count += _within(packet, time, first, last)
                if part.frames is not None and facts.fields.count(count) >= part.frames:
                    return part.frames
    except Exception as error:
        if not is_ffmpeg_error(error):
            raise
        return None  # decoding will say what is wrong
    return facts.fields.count(count) or None  # without key frames nothing can be said


def _shown(
    container: InputContainer, first: float | None, last: float | None, seeks: bool
) -> Iterator[Packet[Any]]:
    """The packets from `first` to `last` that become frames, and a few around them."""
    stream = main_stream(container)
    without_guesses(container)
    if seeks and first is not None:
        sought(container, first)
    begun, hides = False, False
    for packet in container.demux(stream):
        if last is not None and _seconds(packet, packet.dts, 0.0) >= last:
            return  # no frame is shown before it is decoded
        begun = begun or packet.is_keyframe  # nothing before it can be decoded
        hides = hides or packet.is_discard
        is_hidden = packet.is_discard or is_before_edit(
            packet, stream.start_time if hides else None
        )
        if begun and packet.size and not is_hidden:
            yield packet


def _within(packet: Packet[Any], time: int | None, first: float | None, last: float | None) -> bool:
    begins = first is None or _seconds(packet, time, first) >= first - 1e-9
    return begins and (last is None or _seconds(packet, time, last) < last - 1e-9)


def _seconds(packet: Packet[Any], time: int | None, unknown: float) -> float:
    return unknown if time is None else float(time * packet.time_base)
