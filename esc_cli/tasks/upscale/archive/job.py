"""One archive that is to become one archive."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from esc_cli.errors import counted
from esc_cli.tasks.models import Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.archive.pages import Page
from esc_cli.tasks.upscale.events import ItemEvent
from esc_cli.tasks.upscale.job import Outlook, StreamedJob
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.records import FileState, OutputRecord, RecordShelf

FORMAT = "ZIP"


@dataclass(frozen=True)
class ArchiveJob(StreamedJob):
    """`pages` are None where an earlier record stands for them; they are planned when needed."""

    pages: tuple[Page, ...] | None

    @property
    def digest(self) -> str | None:
        """Of the network, or of both where each picture gets its own."""
        if self.choice is None:
            return None
        digests = [one.digest for one in self.choice.networks]
        return digests[0] if len(digests) == 1 else joined(digests)

    @property
    def digests(self) -> frozenset[str | None]:
        """The one of all networks that its pictures may get."""
        return frozenset((self.digest,))

    @property
    def disk_bytes(self) -> int:
        """The finished pictures lie beside the result until it is complete."""
        return 2 * self.bytes_estimate

    def record(self, source: FileState, result: FileState, output: str) -> OutputRecord:
        """As every job's, with the digest of all networks."""
        return replace(super().record(source, result, output), weights_sha256=self.digest)

    def forecast(
        self,
        models: Models,  # noqa: ARG002 - as every job
        options: UpscaleOptions,  # noqa: ARG002
        known: dict[Any, Any],  # noqa: ARG002
    ) -> Outlook:
        """The pictures; nothing is measured."""
        return Outlook(self.header.frames, (counted(self.header.frames, "picture"),))

    def run(
        self, options: UpscaleOptions, models: Models, shelf: RecordShelf, stop: Stop
    ) -> Iterator[ItemEvent]:
        """As `ArchiveRun.run`."""
        from esc_cli.tasks.upscale.archive.run import ArchiveRun

        return ArchiveRun(self, options, models, shelf.at(self.root), stop).run()


def joined(digests: list[str]) -> str:
    """What records know several networks by."""
    return hashlib.sha256(" ".join(digests).encode("ascii")).hexdigest()
