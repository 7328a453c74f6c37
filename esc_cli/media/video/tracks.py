"""Streams of a source and of its result: their tags, and which became which."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from esc_cli.media.video.containers import codec_of
from esc_cli.media.video.decoders import ALPHA_MODE
from esc_cli.media.video.languages import language_in
from esc_cli.media.video.trial_result import Track

if TYPE_CHECKING:
    from av.stream import Stream

ATTACHED_PICTURE = 1 << 10  # AV_DISPOSITION_ATTACHED_PIC
DISCARD_ALL = 48  # AVDISCARD_ALL: how FFmpeg marks the track that holds QuickTime's chapters
# What muxers write themselves, of the file and of its streams.
OWN_TAGS = frozenset(("major_brand", "minor_version", "compatible_brands", "encoder"))
_OWN_STREAM_TAGS = frozenset(("encoder", "duration", "vendor_id", "_statistics_tags"))
_ALIKE = dict.fromkeys(
    ("mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float"), "MPEG audio"
)  # MP4 says no more of it; the layer is found in the packets
TRACK, ATTACHED, MADE = "track", "attached", "made by the muxer"


def kind_of(stream: Stream) -> str:
    """TRACK for what has an order; attachments come in any; chapters and time codes are MADE."""
    if stream.type == "attachment" or stream.disposition & ATTACHED_PICTURE:
        return ATTACHED
    is_made = int(stream.discard) == DISCARD_ALL or "timecode" in stream.metadata
    return MADE if stream.type == "data" and is_made else TRACK


def tracks_of(streams: Iterable[Stream]) -> list[Stream]:
    """Those that are neither attached nor made by the muxer."""
    return [stream for stream in streams if kind_of(stream) == TRACK]


def as_track(stream: Stream) -> Track:
    """What a stream says of itself."""
    name = codec_of(stream)
    return Track(
        stream.type,
        _ALIKE.get(name, name),
        small_keys(stream.metadata).get("language"),
        title_of(stream),
        int(stream.disposition),
    )


def title_of(stream: Stream) -> str | None:
    """What a track is called, None for nothing; readers of QuickTime and MP4 say `name`."""
    tags = small_keys(stream.metadata)
    return tags.get("title") or tags.get("name") or None


def small_keys(tags: dict[str, str]) -> dict[str, str]:
    """The same with names in small letters; Matroska's are in capitals."""
    return {key.lower(): value for key, value in tags.items()}


def tags_for(stream: Stream, container: str) -> dict[str, str]:
    """The tags of a stream, as the muxer of a container takes title and language."""
    tags = without(stream.metadata, _OWN_STREAM_TAGS)
    for key in [key for key in tags if key.lower() == "language"]:
        tags["language"] = language_in(container, tags.pop(key)) or "und"
    title = title_of(stream)
    if title is None or any(key.lower() == "title" for key in tags):
        return tags
    return {"title": title, **{key: tags[key] for key in tags if key.lower() != "name"}}


def tags_of_pictures(stream: Stream, container: str) -> dict[str, str]:
    """The tags for the enlarged stream; whether there is opacity its own encoder says."""
    return without(tags_for(stream, container), frozenset((ALPHA_MODE,)))


def lost_tags(source: dict[str, str], result: dict[str, str]) -> dict[str, str]:
    """The tags of a file that another does not have alike; names count without capitals."""
    found = small_keys(result)
    wanted = without(source, OWN_TAGS).items()
    return {k: v for k, v in wanted if v and not _alike(k, v, found.get(k.lower(), ""))}


def _alike(name: str, one: str, other: str) -> bool:
    """Whether two values are equal; muxers write a time in a form of their own."""
    if one == other or name.lower() != "creation_time":
        return one == other
    try:
        times = [datetime.fromisoformat(value) for value in (one, other)]
    except ValueError:
        return False
    first, second = (time if time.tzinfo else time.replace(tzinfo=UTC) for time in times)
    return first == second


def without(tags: dict[str, str], own: frozenset[str]) -> dict[str, str]:
    """The tags but those named in small letters."""
    return {key: value for key, value in tags.items() if key.lower() not in own}
