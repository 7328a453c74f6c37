"""Small videos made with PyAV, and what is read back from a video, for tests."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

os.environ["SVT_LOG"] = "1"  # SVT-AV1 is talkative
ROTATE_90 = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)


@dataclass
class Clip:
    """How to make a clip; see `write`."""

    frames: int = 10
    size: tuple[int, int] = (32, 24)
    pix_fmt: str = "yuv420p"
    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=lambda: {"crf": "10"})
    time_base: Fraction = Fraction(1, 10)
    pts: list[int] | None = None
    seeds: list[int] | None = None
    audio: tuple[str, ...] = ()  # a language for each track
    audio_codec: str = "aac"
    sound_s: float | None = None  # None: as long as the pictures
    titles: bool = False  # of the tracks
    subtitle: str | None = None  # a codec: "subrip", "mov_text"
    chapters: bool = False
    attachment: bool = False
    cover: bool = False
    matrix: int = 2
    full_range: int = 0
    primaries: int = 2
    transfer: int = 2
    sar: Fraction | None = None
    rotation: tuple[int, ...] | None = None
    colour: tuple[int, ...] | None = None  # constant samples instead of a picture
    interlaced: bool = False
    timecode: str | None = None
    format: str | None = None
    metadata: dict[str, str] = field(default_factory=lambda: {"title": "A clip"})

    def write(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w", format=self.format) as container:
            self._fill(container)
        return path

    @property
    def times(self) -> list[int]:
        return list(range(self.frames)) if self.pts is None else self.pts

    def _fill(self, container: Any) -> None:
        container.metadata.update(self.metadata)
        last_s = float((self.times[-1] + 1) * self.time_base)
        if self.chapters:
            parts = ((0, int(last_s * 500), "One"), (int(last_s * 500), int(last_s * 1000), "Two"))
            base = Fraction(1, 1000)
            container.set_chapters(
                [
                    {"id": i, "start": a, "end": b, "time_base": base, "metadata": {"title": t}}
                    for i, (a, b, t) in enumerate(parts)
                ]
            )
        video = self._video(container)
        tracks = [self._audio(container, language) for language in self.audio]
        subtitle = self._subtitle(container)
        if self.attachment:
            container.add_attachment("font.ttf", "application/x-truetype-font", b"no font" * 9)
        cover = self._cover(container)
        container.start_encoding()
        if cover is not None:
            packet = av.Packet(_jpeg())
            packet.stream, packet.pts, packet.dts = cover, 0, 0
            packet.time_base, packet.is_keyframe = Fraction(1, 90000), True
            container.mux(packet)
        for number, pts in enumerate(self.times):
            frame = self.frame(number)
            frame.pts, frame.time_base = pts, self.time_base
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for track in tracks:
            _sound(container, track, last_s if self.sound_s is None else self.sound_s)
        if subtitle is not None:
            packet = av.Packet(b"Hello" if self.subtitle == "subrip" else b"\0\5Hello")
            packet.stream, packet.pts, packet.dts, packet.duration = subtitle, 100, 100, 400
            packet.time_base = Fraction(1, 1000)
            container.mux(packet)

    def _video(self, container: Any) -> Any:
        stream = container.add_stream(self.codec, rate=Fraction(10), options=dict(self.options))
        context = stream.codec_context
        context.width, context.height = self.size
        context.pix_fmt, context.time_base = self.pix_fmt, self.time_base
        stream.time_base = self.time_base
        context.colorspace, context.color_range = self.matrix, self.full_range
        context.color_primaries, context.color_trc = self.primaries, self.transfer
        context.thread_count = 1
        if self.sar is not None:
            context.sample_aspect_ratio = self.sar
        if self.rotation is not None:
            stream.set_display_matrix(self.rotation)
        if self.titles:
            stream.metadata["title"] = "Pictures"
        if self.timecode is not None:
            stream.metadata["timecode"] = self.timecode
        if self.interlaced:
            context.flags |= 1 << 18 | 1 << 29
        return stream

    def _audio(self, container: Any, language: str) -> Any:
        track = container.add_stream(self.audio_codec, rate=48000)
        track.bit_rate = 128_000
        track.metadata["language"] = language
        if self.titles:
            track.metadata["title"] = f"Sound in {language}"
        track.disposition = 1 if language == self.audio[0] else 0
        return track

    def _subtitle(self, container: Any) -> Any:
        if self.subtitle is None:
            return None
        stream = container.add_mux_stream(self.subtitle)
        stream.time_base = Fraction(1, 1000)
        stream.metadata["language"] = "fre"
        return stream

    def _cover(self, container: Any) -> Any:
        if not self.cover:
            return None
        if container.format.name == "matroska":
            container.add_attachment("cover.jpg", "image/jpeg", _jpeg())
            return None
        stream = container.add_mux_stream("mjpeg", width=16, height=16)
        stream.disposition = 1 << 10
        return stream

    def frame(self, number: int) -> Any:
        """A picture that moves with the number; the same seed gives the same picture."""
        seed = number if self.seeds is None else self.seeds[number]
        frame = av.VideoFrame(*self.size, self.pix_fmt)
        deep = frame.format.components[0].bits > 8
        dtype, top = (np.dtype("<u2"), 940) if deep else (np.uint8, 235)
        for index, plane in enumerate(frame.planes):
            samples = np.frombuffer(plane, dtype)
            rows = samples.reshape(-1, plane.line_size // samples.itemsize)
            if self.colour is not None:
                rows[:] = self.colour[index]
                continue
            y, x = np.mgrid[0 : rows.shape[0], 0 : rows.shape[1]]
            wave = np.sin((x + 3 * seed) / 5 + index) * np.cos((y - seed) / 4)
            low = top // 3 if index else top // 10
            rows[:] = (low + (wave + 1) / 2 * (top // 2)).astype(dtype)
        frame.color_range, frame.colorspace = self.full_range, self.matrix
        return frame


def _jpeg() -> bytes:
    import io

    from PIL import Image

    target = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 30, 30)).save(target, "JPEG")
    return target.getvalue()


def _sound(container: Any, track: Any, seconds: float) -> None:
    rate, block = 48000, 1024
    layout, kind = track.layout.name, track.codec_context.format.name
    for start in range(0, int(seconds * rate), block):
        wave = np.sin(np.arange(start, start + block) / 20).astype(np.float32)[None] * 0.3
        channels = len(track.layout.channels)
        samples = np.repeat(wave, channels, axis=0)
        if kind in ("flt", "s16"):
            samples = samples.T.reshape(1, -1)
        if kind == "s16":
            samples = (samples * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), kind, layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        container.mux(track.encode(frame))
    container.mux(track.encode(None))


def samples_of(frame: Any) -> list[Any]:
    """The planes of a frame without their padding."""
    deep = frame.format.components[0].bits > 8
    sizes = [(c.height, c.width) for c in frame.format.components]
    return [
        np.frombuffer(plane, np.dtype("<u2") if deep else np.uint8)
        .reshape(-1, plane.line_size // (1 + deep))[:rows, :columns]
        .copy()
        for plane, (rows, columns) in zip(frame.planes, sizes, strict=True)
    ]


def _digest(frame: Any) -> str:
    digest = hashlib.sha256()
    for plane in samples_of(frame):
        digest.update(plane.tobytes())
    return digest.hexdigest()


def frames_of(path: Path) -> list[list[Any]]:
    """The planes of every frame."""
    with av.open(str(path)) as container:
        return [samples_of(frame) for frame in container.decode(video=0)]


@dataclass
class Seen:
    """What a reader of a video sees."""

    pts_s: list[Fraction]
    hashes: list[str]
    size: tuple[int, int]
    pix_fmt: str
    codec: str
    tags: tuple[int, int, int, int]
    sar: Fraction | None
    rotation: int
    streams: list[tuple[str, str | None, str | None, int]]
    payloads: list[str]  # a digest of the packets of every stream but the main video
    chapters: list[tuple[Fraction, Fraction, str]]
    metadata: dict[str, str]
    attachments: list[bytes]


def look(path: Path) -> Seen:
    """Decode a video and collect everything that must survive."""
    with av.open(str(path)) as container:
        main = next(s for s in container.streams.video if not s.disposition & 1 << 10)
        streams = [s for s in container.streams if not (s.type == "data" and int(s.discard) == 48)]
        digests = {s.index: hashlib.sha256() for s in streams}
        pts, hashes, frame = [], [], None
        for packet in container.demux():
            if packet.stream is main:
                for frame in packet.decode():
                    pts.append(frame.pts * main.time_base)
                    hashes.append(_digest(frame))
            elif packet.size and not (packet.size == 2 and packet.stream.type == "subtitle"):
                # MP4 fills the gaps between subtitles with texts of no bytes.
                digests[packet.stream_index].update(bytes(packet))
        assert frame is not None
        return Seen(
            pts,
            hashes,
            (frame.width, frame.height),
            frame.format.name,
            main.codec_context.name,
            (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc),
            main.sample_aspect_ratio,
            frame.rotation,
            [(s.type, s.name, s.language, int(s.disposition)) for s in streams],
            [digests[s.index].hexdigest() for s in streams if s is not main],
            [
                (c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"]["title"])
                for c in container.chapters()
            ],
            dict(container.metadata),
            [s.data for s in container.streams if s.type == "attachment"],
        )


def remuxed(source: Path, target: Path, shift_s: float = 0.0, **options: str) -> Path:
    """The same packets in another file, earlier by `shift_s`; `options` are the muxer's."""
    with av.open(str(source)) as one, av.open(str(target), "w", container_options=options) as other:
        copies = {s.index: other.add_stream_from_template(s, opaque=True) for s in one.streams}
        for packet in one.demux():
            if packet.size:
                shift = round(shift_s / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = copies[packet.stream_index]
                other.mux(packet)
    return target


def unfinished(output: Path) -> Path:
    """The folder of what is finished of an output with the one set of settings that was tried."""
    home = output.with_name(f".{output.name}.esc-segments")
    found = [path for path in home.glob("*") if path.is_dir()]
    assert len(found) <= 1, found
    return found[0] if found else home / "none"


def finished_steps(output: Path) -> list[Path]:
    """The files of the finished steps of an output, with one set of settings."""
    folder = unfinished(output)
    return sorted(folder.glob("*.step")) or sorted(folder.glob("*.segment"))
