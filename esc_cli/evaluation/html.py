"""The report of an evaluation as one HTML page that opens anywhere and asks the network nothing."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from esc_cli.errors import shown
from esc_cli.evaluation.decimals import Metric
from esc_cli.evaluation.results import HR, Table, Visual

STAGE_SIDE = 720
"""CSS pixels: smaller pictures are enlarged by the largest whole factor that stays within."""

DETAIL_WIDTH = 200
"""CSS pixels: the same for details, which are at least doubled."""

MAX_NAMES, MAX_NAME = 34, 14
"""Names below a plot (when there are more, every second, third ... is written); letters each."""


@dataclass(frozen=True)
class Facts:
    """The head of the page: what was run and where, `environment` as pairs of name and value."""

    title: str
    command: str
    environment: dict[str, str]


@dataclass(frozen=True)
class Axes:
    """Where values stand in a plot, in SVG units (about CSS pixels).

    `images` pictures from left to right, around each the dots of `methods`; `ticks` of the
    vertical axis, from its lower end to its upper one.
    """

    images: int
    methods: int
    ticks: list[float]
    left: int = 48
    right: int = 1014
    top: int = 10
    bottom: int = 210

    @property
    def slot(self) -> float:
        """The room of one picture."""
        return (self.right - self.left) / self.images

    def x(self, image: int, method: int | None = None) -> float:
        """The place of a picture, or of one of its dots."""
        apart = min(9.0, 0.7 * self.slot / self.methods)
        beside = 0.0 if method is None else (method - (self.methods - 1) / 2) * apart
        return round(self.left + (image + 0.5) * self.slot + beside, 1)

    def y(self, value: float) -> float:
        """The height of a value."""
        share = (value - self.ticks[0]) / (self.ticks[-1] - self.ticks[0])
        return round(self.bottom - share * (self.bottom - self.top), 1)


@dataclass(frozen=True)
class Dot:
    """One value of a plot at (x, y) in SVG units; `series` is the index of its method."""

    x: float
    y: float
    series: int
    title: str


@dataclass(frozen=True)
class Plot:
    """The dots of a plot, and the names of pictures below it as (x, text)."""

    dots: list[Dot]
    axes: Axes
    names: list[tuple[float, str]]

    @property
    def slanted(self) -> bool:
        """Whether the names are too long to stand side by side."""
        room = (self.axes.right - self.axes.left) / len(self.names)
        return max(len(text) for _, text in self.names) * 7 > room


def render_report(tables: Sequence[Table], visuals: Sequence[Visual], facts: Facts) -> str:
    """The page of an evaluation: means, values of each picture, sliders and details.

    Every text is escaped and every picture embedded. Raises ValueError for a picture that is
    neither PNG, JPEG nor WebP.
    """
    return _page(tables, visuals, facts)


def render_comparison(
    visuals: Sequence[Visual], facts: Facts, failures: Sequence[tuple[str, str]] = ()
) -> str:
    """The page of `esc compare`: sliders and details only, in the look of the report.

    A visual with an empty `dataset` shows neither dataset nor scale. `failures`: what could not be
    done, and why, for the head of the page. Raises as `render_report`.
    """
    return _page((), visuals, facts, failures)


def _page(
    tables: Sequence[Table],
    visuals: Sequence[Visual],
    facts: Facts,
    failures: Sequence[tuple[str, str]] = (),
) -> str:
    style, script = _asset("style.css"), _asset("report.js")
    return (
        _templates()
        .get_template("report.html.j2")
        .render(
            tables=tables,
            visuals=visuals,
            facts=facts,
            failures=failures,
            metrics=tuple(dict.fromkeys(metric for table in tables for metric in table.metrics)),
            table_of={(table.dataset, table.scale): table for table in tables},
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            policy=f"default-src 'none'; img-src data:; style-src {_hash(style)}; "
            f"script-src {_hash(script)}; base-uri 'none'; form-action 'none'",
        )
    )


def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("esc_cli.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(shown=shown, uri=_data_uri, key=_sort_key)
    templates.globals.update(best=_best, difference=_difference, plot=_plot)
    templates.globals.update(names=_names, pair=_pair, zoom=_zoom, zoom_detail=_zoom_detail)
    return templates


def _asset(name: str) -> str:
    # read as text: a browser hashes with \n whatever the file has
    file = resources.files("esc_cli.evaluation") / "templates" / name
    return file.read_text(encoding="utf-8")


def _hash(source: str) -> str:
    """The source expression by which a Content-Security-Policy allows this inline block."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _data_uri(picture: bytes) -> str:
    if picture.startswith(b"\x89PNG\r\n\x1a\n"):
        kind = "png"
    elif picture.startswith(b"\xff\xd8\xff"):
        kind = "jpeg"
    elif picture[:4] == b"RIFF" and picture[8:12] == b"WEBP":
        kind = "webp"
    else:
        raise ValueError(f"neither PNG, JPEG nor WebP: a picture that begins {picture[:12]!r}")
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def _sort_key(value: float | None) -> str:
    """The value as JavaScript's Number() reads it; empty where there is none."""
    if value is None or math.isnan(value):
        return ""
    return repr(value).replace("inf", "Infinity")


def _best(metric: Metric, values: Iterable[float | None]) -> str | None:
    """The best of at least two values as printed, so that equal digits are equally good."""
    found = [value for value in values if value is not None and not math.isnan(value)]
    if len(found) < 2:
        return None
    return metric.format(min(found) if metric.lower_is_better else max(found))


def _difference(metric: Metric, value: float | None, published: float) -> str:
    """How much more than the published value, with sign; empty where there is no value."""
    if value is None or not math.isfinite(value):
        return ""
    return f"{round(value - published, metric.digits) + 0.0:+.{metric.digits}f}"


def _names(pictures: dict[str, bytes]) -> list[str]:
    """The methods in order, the reference last."""
    return sorted(pictures, key=HR.__eq__)


def _pair(visual: Visual) -> tuple[str, str]:
    """What a slider shows at first: the first method, and the last or else the reference."""
    names = _names(visual.pictures)
    methods = [name for name in names if name != HR] or names
    return methods[0], (methods if len(methods) > 1 else names)[-1]


def _zoom(size: tuple[int, int]) -> int:
    return max(1, STAGE_SIDE // max(size))


def _zoom_detail(width: int) -> int:
    return max(2, DETAIL_WIDTH // max(1, width))


def _plot(table: Table) -> Plot | None:
    """The first metric of every picture, pictures in the order of the first method's values."""
    metric, images = table.metrics[0], _by_first_method(table)
    found = [
        (place, series, value)
        for place, image in enumerate(images)
        for series, method in enumerate(table.methods)
        if (value := table.value(image, method, metric.name)) is not None and math.isfinite(value)
    ]
    if not found:
        return None
    axes = Axes(len(images), len(table.methods), _ticks([value for _, _, value in found]))
    dots = [
        Dot(axes.x(place, series), axes.y(value), series, _title(table, images[place], series))
        for place, series, value in found
    ]
    return Plot(dots, axes, _names_below(images, axes))


def _title(table: Table, image: str, series: int) -> str:
    metric, method = table.metrics[0], table.methods[series]
    value = metric.format(table.value(image, method, metric.name))
    return f"{shown(image)}, {shown(method)}: {value}"


def _names_below(images: list[str], axes: Axes) -> list[tuple[float, str]]:
    every = math.ceil(len(images) / MAX_NAMES)
    return [(axes.x(place), _cut(shown(images[place]))) for place in range(0, len(images), every)]


def _cut(text: str) -> str:
    return text if len(text) <= MAX_NAME else text[: MAX_NAME - 1] + "…"


def _by_first_method(table: Table) -> list[str]:
    """The pictures from the lowest value to the highest; those without one last."""

    def value(image: str) -> float:
        found = table.value(image, table.methods[0], table.metrics[0].name)
        return math.inf if found is None or math.isnan(found) else found

    return sorted(table.images, key=value)


def _ticks(values: list[float]) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten that enclose the values: three to seven."""
    low, high = min(values), max(values)
    if low == high:
        low, high = low - (abs(low) * 0.02 or 1), high + (abs(high) * 0.02 or 1)
    power = 10.0 ** math.floor(math.log10((high - low) / 5))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor * 5 >= high - low)
    return [round(n * step, 10) for n in range(math.floor(low / step), math.ceil(high / step) + 1)]
