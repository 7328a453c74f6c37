"""The written file against its source: frames, timestamps, streams, colours, geometry.

Both are read back through the demuxer; nothing is taken from what the writer meant to write.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esc_cli.errors import WriteError
from esc_cli.media.video.codecs import Encoding
from esc_cli.media.video.colour_tags import UNSPECIFIED, ColourTags
from esc_cli.media.video.info import VideoFacts
from esc_cli.media.video.languages import same_language
from esc_cli.media.video.mux import QUICKTIME, is_gap, movie_timescale
from esc_cli.media.video.probe import probe_video
from esc_cli.media.video.reader import WHOLE, Part
from esc_cli.media.video.side_data import Riding
from esc_cli.media.video.source import open_video
from esc_cli.media.video.tracks import (
    ATTACHED,
    as_track,
    kind_of,
    lost_tags,
    tracks_of,
)
from esc_cli.media.video.trial_result import UNTRIED, TrialResult
from esc_cli.media.video.verify_pixels import colour_difference

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream


_ASPECT_TOLERANCE = Fraction(1, 250)
"""Matroska states the ratio by whole pixels of a size; FFmpeg's muxers allow as much."""


@dataclass(frozen=True)
class Expected:
    """What the result must hold: PTS in the source's time base, packets of each copied stream.

    shift_s: what became 0. earliest_s: the first time of any packet, 0 or below.
    whole: all of the source was done, with all its chapters. intact: and nothing of it was damaged
    or hidden, so that the result must be as long as it says. part: what of the source was done.
    held: what the container and the codec can hold of the source, where that differs. added: tags
    of the file that the source does not have.
    """

    facts: VideoFacts
    encoding: Encoding
    pts: array[int]
    copied: dict[int, int]
    shift_s: Fraction = Fraction(0)
    earliest_s: Fraction = Fraction(0)
    whole: bool = True
    intact: bool = True
    part: Part = WHOLE
    held: TrialResult = UNTRIED
    added: dict[str, str] = field(default_factory=dict)


@dataclass
class _Read:
    """What demuxing found: PTS and time base of the video, packets and end of each stream."""

    check: Callable[[], None]
    base: Fraction = Fraction(1)
    pts: list[int] = field(default_factory=list)
    packets: Counter[int] = field(default_factory=Counter)
    ends: dict[int, float] = field(default_factory=dict)


def verify(
    part: Path, source: Path, expected: Expected, check: Callable[[], None] = lambda: None
) -> float:
    """Raise WriteError, naming all that differs, unless `part` holds what is expected.

    `check` is called on the way and may raise.

    Returns the seconds by which all streams are later alike, because the container has no times
    below 0: Matroska's muxer moves them until the first begins there.
    """
    read = _Read(check)
    differences = list(_differences(part, source, expected, read))
    if differences:
        what = "the written video differs from its source: " + "; ".join(differences)
        raise WriteError(what, advice="nothing was kept; please report it, or use --no-verify")
    return float(_delay(read, expected) * expected.encoding.time_base)


def _differences(part: Path, source: Path, expected: Expected, read: _Read) -> Iterator[str]:
    found = probe_video(part, 1 << 62)
    yield from _picture_differences(found, expected)
    yield from _length_differences(found, expected)
    colours = colour_difference(part, found, source, expected.facts, expected.part)
    if colours:
        yield colours
    with open_video(part) as result:
        _fill(read, result, found.stream)
        yield from _time_differences(read, expected)
        with open_video(source) as original:
            yield from _stream_differences(result, original, expected, read)
            yield from _tag_of_file_differences(result, original, expected)
            if len(result.chapters()) != len(original.chapters()) and expected.whole:
                yield f"{len(result.chapters())} of {len(original.chapters())} chapters"


def _picture_differences(found: VideoFacts, expected: Expected) -> Iterator[str]:
    encoding = expected.encoding
    pairs: tuple[tuple[str, Any, Any], ...] = (
        ("size", (found.width, found.height), (encoding.width, encoding.height)),
        ("rotation", found.rotation, expected.facts.rotation),
    )
    for name, one, other in pairs:
        if one != other:
            yield f"{name} {one} instead of {other}"
    if found.layout.bits < encoding.layout.bits:  # the decoder of ProRes 4444 gives 12 for 10
        yield f"bits {found.layout.bits} instead of {encoding.layout.bits}"
    one, other = found.sar or Fraction(1), encoding.sar or Fraction(1)
    if abs(one / other - 1) > _ASPECT_TOLERANCE:
        yield f"sample aspect ratio {one} instead of {other}"
    yield from _tag_differences(found.tags, encoding, expected.held)
    yield from _riding_differences(found.riding, expected.facts.riding, encoding.encoder)


def _riding_differences(found: Riding, wanted: Riding, encoder: str) -> Iterator[str]:
    if not wanted.options(encoder):
        return
    if found.light != wanted.light:
        yield f"light levels {found.light} instead of {wanted.light}"
    one, other = found.mastering, wanted.mastering
    if other is not None and (one is None or not one.is_near(other)):
        yield f"mastering display {one} instead of {other}"


def _length_differences(found: VideoFacts, expected: Expected) -> Iterator[str]:
    facts = expected.facts
    if not (expected.whole and expected.intact and facts.declares_end and found.declares_end):
        return
    if not all(other.kept for other in facts.others):
        return  # what is left out may have been the longest
    # Some files state less than they hold, and none states how long the last frame is shown.
    if found.duration_s < facts.duration_s - 2 / float(facts.rate) - 0.05:
        yield f"it lasts {found.duration_s:.3f} s instead of {facts.duration_s:.3f} s"


def _tag_differences(found: ColourTags, encoding: Encoding, held: TrialResult) -> Iterator[str]:
    wanted = encoding.tags
    pairs = (
        ("matrix", found.matrix, wanted.matrix),
        ("primaries", found.primaries, wanted.primaries),
        ("transfer", found.transfer, wanted.transfer),
    )
    for name, one, other in pairs:
        # The encoders of RGB state the matrix that RGB has where the source states none.
        if one != other and other not in (UNSPECIFIED, 0) and name not in held.colours:
            yield f"{name} {one} instead of {other}"
    if max(found.full_range, 1) != max(wanted.full_range, 1) and encoding.layout.kind == "yuv":
        yield f"range {found.full_range} instead of {wanted.full_range}"


def _time_differences(read: _Read, expected: Expected) -> Iterator[str]:
    wanted, base = expected.pts, expected.encoding.time_base
    if len(read.pts) != len(wanted):
        yield f"{len(read.pts)} of {len(wanted)} frames"
        return
    # A container with coarser units (Matroska: milliseconds) can only come as near as half a unit.
    tolerance = Fraction(0) if (base / read.base).denominator == 1 else read.base / 2
    delay = _delay(read, expected)
    if expected.encoding.container in QUICKTIME:  # which counts the start in units of its own
        start = expected.pts[0] * base - expected.shift_s
        units = movie_timescale(start, base)
        tolerance += Fraction(int((start * units).denominator != 1), 2 * units)
    if delay:
        tolerance = read.base  # the first frame, by which it is known, is rounded as well
    shift = round(expected.shift_s / base) - delay
    for number, (one, other) in enumerate(zip(read.pts, wanted, strict=True)):
        if abs(one * read.base - (other - shift) * base) > tolerance:
            seconds = float(one * read.base), float((other - shift) * base)
            yield f"frame {number} is shown at {seconds[0]:.4f} s instead of {seconds[1]:.4f} s"
            return


def _delay(read: _Read, expected: Expected) -> Fraction:
    """By how much everything is later, sound and pictures alike, in units of the source."""
    base = expected.encoding.time_base
    first = expected.pts[0] - round(expected.shift_s / base)
    delay_s = read.pts[0] * read.base - first * base
    allowed = -expected.earliest_s + read.base
    is_moved = expected.earliest_s < 0 and 0 < delay_s <= allowed
    return delay_s / base if is_moved else Fraction(0)


def _stream_differences(
    result: InputContainer, original: InputContainer, expected: Expected, read: _Read
) -> Iterator[str]:
    main = expected.facts.stream
    kept = {main, *(other.index for other in expected.facts.others if other.kept)}
    sources = [stream for stream in original.streams if stream.index in kept]
    found, wanted = tracks_of(result.streams), tracks_of(sources)
    if len(found) != len(wanted):  # MP4 has no tracks without packets, such as those of a part
        wanted = [s for s in wanted if s.index == main or expected.copied.get(s.index)]
    if len(found) != len(wanted):
        yield f"{len(found)} of {len(wanted)} streams"
        return
    for one, other in zip(found, wanted, strict=True):
        count = expected.copied.get(other.index, 0)
        if other.index != main and read.packets[one.index] != count:
            yield f"stream {other.index} has {read.packets[one.index]} of {count} packets"
        yield from _track_differences(one, other, expected)
    attached = Counter(map(kind_of, result.streams)), Counter(map(kind_of, sources))
    if attached[0][ATTACHED] != attached[1][ATTACHED]:
        yield f"{attached[0][ATTACHED]} of {attached[1][ATTACHED]} attachments and covers"


def _track_differences(one: Stream, other: Stream, expected: Expected) -> Iterator[str]:
    name, is_main = f"stream {other.index}", other.index == expected.facts.stream
    found = as_track(one)
    wanted = expected.held.track(other.index) or as_track(other)
    becomes = {stream.index: stream.becomes for stream in expected.facts.others}
    if becomes.get(other.index):
        wanted = replace(wanted, codec=found.codec)  # the trial has tried it
    if found.type != wanted.type or (not is_main and found.codec != wanted.codec):
        yield f"{name} is {found.type} {found.codec} instead of {wanted.type} {wanted.codec}"
    if not same_language(found.language, wanted.language):
        yield f"{name} has the language {found.language} instead of {wanted.language}"
    if found.title != wanted.title:
        yield f"{name} is called {found.title!r} instead of {wanted.title!r}"
    # MP4 has no such flag: its muxer enables the first track of a kind, or those that have it.
    ignored = 1 if expected.encoding.container in QUICKTIME else 0
    if (found.disposition | ignored) != (wanted.disposition | ignored):
        yield f"{name} has the disposition {found.disposition} instead of {wanted.disposition}"


def _tag_of_file_differences(
    result: InputContainer, original: InputContainer, expected: Expected
) -> Iterator[str]:
    wanted = original.metadata | expected.added
    for key, value in lost_tags(wanted, result.metadata).items():
        if key not in expected.held.tags:
            yield f"the tag {key} is not {value!r}"


def _fill(read: _Read, container: InputContainer, video: int) -> None:
    read.base = container.streams[video].time_base or Fraction(1)
    for packet in container.demux():
        read.check()
        if not packet.size or is_gap(packet):
            continue
        read.packets[packet.stream_index] += 1
        if packet.stream_index == video and packet.pts is not None:
            read.pts.append(packet.pts)
    read.pts.sort()
