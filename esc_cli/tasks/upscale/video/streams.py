"""What becomes of the streams beside the video: copied, converted, or left out, and told."""

from __future__ import annotations

from dataclasses import replace

from esc_cli.errors import UnsupportedError
from esc_cli.media.video.codecs import CONTAINERS
from esc_cli.media.video.containers import AUDIO, TEXTS
from esc_cli.media.video.info import StreamFacts, VideoFacts
from esc_cli.tasks.upscale.options import Streams


def fitted(facts: VideoFacts, candidates: tuple[str, ...], wish: Streams) -> tuple[str, VideoFacts]:
    """The container for a video, and its facts with what becomes of each stream there.

    candidates: where it may go, best first; the first that holds everything is taken, else the one
    that loses least. wish: "keep" refuses what a container does not hold, "fit" converts sound and
    text and leaves out the rest, "drop" leaves out all of it. Raises UnsupportedError naming the
    streams.
    """
    container = min(candidates, key=lambda name: _losses(facts, name, wish))
    refused = {stream.index for stream in facts.refused_by(container)}
    if refused and wish == "keep":
        raise _refusal(facts, candidates)
    others = tuple(
        _treated(other, container, wish) if other.index in refused else other
        for other in facts.others
    )
    return container, replace(facts, others=others)


def _losses(facts: VideoFacts, container: str, wish: Streams) -> tuple[int, int]:
    refused = facts.refused_by(container)
    lost = [s for s in refused if wish != "fit" or not s.convertible]
    return len(lost), len(refused)


def _treated(other: StreamFacts, container: str, wish: Streams) -> StreamFacts:
    if wish != "fit" or not other.convertible:
        return replace(other, kept=False)
    return replace(other, becomes=(AUDIO if other.type == "audio" else TEXTS)[container])


def _refusal(facts: VideoFacts, candidates: tuple[str, ...]) -> UnsupportedError:
    container = candidates[0]
    refused = ", ".join(str(stream) for stream in facts.refused_by(container))
    others = [name for name in CONTAINERS if not facts.refused_by(name)]
    held = f"{CONTAINERS[others[0]][0][1:]} can; " if others else ""
    advice = f"{held}--streams fit converts or leaves out"
    return UnsupportedError(f"{container} cannot hold {refused}", advice=advice)


def told(facts: VideoFacts, container: str) -> tuple[str, ...]:
    """What is said of the streams that do not stay as they are."""
    by_index = {stream.index for stream in facts.refused_by(container)}
    notes = []
    for other in facts.others:
        if other.becomes:
            notes.append(f"{other} becomes {other.becomes}, as {container} does not hold it")
        elif not other.kept and other.index in by_index:
            notes.append(f"left out: {other}, which {container} does not hold")
    return tuple(notes)
