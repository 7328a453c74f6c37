"""The pictures of an archive: decoded ahead, enlarged, encoded behind, each kept when finished."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

from esc_cli.errors import DeadlineError, counted
from esc_cli.media.archive import Archive
from esc_cli.tasks.models import Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.archive.job import ArchiveJob
from esc_cli.tasks.upscale.archive.journal import Finished, Journal
from esc_cli.tasks.upscale.archive.page_stages import decoded_page, finished_page, page_work
from esc_cli.tasks.upscale.archive.pages import Page, naming
from esc_cli.tasks.upscale.events import Progress
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.pipeline import DECODED_AHEAD, PENDING_BYTES, encoder_count
from esc_cli.tasks.upscale.stages import Work, network_stage


@dataclass
class PagePipeline:
    """Takes pictures into the journal. `seconds`: by stage, of all of them."""

    archive: Archive
    job: ArchiveJob
    options: UpscaleOptions
    models: Models
    stop: Stop
    journal: Journal
    seconds: dict[str, float] = field(default_factory=dict)
    encoders: int = field(default_factory=encoder_count)
    _pending: deque[tuple[Work, Future[Finished]]] = field(default_factory=deque)

    def run(self, pages: Sequence[Page]) -> Iterator[Progress]:
        """Do what is not finished. Raises the first error, naming the entry, when all that was
        at work is in the journal; StoppedError, and DeadlineError between two pictures."""
        todo = [page for page in pages if page.entry.number not in self.journal.finished]
        before = len(pages) - len(todo)
        with ExitStack() as stack:
            stack.callback(self._keep_the_rest)
            encoders = stack.enter_context(ThreadPoolExecutor(self.encoders, "encode"))
            for number, (page, work) in enumerate(self._decoded(todo, stack)):
                self._look_at_the_time(len(todo) - number)
                with naming(self.archive.path, page.entry):
                    done = network_stage(work, self.models, self.stop)
                self._make_room(done)
                folder = self.journal.folder
                future = encoders.submit(finished_page, page, done, self.options, folder)
                self._pending.append((done, future))
                count = before + number + 1
                yield Progress(self.archive.path, count, len(pages), number + 1, "picture")
            while self._pending:
                self._take()

    def _decoded(self, pages: Sequence[Page], stack: ExitStack) -> Iterator[tuple[Page, Work]]:
        """Each picture, decoded in a thread of its own while those before it are at work."""
        reader = stack.enter_context(ThreadPoolExecutor(1, "decode"))
        ahead: deque[tuple[Page, Future[Work]]] = deque()
        stack.callback(lambda: [future.cancel() for _, future in ahead])
        coming = iter(pages)
        while True:
            while len(ahead) < DECODED_AHEAD and (page := next(coming, None)) is not None:
                work = page_work(self.job, page)
                future = reader.submit(decoded_page, self.archive, page, work, self.options)
                ahead.append((page, future))
            if not ahead:
                return
            page, future = ahead.popleft()
            yield page, future.result()

    def _look_at_the_time(self, left: int) -> None:
        self.stop.check()
        if self.stop.is_due:
            what = f"the time is up with {counted(left, 'picture')} left"
            raise DeadlineError(what, self.archive.path, "run again to go on")

    def _make_room(self, work: Work) -> None:
        """Wait until few enough results wait for their encoder to add another."""
        while self._pending:
            waiting = sum(other.job.result_bytes for other, _ in self._pending)
            is_full = waiting + work.job.result_bytes > PENDING_BYTES
            is_full = is_full or len(self._pending) > self.encoders
            if not is_full and not self._pending[0][1].done():
                return
            self._take()

    def _take(self) -> None:
        work, future = self._pending.popleft()
        self.journal.append(future.result())
        for stage, seconds in work.seconds.items():
            self.seconds[stage] = round(self.seconds.get(stage, 0.0) + seconds, 4)

    def _keep_the_rest(self) -> None:
        """Note what is encoded in the end, after an error too; what fails here is done again."""
        for _, future in self._pending:
            if future.exception() is None:
                self.journal.append(future.result())
