"""Videos as a kind of input: what a file by itself or of a folder becomes."""

from __future__ import annotations

from pathlib import Path

from esc_cli.media.paths import Source
from esc_cli.media.video.demuxers import is_video
from esc_cli.tasks.upscale.input_kind import Batch
from esc_cli.tasks.upscale.network_choice import decided_for_video
from esc_cli.tasks.upscale.settings_key import settings_key
from esc_cli.tasks.upscale.video.plan import VideoJob, draft, look_at


class VideoKind:
    """Whatever a demuxer is known for, and what is named like a video."""

    drafts_beside = False  # libraries of videos must not look at one while another is decoded

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.settings = settings_key(batch.options, "videos")
        self._decodes = False

    def recognises(self, source: Source) -> bool:
        """By content or name. Raises ReadError, and UnsupportedError for a playlist."""
        return is_video(source.path)

    def draft(self, source: Source, root: Path) -> VideoJob:
        """The job. Raises the errors of `look_at` and of `draft`, and DeviceError for a decoder."""
        batch = self.batch
        self._check_decoder()
        found = look_at(source, batch.options, batch.models)
        own = found.facts.width, found.facts.height
        enlargement = batch.enlargement(own, found.size, found.scale)
        choice = batch.choice(enlargement)
        choice = None if choice is None else decided_for_video(choice, found.facts)
        made = draft(found, batch.options, source.path.suffix, batch.own_file)
        output = batch.output(source, root, enlargement, made.format.suffix)
        return found.job(source, choice, made, (root, output), self.settings)

    def _check_decoder(self) -> None:
        """Once, whether the decoder of a GPU that was asked for opens."""
        device = self.batch.options.video.hwaccel
        if device is not None and not self._decodes:
            from esc_cli.media.video.hardware import check_accelerator

            check_accelerator(device)
            self._decodes = True
