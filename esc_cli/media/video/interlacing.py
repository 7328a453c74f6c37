"""Whether a video is interlaced or telecined, measured by FFmpeg's idet at several places."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from esc_cli.errors import EscError, UnsupportedError
from esc_cli.media.video.decoders import decoder_of
from esc_cli.media.video.deinterlace import MATCHED, Chain, FilterChain
from esc_cli.media.video.deinterlace_choice import Fields, Measured, decided, may_be_film
from esc_cli.media.video.info import VideoFacts
from esc_cli.media.video.probe import main_stream
from esc_cli.media.video.source import is_ffmpeg_error, open_video, sought

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame

_NARROWEST = 256
PLACES = 5
PLACE_FRAMES = 31
_LINES = 1088
"""No standard has interlaced pictures of more lines (ITU-R BT.709; BT.2020 has none)."""
_RATE = 31
"""Frames per second above which nothing is interlaced that is not called so."""


def fields_of(
    path: Path,
    facts: VideoFacts,
    wish: str,
    *,
    doubled: bool,
    check: Callable[[], None] = lambda: None,
) -> Fields:
    """What is to be done with a video's fields. `wish`: auto, off, bwdif or telecine.

    Only a sample is decoded; `check` is called on the way and may raise to stop it. Damage is not
    raised: the reader will tell of it. Raises UnsupportedError for a format whose fields cannot be
    matched where that is asked for.
    """
    if wish == "telecine" and facts.layout.name not in MATCHED:
        what = f"fields of {facts.pixel_format} cannot be matched"
        raise UnsupportedError(what, path, "use --deinterlace bwdif")
    may_be = facts.height <= _LINES and facts.rate <= _RATE
    if wish == "off" or (wish == "auto" and not facts.interlaced and not may_be):
        return decided(
            Measured(), wish if wish == "off" else "auto", doubled=False, rate=facts.rate
        )
    places = [frames for frames in _places(path, facts, check) if frames]
    return decided(_measured(places, facts), wish, doubled=doubled, rate=facts.rate)


def _measured(places: list[list[VideoFrame]], facts: VideoFacts) -> Measured:
    own = facts.layout.name
    flagged = sum(frame.interlaced_frame for frames in places for frame in frames)
    try:
        found = _verdicts(places, own, (("idet", ""),))
        measured = replace(found, flagged=flagged)
        if own not in MATCHED or not may_be_film(measured, facts.rate):
            return measured
        order = "tff" if measured.order == "auto" else measured.order
        matching = (("fieldmatch", f"order={order}:combmatch=full"), ("idet", ""))
        after = _verdicts(places, own, matching)
        return replace(measured, cured=1 - after.combed_share)
    except UnsupportedError:  # a format that the filters lack: what the file says has to do
        return Measured(sum(map(len, places)), flagged)


def _verdicts(places: list[list[VideoFrame]], own: str, chain: Chain) -> Measured:
    total = Measured()
    for frames in places:
        filters = FilterChain(frames[0], own, (*_widened(frames[0]), *chain))
        for frame in _through(filters, frames):
            total = _with(total, frame.metadata)
    return total


def _widened(frame: VideoFrame) -> Chain:
    """What makes rows as long as idet takes samples at once, which are 64, and 256 of four columns.

    It reads what the memory holds behind shorter ones (libavfilter 11.14 with AVX-512), and the
    verdict would differ from run to run. What is added is flat and counts for nothing. Sides that
    pad does not take are those of no interlaced picture.
    """
    is_padded = 16 <= frame.width < _NARROWEST and frame.height % 4 == 0
    return (("pad", f"width={_NARROWEST}"),) if is_padded else ()


def _through(filters: FilterChain, frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
    for frame in frames:
        yield from filters.push(frame)
    yield from filters.finish()


def _with(total: Measured, verdict: dict[str, str]) -> Measured:
    kind = verdict.get("lavfi.idet.multiple.current_frame", "")
    repeats = verdict.get("lavfi.idet.repeated.current_frame", "neither") != "neither"
    added = {kind: getattr(total, kind) + 1} if kind in ("progressive", "tff", "bff") else {}
    is_own = verdict.get("lavfi.idet.single.current_frame", "") == kind
    return replace(
        total,
        frames=total.frames + 1,
        carried=total.carried + (kind in ("tff", "bff") and not is_own),
        repeated=total.repeated + repeats,
        **added,
    )


def _places(path: Path, facts: VideoFacts, check: Callable[[], None]) -> Iterator[list[VideoFrame]]:
    """Runs of frames from the beginning and from places spread over the file."""
    length = PLACES * PLACE_FRAMES if _is_short(facts) else PLACE_FRAMES
    count = 1 if _is_short(facts) else PLACES
    for number in range(count):
        check()
        at_s = facts.start_s + facts.duration_s * number / count
        yield _run(path, facts, at_s if number else None, length)


def _is_short(facts: VideoFacts) -> bool:
    return facts.duration_s * float(facts.rate) <= 2 * PLACES * PLACE_FRAMES


def _run(path: Path, facts: VideoFacts, at_s: float | None, length: int) -> list[VideoFrame]:
    """Frames that follow each other from a key frame on; fewer or none where decoding fails."""
    found: list[VideoFrame] = []
    try:
        with open_video(path) as container:
            if at_s is not None and not sought(container, at_s):
                return found
            fit = (f for f in _decoded(container) if _fits(f, facts))
            found.extend(islice(fit, length))
    except EscError:
        raise
    except Exception as error:
        if not is_ffmpeg_error(error):
            raise
    return found


def _decoded(container: InputContainer) -> Iterator[VideoFrame]:
    stream = main_stream(container)
    decoder = decoder_of(stream)
    decoder.thread_type = "AUTO"
    for packet in container.demux(stream):
        yield from decoder.decode(packet)


def _fits(frame: VideoFrame, facts: VideoFacts) -> bool:
    same = (frame.width, frame.height, frame.format.name)
    return same == (facts.width, facts.height, facts.pixel_format) and not frame.is_corrupt


def with_fields(facts: VideoFacts, fields: Fields) -> VideoFacts:
    """The facts of the frames that come out: more or fewer of them, in a finer time base."""
    rate: Fraction = facts.rate * fields.growth
    return replace(
        facts,
        time_base=facts.time_base / fields.time_units,
        rate=rate,
        frames=fields.count(facts.frames),
        fields=fields,
    )
