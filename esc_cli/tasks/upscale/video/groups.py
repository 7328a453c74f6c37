"""Groups of pictures as the encoder chooses them, encoded from finished steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from esc_cli.media.video.codecs import Encoding
from esc_cli.media.video.encoder import SegmentEncoder, StoredPacket
from esc_cli.media.video.frames import RawFrame
from esc_cli.media.video.lossless import lossless, read_frames
from esc_cli.media.video.segments import write_segment
from esc_cli.tasks.upscale.video.journal import Journal
from esc_cli.tasks.upscale.video.segment_length import GROUPED_FRAMES


@dataclass
class Groups:
    """Encodes the steps of a journal, and ends segments where the encoder itself has a key frame.

    So an encode in segments has the key frames of one from the first frame to the last, and sees as
    far ahead. Every segment begins with a new encoder, which makes its packets depend on its frames
    and those ahead of it alone, whenever a run was stopped. `check` is called on the way.
    """

    journal: Journal
    encoding: Encoding
    check: Callable[[], None]
    _encoder: SegmentEncoder | None = None
    _packets: list[StoredPacket] = field(default_factory=list)
    _fed: int = 0

    def __post_init__(self) -> None:
        """From the first frame that no segment has."""
        self._fed = self.journal.encoded_frames

    def advance(self) -> None:
        """Take what steps are finished. Raises ReadError, WriteError and DiskError."""
        while self._reaches_border():
            self._close()

    def rest(self) -> Iterator[int]:
        """The same, and all that is left, as there are no further steps: frames that are encoded,
        after each segment. What is not taken is left to a later run."""
        while True:
            while self._reaches_border():
                self._close()
                yield self.journal.encoded_frames
            if not self._packets and self._fed == self.journal.encoded_frames:
                return
            self._collect(self._opened().finish())
            self._close()
            yield self.journal.encoded_frames

    def _reaches_border(self) -> bool:
        for frame in self._frames():
            self.check()
            self._fed += 1
            if self._collect(self._opened().encode(frame)):
                return True
        return False

    def _frames(self) -> Iterator[RawFrame]:
        """The frames of finished steps that the encoder has not been given."""
        kept = lossless(self.encoding)
        for path, passed in self.journal.steps_from(self._fed):
            yield from islice(read_frames(path, kept), passed, None)

    def _opened(self) -> SegmentEncoder:
        if self._encoder is None:
            self._encoder = SegmentEncoder(self.encoding, self.journal.settled.threads)
        return self._encoder

    def _collect(self, packets: Iterable[StoredPacket]) -> bool:
        """Take packets, up to one that may begin a segment of its own; whether it was reached."""
        for packet in packets:
            if packet.key and len(self._packets) >= GROUPED_FRAMES:
                return True
            self._packets.append(packet)
        return False

    def _close(self) -> None:
        """Write the segment that was collected, and begin anew with the frame after it."""
        journal, headers = self.journal, self._opened().headers
        state = write_segment(journal.folder, len(journal.groups), headers, self._packets)
        journal.append_group(state)
        self._opened().abandon()
        self._encoder, self._packets, self._fed = None, [], journal.encoded_frames
