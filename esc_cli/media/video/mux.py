"""The result's file: encoded segments joined as they are, every other stream copied beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from esc_cli.errors import EscError, WriteError
from esc_cli.media.video.codecs import Encoding
from esc_cli.media.video.containers import Way, open_result
from esc_cli.media.video.convert import Converter, converter_for
from esc_cli.media.video.decode_times import decode_times, reorder_depth
from esc_cli.media.video.decoders import BESIDE
from esc_cli.media.video.encoder import StoredPacket, configure
from esc_cli.media.video.info import VideoFacts
from esc_cli.media.video.interleave import Peekable, mux_until
from esc_cli.media.video.matroska_aspect import PLACEHOLDER, state_aspect
from esc_cli.media.video.packet_order import PacketOrder
from esc_cli.media.video.quicktime_keys import add_keys
from esc_cli.media.video.scheduling import kept_scheduling
from esc_cli.media.video.segments import read_pts, read_segment
from esc_cli.media.video.source import is_ffmpeg_error, load_av, open_video
from esc_cli.media.video.time_range import Window
from esc_cli.media.video.tracks import (
    ATTACHED_PICTURE,
    OWN_TAGS,
    tags_for,
    tags_of_pictures,
    without,
)
from esc_cli.media.video.trial_result import UNTRIED, TrialResult

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from av.stream import Stream


QUICKTIME = ("mp4", "mov")
"""Containers of one muxer."""
_MULTILAYER = 1 << 21  # AV_DISPOSITION_MULTILAYER: of several views, of which one is enlarged


class _Watched:
    """A file that remembers why it could not be written."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self.seek, self.tell = target.seek, target.tell
        self.failure: OSError | None = None

    def write(self, block: bytes) -> int:
        try:
            return self._target.write(block)
        except OSError as error:
            self.failure = self.failure or error
            raise


@dataclass
class Muxer:
    """Writes one result.

    start_s: when the first frame is shown. held: what a trial has shown. added: tags of the file
    besides those of the source, with names that it does not have. copied: the packets of each
    stream of the source. earliest_s: the first time of them all; below 0 in MP4, where the sound
    begins with what the decoder needs to start. check: called on the way, and may raise.
    """

    source: Path
    facts: VideoFacts
    encoding: Encoding
    threads: int
    window: Window | None = None
    start_s: Fraction = Fraction(0)
    held: TrialResult = UNTRIED
    added: dict[str, str] = field(default_factory=dict)
    copied: dict[int, int] = field(default_factory=dict)
    order: PacketOrder = field(init=False)
    _is_stereo: bool = False
    _converters: dict[int, Converter] = field(default_factory=dict)
    earliest_s: Fraction = Fraction(0)
    check: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.order = PacketOrder(strict=self._is_quicktime)

    def write(self, target: BinaryIO, segments: Iterable[Path]) -> None:
        """Write the file. Raises ReadError and WriteError; OSError of the target passes through."""
        watched = _Watched(target)
        with open_video(self.source) as source:
            options = {"movie_timescale": str(self._movie_timescale)}
            try:
                way: Way = "wide" if self.facts.is_wide else "plain"
                own = options if self._is_quicktime else {}
                with open_result(watched, self.encoding.container, way, own) as result:
                    self._fill(source, result, segments)
            except Exception as error:
                if watched.failure is not None:  # FFmpeg may tell of it later and in other words
                    raise watched.failure from error
                if isinstance(error, EscError) or not is_ffmpeg_error(error):
                    raise
                reason = getattr(error, "strerror", None) or error
                raise WriteError(f"cannot be written: {reason}") from error
            self._complete(target)

    def _complete(self, target: BinaryIO) -> None:
        """What FFmpeg's muxers are given no way to write."""
        encoding = self.encoding
        if self._is_stated_later:
            state_aspect(target, encoding.width, encoding.height, encoding.sar or Fraction(1))
        keys = (*self.held.keys, *self.added.items())
        if self._is_quicktime and keys:
            add_keys(target, keys, is_mp4=encoding.container == "mp4")

    @property
    def _movie_timescale(self) -> int:
        return movie_timescale(self.start_s, self.encoding.time_base)

    @property
    def _is_quicktime(self) -> bool:
        return self.encoding.container in QUICKTIME

    @property
    def _is_stated_later(self) -> bool:
        """Whether the muxer has to be helped to state the sample aspect ratio."""
        is_matroska = self.encoding.container in ("matroska", "webm")
        return is_matroska and (self.encoding.sar or 1) != 1 and not self._is_stereo

    def _fill(
        self, source: InputContainer, result: OutputContainer, segments: Iterable[Path]
    ) -> None:
        result.metadata.update(without(source.metadata, OWN_TAGS) | self.added)
        chapters = source.chapters()
        result.set_chapters(chapters if self.window is None else self.window.chapters(chapters))
        outputs = self._outputs(source, result)
        with kept_scheduling():  # it opens the encoder
            result.start_encoding()
        video = outputs[self.facts.stream]
        packets = Peekable(self._packets(segments, video))
        for packet in self._others(source, set(outputs) - {self.facts.stream}):
            limit = packet.pts if packet.dts is None else packet.dts
            if limit is not None:
                mux_until(result, packets, float(limit * packet.time_base))
            index, converter = packet.stream_index, self._converters.get(packet.stream_index)
            if converter is None:
                self.order.put(packet, index, outputs[index])
                packet.stream = outputs[index]
            self._mux(result, index, [packet] if converter is None else converter.convert(packet))
        for index, converter in self._converters.items():
            self._mux(result, index, converter.finish())
        mux_until(result, packets, None)

    def _outputs(self, source: InputContainer, result: OutputContainer) -> dict[int, Any]:
        """The tracks of the result by the index of those of the source that they are made from."""
        outputs: dict[int, Any] = {}
        others = {other.index: other for other in self.facts.others if other.kept}
        for stream in source.streams:
            index = stream.index
            if index == self.facts.stream:
                outputs[index] = self._video(result, stream)
            elif index in others and self._is_loose_cover(stream):
                self._attach(result, stream)
            elif index in others and others[index].becomes:
                made = converter_for(result, stream, self.encoding.container)
                self._converters[index], outputs[index] = made, self._named(made.target, stream)
            elif index in others:
                copy = result.add_stream_from_template(stream, opaque=True)
                copy.metadata.clear()
                outputs[index] = self._named(copy, stream)
        return outputs

    def _mux(self, result: OutputContainer, index: int, packets: Iterable[Packet[Any]]) -> None:
        """Write packets of the track that was stream `index` of the source."""
        for packet in packets:
            if packet.pts is not None:
                self.earliest_s = min(self.earliest_s, packet.pts * packet.time_base)
            counts = packet.size and not is_gap(packet)  # FLAC's last packet is a new header alone
            self.copied[index] = self.copied.get(index, 0) + int(bool(counts))
            result.mux(packet)

    def _video(self, result: OutputContainer, source: Stream) -> Stream:
        """The stream of the upscaled frames. Its encoder only makes the headers."""
        encoding = self.encoding
        stream: Any = result.add_stream(encoding.encoder, rate=encoding.rate)
        configure(stream.codec_context, encoding, self.threads)
        stream.time_base = encoding.time_base
        stream.metadata.update(tags_of_pictures(source, encoding.container))
        self._is_stereo = PLACEHOLDER[0] in stream.metadata
        if self._is_stated_later:
            stream.metadata[PLACEHOLDER[0]] = PLACEHOLDER[1]
        stream.disposition = int(source.disposition) & ~_MULTILAYER
        if encoding.display_matrix is not None:
            stream.set_display_matrix(encoding.display_matrix)
        return stream  # type: ignore[no-any-return]

    def _named(self, copy: Stream, stream: Stream) -> Stream:
        copy.metadata.update(tags_for(stream, self.encoding.container))
        copy.disposition = stream.disposition
        return copy

    def _is_loose_cover(self, stream: Stream) -> bool:
        """Whether this is a cover that must become an attachment, as Matroska keeps covers."""
        is_cover = bool(stream.disposition & ATTACHED_PICTURE)
        return is_cover and self.encoding.container in ("matroska", "webm")

    def _attach(self, result: OutputContainer, stream: Stream) -> None:
        with open_video(self.source) as other:
            packet = next(other.demux(other.streams[stream.index]))
        suffix = {"mjpeg": "jpg"}.get(stream.name or "", stream.name or "bin")
        name = stream.metadata.get("filename", f"cover.{suffix}")
        kind = stream.metadata.get("mimetype", f"image/{suffix.replace('jpg', 'jpeg')}")
        result.add_attachment(name, kind, bytes(packet))
        self.copied[stream.index] = 1

    def _packets(self, segments: Iterable[Path], stream: Any) -> Iterator[Packet[Any]]:
        av = load_av()
        own = bytes(stream.codec_context.extradata or b"")
        paths = list(segments)
        depth = max((reorder_depth(self._pts(path)) for path in paths), default=0)
        times = decode_times(map(self._pts, paths), depth)
        shift = round(self._shift / self.encoding.time_base)
        for path in paths:
            headers, packets = read_segment(path)
            if headers != own:
                what = "the segments were encoded with other headers and cannot be joined"
                raise WriteError(what, path, "delete the folder of the segments")
            for stored in packets:
                self.check()
                packet = self._packet(av, stored, stream)
                packet.pts, packet.dts = stored.pts - shift, next(times) - shift
                yield packet

    def _pts(self, segment: Path) -> list[int]:
        self.check()
        return read_pts(segment)

    def _packet(self, av: Any, stored: StoredPacket, stream: Any) -> Packet[Any]:
        packet: Packet[Any] = av.Packet(stored.payload)
        packet.pts = packet.dts = stored.pts
        packet.duration = stored.duration
        packet.time_base = self.encoding.time_base
        packet.is_keyframe = stored.key
        if stored.beside:
            packet.set_sidedata(_beside(stored.beside))
        packet.stream = stream
        return packet

    def _others(self, source: InputContainer, kept: set[int]) -> Iterator[Packet[Any]]:
        """The packets to copy, as they come; what cannot be read ends them (the reader said so)."""
        wanted = [s for s in source.streams if s.index in kept and s.type != "attachment"]
        if not wanted:
            return
        packets = source.demux(wanted)
        while True:
            try:
                packet = next(packets, None)
            except Exception as error:
                if isinstance(error, EscError) or not is_ffmpeg_error(error):
                    raise
                return
            if packet is None:
                return
            self.check()
            if packet.size and self._shifted(packet):
                yield packet

    def _shifted(self, packet: Packet[Any]) -> bool:
        """Move a packet of a part into the part's time; whether it belongs to it."""
        if self.window is None:
            return True
        time = packet.pts if packet.pts is not None else packet.dts
        is_cover = packet.stream.disposition & ATTACHED_PICTURE
        if is_cover:
            return True
        if time is None or not self.window.holds(float(time * packet.time_base)):
            return False
        shift = round(self._shift / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts - shift
        packet.dts = None if packet.dts is None else packet.dts - shift
        return True

    @property
    def _shift(self) -> Fraction:
        return Fraction(0) if self.window is None else self.window.shift_s


def _beside(content: bytes) -> Any:
    from av.packet import PacketSideData, packet_sidedata_type_from_literal

    known: Any = PacketSideData  # its type knows no constructor
    made = known(packet_sidedata_type_from_literal(BESIDE), len(content))
    made.update(content)
    return made


def is_gap(packet: Packet[Any]) -> bool:
    """Whether this is what MP4 puts where no subtitle is shown: a text of no bytes."""
    return bool(packet.size == 2 and packet.stream.type == "subtitle")


def movie_timescale(start_s: Fraction, time_base: Fraction) -> int:
    """The units per second in which MP4 states when its tracks begin.

    1000, or what counts in the time base evenly, or, beyond the 31 bits of the muxer, a million.
    """
    if 1000 % start_s.denominator == 0:
        return 1000
    units = time_base.denominator * -(-1000 // time_base.denominator)
    return units if units < 1 << 31 else 1_000_000
