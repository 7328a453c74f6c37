"""A trial before the work: a file of one plain frame and the first packets of all other streams.

It is written and read back in memory. What does not come out as it went in, a container or a codec
has no place for; so that is known, and told, before any frame is enlarged.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from esc_cli.errors import ItemError
from esc_cli.media.video.codecs import CONTAINERS, Encoding
from esc_cli.media.video.encoder import SegmentEncoder
from esc_cli.media.video.frames import RawFrame
from esc_cli.media.video.info import StreamFacts, VideoFacts
from esc_cli.media.video.languages import same_language
from esc_cli.media.video.mux import QUICKTIME, Muxer
from esc_cli.media.video.probe import main_stream, riding_on
from esc_cli.media.video.source import load_av, open_video
from esc_cli.media.video.tracks import ATTACHED, as_track, kind_of, lost_tags, tracks_of
from esc_cli.media.video.trial_result import UNTRIED, Track, TrialResult

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream

_EACH, _MOST = 4, 5000
"""Packets of a stream that are tried, and packets that are read to find them."""
_SIDE = 256
"""Pixels along the sides of the frame; encoders of GPUs refuse much less."""
_DEFAULT = 1  # AV_DISPOSITION_DEFAULT
_UNSPECIFIED = (0, 2)


@dataclass
class _Trial(Muxer):
    """A muxer of one frame and a few packets."""

    counts: Counter[int] = field(default_factory=Counter)

    def _packets(self, _segments: Iterable[Path], stream: Any) -> Iterator[Packet[Any]]:
        encoder, form = SegmentEncoder(self.encoding, threads=1), self.encoding.format
        layout = form.layout
        dtype = np.uint8 if layout.bytes_per_sample == 1 else np.uint16
        sizes = layout.plane_sizes(form.width, form.height)
        planes = tuple(np.full(size, 1 << layout.bits - 1, dtype) for size in sizes)
        start = round(self.start_s / self.encoding.time_base)
        av = load_av()
        for stored in (*encoder.encode(RawFrame(start, 1, planes)), *encoder.finish()):
            yield self._packet(av, stored, stream)

    def _others(self, source: InputContainer, kept: set[int]) -> Iterator[Packet[Any]]:
        left = {index: _wanted_of(source.streams[index]) for index in kept}
        for number, packet in enumerate(super()._others(source, kept)):
            index = packet.stream_index
            self.counts[index] += 1
            if left[index] > 0:
                left[index] -= 1
                yield packet
            if number >= _MOST or not any(left.values()):
                break
        if self.encoding.container in QUICKTIME:  # which has no tracks without packets
            missing = (source.streams[index] for index in kept if not self.counts[index])
            yield from (_gap(stream) for stream in missing if stream.type == "subtitle")


def _wanted_of(stream: Stream) -> int:
    if stream.type == "attachment":
        return 0
    return 1 if kind_of(stream) == ATTACHED else _EACH


def _gap(stream: Stream) -> Packet[Any]:
    """A text of no bytes."""
    packet: Packet[Any] = load_av().Packet(bytes(2))
    packet.pts = packet.dts = 0
    packet.duration, packet.time_base, packet.stream = 1, stream.time_base or Fraction(1), stream
    return packet


def tried(source: Path, facts: VideoFacts, encoding: Encoding) -> TrialResult:
    """What the container and the codec make of a video.

    Raises WriteError where they cannot be written together. Nothing is tried where the encoder does
    not open: whoever opens it says why.
    """
    encoding = _small(encoding)
    try:
        SegmentEncoder(encoding, threads=1)
    except ItemError:
        return UNTRIED
    held = _tried(source, facts, encoding, UNTRIED)
    if held.tags and encoding.container in QUICKTIME:
        again = _tried(source, facts, encoding, held)
        return replace(again, keys=tuple(k for k in held.keys if k[0] not in again.tags))
    return replace(held, keys=())


def refused_in_trial(
    source: Path, facts: VideoFacts, encoding: Encoding
) -> tuple[StreamFacts, ...]:
    """The streams that cannot be written, each tried by itself."""
    return tuple(
        other
        for other in facts.others
        if other.kept and not _is_written(source, _alone(facts, other), _small(encoding))
    )


def _small(encoding: Encoding) -> Encoding:
    """The same for frames that every encoder takes, and quickly: nothing that is tried depends on
    their size."""
    return replace(encoding, width=_SIDE, height=_SIDE)


def _alone(facts: VideoFacts, other: StreamFacts) -> VideoFacts:
    return replace(facts, others=(other,))


def _is_written(source: Path, facts: VideoFacts, encoding: Encoding) -> bool:
    try:
        _tried(source, facts, encoding, UNTRIED)
    except ItemError:
        return False
    return True


def _tried(source: Path, facts: VideoFacts, encoding: Encoding, before: TrialResult) -> TrialResult:
    start = Fraction(round(facts.start_s / facts.time_base)) * facts.time_base
    trial = _Trial(source, facts, encoding, 1, start_s=start, held=before)
    file = io.BytesIO()
    trial.write(file, ())
    file.seek(0)
    av = load_av()
    with av.open(file, metadata_errors="surrogateescape") as result, open_video(source) as original:
        return _compared(result, original, trial)


def _compared(result: InputContainer, original: InputContainer, trial: _Trial) -> TrialResult:
    facts, encoding = trial.facts, trial.encoding
    keys = tuple(lost_tags(original.metadata, result.metadata).items())
    riding, colours = _of_frame(result, trial)
    tracks = _paired(result, original, trial)
    place = CONTAINERS[encoding.container][0][1:]
    notes = [
        f"{place} has no place for {loss} of stream {other.index}"
        for one, other in tracks
        for loss in _losses(as_track(one), as_track(other), encoding.container)
    ]
    if encoding.container not in QUICKTIME or trial.held.keys:
        notes += [f"{place} has no place for the tag {key}" for key, _ in keys]
    notes += [
        f"{encoding.encoder} has no place for the {name} of the colours (number {number})"
        for name, number in colours
    ]
    return TrialResult(
        tracks=tuple((other.index, as_track(one)) for one, other in tracks),
        keys=keys,
        tags=tuple(key for key, _ in keys),
        colours=tuple(name for name, _ in colours),
        riding=tuple(name for name in facts.riding.others if name in riding),
        notes=tuple(notes),
    )


def _paired(
    result: InputContainer, original: InputContainer, trial: _Trial
) -> list[tuple[Stream, Stream]]:
    """Tracks of the result with those of the source; none where one is missing."""
    main = trial.facts.stream
    kept = {main, *(other.index for other in trial.facts.others if other.kept)}
    found = tracks_of(result.streams)
    wanted = tracks_of(stream for stream in original.streams if stream.index in kept)
    if len(found) != len(wanted):
        wanted = [s for s in wanted if s.index == main or trial.counts[s.index]]
    return list(zip(found, wanted, strict=True)) if len(found) == len(wanted) else []


def _losses(one: Track, other: Track, container: str) -> Iterator[str]:
    """What a track of the source has and that of the result has not, in words."""
    if not same_language(one.language, other.language):
        yield f"the language {other.language}"
    if other.title is not None and one.title != other.title:
        yield f"the title {other.title!r}"
    bits = other.disposition & ~one.disposition & ~(_DEFAULT if container in QUICKTIME else 0)
    known: Any = load_av().stream.Disposition
    if names := [flag.name for flag in known if flag & bits]:
        yield f"the disposition {', '.join(names)}"


def _of_frame(
    result: InputContainer, trial: _Trial
) -> tuple[tuple[str, ...], list[tuple[str, int]]]:
    """What rides on the frame in words, and the colours that it lost, with their numbers."""
    frame = next(result.decode(main_stream(result)), None)
    if frame is None:
        return (), []
    wanted = trial.encoding.tags
    pairs = (
        ("primaries", int(frame.color_primaries), wanted.primaries),
        ("transfer", int(frame.color_trc), wanted.transfer),
    )
    lost = [(name, other) for name, one, other in pairs if other not in (*_UNSPECIFIED, one)]
    return riding_on(frame).others, lost
