"""Damage to the structure of a file, which FFmpeg reports in its log only and then passes by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from esc_cli.media.video.source import load_av, open_video

_RESYNCS = ("matroska",)
"""Demuxers that look for the next intact block by themselves, so that what is lost is not seen."""


def structural_damage(path: Path, demuxer: str) -> list[str]:
    """One sentence for each place where a demuxer had to skip something.

    Must not run beside decoders with threads of their own: their log would wait for Python's lock.
    """
    if demuxer not in _RESYNCS:
        return []
    av = load_av()
    level, skips = av.logging.get_level(), av.logging.get_skip_repeated()
    try:
        with open_video(path) as container:
            av.logging.set_level(av.logging.ERROR)
            av.logging.set_skip_repeated(False)
            return _skipped(av, container)
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(skips)


def _skipped(av: Any, container: Any) -> list[str]:
    found: list[str] = []
    before = 0.0
    with av.logging.Capture() as messages:
        for packet in container.demux():
            now = before if packet.pts is None else float(packet.pts * packet.time_base)
            if messages:
                found.append(f"the file is damaged between {before:.3f} s and {now:.3f} s")
                messages.clear()
            before = now
    return found
