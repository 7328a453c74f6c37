"""What a container and a codec make of a video's streams and tags, as plain values; no PyAV."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Track:
    """A stream as a reader of the file sees it; None where it says nothing.

    disposition: FFmpeg's bits.
    """

    type: str
    codec: str
    language: str | None
    title: str | None
    disposition: int


@dataclass(frozen=True)
class TrialResult:
    """What came of a video in a trial, made before the work with its first packets.

    tracks: by their index in the source, as they come out; those that the trial says nothing of are
    left out. keys: tags of the file that MP4 and QuickTime only hold in a box that is added. tags:
    names of tags of the file that are lost. colours: of "primaries" and "transfer" those that are
    lost. riding: what frames carry, in words, and the result as well. notes: all that is lost, in
    words.
    """

    tracks: tuple[tuple[int, Track], ...] = ()
    keys: tuple[tuple[str, str], ...] = ()
    tags: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    riding: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def track(self, index: int) -> Track | None:
        """The track that a stream of the source becomes."""
        return dict(self.tracks).get(index)


UNTRIED = TrialResult()
