"""Sound and texts in another codec, packet by packet, where the result's container needs it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

from esc_cli.media.video.containers import AUDIO, TEXTS
from esc_cli.media.video.source import is_ffmpeg_error, load_av

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.container import OutputContainer
    from av.packet import Packet
    from av.stream import Stream

_BITS_PER_CHANNEL = 96_000
"""Of sound that is encoded with a loss: twice what AAC and Opus need to be transparent."""
_OPUS_RATE = 48_000
_JITTER_S = 0.05
"""By how much times may differ from those of samples that follow each other."""


class Converter(Protocol):
    """Makes packets of a track of the result from those of a track of the source."""

    target: Stream

    def convert(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """What is ready after one more packet, whose times are those of the result."""
        ...

    def finish(self) -> Iterator[Packet[Any]]:
        """The rest."""
        ...


def converter_for(result: OutputContainer, source: Stream, container: str) -> Converter:
    """The converter of a track, which is added to the result's file."""
    if source.type == "audio":
        return _Sound(result, source, AUDIO[container])
    return _Text(result, source, TEXTS[container])


class _Sound:
    """Decodes and encodes. The first sample keeps its time."""

    target: Any

    def __init__(self, result: OutputContainer, source: Any, encoder: str) -> None:
        context = source.codec_context
        rate = _OPUS_RATE if encoder == "libopus" else context.sample_rate
        self.source = source
        self._following: int | None = None
        target: Any = result.add_stream(encoder, rate=rate)
        self.target = target
        target.layout = _layout(context)
        target.time_base = Fraction(1, rate)
        if encoder == "flac":
            target.format = _flac_format(context.format.name)
        else:
            target.bit_rate = _BITS_PER_CHANNEL * len(self.target.layout.channels)

    def convert(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        try:
            frames = self.source.decode(packet)
        except Exception as error:  # what a player would leave out as well
            if not is_ffmpeg_error(error):
                raise
            return
        for frame in frames:
            yield from self._encoded(self._timed(frame))

    def _timed(self, frame: AudioFrame) -> AudioFrame:
        """The frame right behind the one before, unless the source leaves a gap or overlaps.

        Containers with coarse units round the times of packets.
        """
        rate, following = frame.sample_rate, self._following
        if frame.pts is not None and frame.time_base is not None:
            own = round(frame.pts * frame.time_base * rate)
            if following is None or abs(own - following) > _JITTER_S * rate:
                following = own
        following = following or 0
        frame.pts, frame.time_base = following, Fraction(1, rate)
        self._following = following + frame.samples
        return frame

    def _encoded(self, frame: AudioFrame | None) -> Iterator[Packet[Any]]:
        for packet in self.target.encode(frame):
            packet.stream = self.target
            yield packet

    def finish(self) -> Iterator[Packet[Any]]:
        for frame in self.source.decode(None):
            yield from self._encoded(self._timed(frame))
        yield from self._encoded(None)


def _layout(context: Any) -> str:
    """Where the channels are; by their number where the file does not say."""
    count = context.layout.nb_channels
    names = {1: "mono", 2: "stereo", 3: "2.1", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
    name = str(context.layout.name)
    return names.get(count, name) if "channels" in name else name


def _flac_format(decoded: str) -> str:
    """16 bits for what has no more, else 24."""
    return "s16" if decoded.removesuffix("p") in {"u8", "s16"} else "s32"


class _Text:
    """Takes the text out of each subtitle, without the look that only some kinds have."""

    target: Any

    def __init__(self, result: OutputContainer, source: Any, codec: str) -> None:
        self.source, self.codec = source, codec
        self.target = result.add_mux_stream(codec)
        self.target.time_base = Fraction(1, 1000)

    def convert(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        try:
            found = self.source.codec_context.decode2(packet)
        except Exception as error:
            if not is_ffmpeg_error(error):
                raise
            return
        texts = [] if found is None else [plain_text(one.ass.decode()) for one in _texts(found)]
        text = "\n".join(filter(None, texts)).encode()
        if text and packet.pts is not None:
            yield self._packet(packet, text, int(found.end_display_time))

    def _packet(self, packet: Packet[Any], text: bytes, shown_ms: int) -> Packet[Any]:
        head = len(text).to_bytes(2, "big") if self.codec == "mov_text" else b""
        made: Packet[Any] = load_av().Packet(head + text)
        made.pts = made.dts = packet.pts
        made.duration = packet.duration or round(Fraction(shown_ms, 1000) / packet.time_base)
        made.time_base, made.stream = packet.time_base, self.target
        made.is_keyframe = True
        return made

    def finish(self) -> Iterator[Packet[Any]]:
        return iter(())


def _texts(found: Any) -> list[Any]:
    return [one for one in found if hasattr(one, "ass")]


def plain_text(event: str) -> str:
    """The text of an event as FFmpeg's decoders give it: 8 fields of ASS before it, and codes."""
    text = event.split(",", 8)[-1]
    while (start := text.find("{")) >= 0 and (end := text.find("}", start)) >= 0:
        text = text[:start] + text[end + 1 :]
    return text.replace("\\N", "\n").replace("\\n", "\n").replace("\\h", "\xa0").strip("\r\n")
