"""A page to look at what a run did: sliders, failures with their reasons, totals and times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esc_cli.errors import EscError, UsageError, counted, shown
from esc_cli.evaluation.html import Facts, render_comparison
from esc_cli.evaluation.results import Visual
from esc_cli.files.atomic import write_atomic
from esc_cli.files.remote.address import any_address
from esc_cli.files.targets import check_outputs
from esc_cli.media.paths import PICTURES
from esc_cli.tasks.compare_folder import before_and_after
from esc_cli.tasks.environment import environment_facts
from esc_cli.tasks.report.merge import lines_of


@dataclass(frozen=True)
class GalleryOptions:
    """The page to write, the most pictures that it shows, and the command for its head."""

    output: Path
    limit: int
    max_pixels: int
    command: str

    def check_before_work(self) -> None:
        """Raise UsageError or DiskError for a page that could not be written."""
        check_outputs({".html": self.output})


def gallery_of_reports(reports: Iterable[Path], options: GalleryOptions) -> None:
    """The page of reports of `esc upscale --report`; a later line replaces an earlier one.

    Raises UsageError and DiskError before any picture is read, and the errors of `lines_of`.
    """
    options.check_before_work()
    items: dict[str, Mapping[str, Any]] = {}
    for report in reports:
        for line in lines_of(report):
            if "share" not in line:
                items[str(line["input"])] = line
    write_gallery(items.values(), options)


def write_gallery(items: Iterable[Mapping[str, Any]], options: GalleryOptions) -> None:
    """The page of items as a report has them. A picture that is gone is among the failures."""
    told = list(items)
    if not told:
        raise UsageError("there is nothing to show", options.output)
    failures = [
        (str(item["input"]), str(item.get("reason", "")))
        for item in told
        if item["status"] == "failed"
    ]
    shown_items = [item for item in told if _is_picture(item) and not _is_in_store(item)]
    visuals: list[Visual] = []
    for item in shown_items[: options.limit]:
        name, source, result = item["output"], Path(str(item["input"])), Path(str(item["output"]))
        try:
            title = f"{shown(name)}{_time(item)}"
            visuals.append(before_and_after(title, source, result, options.max_pixels))
        except EscError as error:
            failures.append((str(error.path or result), f"cannot be shown: {error.reason}"))
    left = _left(told, len(shown_items) - options.limit)
    facts = _totals(told) | left | environment_facts()
    page = render_comparison(visuals, Facts("esc upscale", options.command, facts), failures)
    write_atomic(options.output, page.encode("utf-8", "backslashreplace"))


def _is_picture(item: Mapping[str, Any]) -> bool:
    return _has_result(item) and Path(str(item["output"])).suffix.lower() in PICTURES


def _has_result(item: Mapping[str, Any]) -> bool:
    return item["status"] in ("done", "skipped") and bool(item.get("output"))


def _is_in_store(item: Mapping[str, Any]) -> bool:
    """Whether there is nothing here to show of it: the page has local pictures alone."""
    return any_address(str(item[key]) for key in ("input", "output"))


def _seconds(item: Mapping[str, Any]) -> float:
    return float(sum(dict(item.get("seconds") or {}).values()))


def _time(item: Mapping[str, Any]) -> str:
    """What an item took, all stages together; "" where nothing was done."""
    seconds = _seconds(item)
    return f", {seconds:,.1f} s" if seconds else ""


def _totals(items: list[Mapping[str, Any]]) -> dict[str, str]:
    counts = Counter(str(item["status"]) for item in items)
    seconds = sum(map(_seconds, items))
    totals = {status: f"{counts[status]:,}" for status in ("done", "skipped", "failed")}
    return totals | {"seconds of work": f"{seconds:,.1f}"}


def _left(items: list[Mapping[str, Any]], more: int) -> dict[str, str]:
    """What has a result and no slider: pictures beyond the limit or in stores, videos, archives."""
    stored = sum(_is_picture(item) and _is_in_store(item) for item in items)
    others = sum(_has_result(item) and not _is_picture(item) for item in items)
    parts = [counted(more, "picture")] if more > 0 else []
    parts += [f"{counted(stored, 'picture')} in stores"] if stored else []
    parts += [f"{others:,} of videos and archives"] if others else []
    return {"not on this page": ", ".join(parts)} if parts else {}
