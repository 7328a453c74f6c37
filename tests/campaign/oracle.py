"""What must hold of a batch of pictures, however damaged they are."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import imagecodecs
import tifffile
from PIL import Image

from tests.campaign.cases import Case
from tests.campaign.worker import Answer

RECORDS = ".esc-records.jsonl"
KEPT = ".esc-pictures"
SCALE = 2
_OURS = re.compile(r"(failed|note): .+: .+|\d+ done, \d+ skipped, .*|\d+ of \d+, .*|.+/\d{6}\.\w+")
"""The lines that `esc upscale` writes of a folder."""
_NOT_WORDS = re.compile(
    r"Traceback|[Ee]rror:|Error\b|Exception|codec can't|NoneType|0x[0-9a-f]{4}|<[\w. ]+>"
    r"|invalid literal|unexpected|please report|not enough memory"
    r"|_\w+\(|\bb'|argument|\bobject\b|unpack requires|values to unpack|\(\)"
)
"""The texts of Python and of decoders; memory is bounded by the size of a picture, not by luck."""


@dataclass(frozen=True)
class Violation:
    """What a case did that nothing may do."""

    case: int
    what: str


@dataclass
class Outcome:
    """A batch as it ended: the items of its report by file name, and what it wrote."""

    answer: Answer
    results: Path
    items: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, answer: Answer, results: Path, report: Path) -> Outcome:
        """With the items of its report."""
        lines = report.read_text().splitlines() if report.exists() else []
        items = map(json.loads, lines)
        return cls(answer, results, {Path(item["input"]).name: item for item in items})

    @property
    def files(self) -> dict[str, bytes]:
        """Everything under the folder of the results but the records, and what of an archive is
        finished: that stays for the next run."""
        found = self.results.rglob("*") if self.results.exists() else ()
        return {
            str(path.relative_to(self.results)): path.read_bytes()
            for path in found
            if path.is_file() and path.name != RECORDS and path.parent.suffix != KEPT
        }


def of_first(cases: Sequence[Case], outcome: Outcome) -> Iterator[Violation]:
    """What is wrong with a batch by itself."""
    expected = {Path(item["output"]).name for item in _done(outcome)}
    for name in sorted(set(outcome.files) ^ expected):
        yield Violation(_number(name), f"{name} is there, or is missing, against the report")
    if outcome.answer.code != int(any(i["status"] == "failed" for i in outcome.items.values())):
        yield Violation(cases[0].number, f"exit code {outcome.answer.code} for the batch")
    for line in filter(str.strip, outcome.answer.written.splitlines()):
        if not _OURS.fullmatch(line.strip()) or _NOT_WORDS.search(line):
            yield Violation(_number(line), f"a line of somebody else: {line!r}")
    for case in cases:
        item = outcome.items.get(case.name)
        problem = "no line in the report" if item is None else _problem(case, item)
        if problem:
            yield Violation(case.number, problem)


def _problem(case: Case, item: dict[str, Any]) -> str:
    if item["status"] == "failed":
        return f"an intact picture failed: {item['reason']}" if case.intact else _words(item)
    if item["status"] != "done":
        return f"status {item['status']}"
    wanted = [SCALE * side for side in item["input_size"]]
    if item["output_size"] != wanted:
        return f"{item['output_size']} is not twice {item['input_size']}"
    return _wrong_picture(Path(item["output"]), tuple(wanted))


def _words(item: dict[str, Any]) -> str:
    texts = [item["reason"], *item["notes"]]
    return "".join(
        f"no words for people: {text!r}" for text in texts if not text or _NOT_WORDS.search(text)
    )


def _wrong_picture(path: Path, size: tuple[int, int]) -> str:
    """Why a result is no whole picture of this size, by a decoder that is not ours."""
    try:
        found = _sizes(path)
        return "" if size in found else f"the result has {found}, not {size}"
    except Exception as error:  # noqa: BLE001 - whatever a decoder says of it
        return f"the result cannot be decoded: {error!r}"


def _sizes(path: Path) -> list[tuple[int, int]]:
    """The size of the picture, or of every picture of an archive, decoded to its end."""
    if path.suffix in (".tif", ".tiff"):
        with tifffile.TiffFile(path) as file:
            page = file.pages[0].asarray()
            return [(page.shape[1], page.shape[0])]
    if path.suffix == ".exr":
        return [_of_exr(path)]
    if path.suffix == ".jxl":
        pixels = imagecodecs.jpegxl_decode(path.read_bytes())
        return [(pixels.shape[1], pixels.shape[0])]
    if path.suffix in (".cbz", ".zip"):
        with zipfile.ZipFile(path) as file:
            names = (i for i in file.infolist() if i.filename.endswith((".png", ".jpeg", ".webp")))
            return [_decoded(file.read(info)) for info in names]
    if path.suffix in (".heic", ".heif", ".hif"):
        import pillow_heif

        pillow_heif.register_heif_opener()
    return [_decoded(path.read_bytes())]


def _of_exr(path: Path) -> tuple[int, int]:
    """Of an OpenEXR file, decoded to its end."""
    import OpenImageIO

    pixels = OpenImageIO.ImageBuf(str(path)).get_pixels(OpenImageIO.FLOAT)
    return pixels.shape[1], pixels.shape[0]


def _decoded(content: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(content)) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
        return image.size


def of_second(first: Outcome, second: Outcome, before: dict[str, bytes]) -> Iterator[Violation]:
    """The same once more: what is done is skipped, what failed fails with the same reason."""
    for name, item in first.items.items():
        again = second.items.get(name, {})
        if item["status"] == "done" and again.get("status") != "skipped":
            yield Violation(_number(name), f"is not skipped: {again.get('reason')}")
        if item["status"] == "failed" and again.get("reason") != item["reason"]:
            yield Violation(_number(name), f"{item['reason']!r} became {again.get('reason')!r}")
    after = second.files
    for name in sorted(set(before) | set(after)):
        if before.get(name) != after.get(name):
            yield Violation(_number(name), f"{name} has changed")


def of_lenient(
    cases: Sequence[Case], strict: Outcome, lenient: Outcome, before: dict[str, bytes]
) -> Iterator[Violation]:
    """With --allow-truncated: more is done, and what was done before is the same, bit for bit."""
    yield from of_first(cases, lenient)
    after = lenient.files
    for item in _done(strict):
        name = Path(item["output"]).name
        if before.get(name) != after.get(name):
            yield Violation(_number(name), "--allow-truncated changes a picture that is whole")


def _done(outcome: Outcome) -> Iterator[dict[str, Any]]:
    return (item for item in outcome.items.values() if item["status"] == "done")


def _number(text: str) -> int:
    """The case that a name or a line speaks of; -1 for none."""
    found = re.search(r"\b(\d{6})\b", text)
    return -1 if found is None else int(found[1])
