"""What of the options decides a result, as a text that records keep to tell whether one still fits.

Made by walking the fields of the options, so that a new option counts unless it is declared as one
that changes no result (`engine.options.no_effect`). Values that are those of the defaults are left
out: an option that comes with a later version leaves the records of this one valid.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal

from esc_cli.engine.options import NO_EFFECT
from esc_cli.tasks.upscale.options import ONLY, UpscaleOptions

Kind = Literal["pictures", "videos"]


def settings_key(options: UpscaleOptions, kind: Kind) -> str:
    """The key of results of a kind. The network is not in it: records hold the weights' digest."""
    values = dict(_walk(options, kind, ""))
    container = options.container if kind == "videos" else None
    return _text(values if container is None else values | {"container": container})


def archive_settings_key(options: UpscaleOptions) -> str:
    """As of pictures, with the side from which on one is copied: here that changes a result."""
    settings = json.loads(settings_key(options, "pictures"))
    side = options.min_side
    return _text(settings if side is None else settings | {"min_side": side})


def _text(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


def _walk(options: Any, kind: Kind, where: str) -> Iterator[tuple[str, Any]]:
    for one in fields(options):
        value = getattr(options, one.name)
        if NO_EFFECT in one.metadata or one.metadata.get(ONLY, kind) != kind:
            continue
        if is_dataclass(value):
            yield from _walk(value, kind, f"{where}{one.name}.")
        elif value != _default(one):
            yield f"{where}{one.name}", value.lower() if isinstance(value, str) else value


def _default(one: Field[Any]) -> Any:
    return one.default if one.default_factory is MISSING else one.default_factory()


def of_frames(settings: str) -> str:
    """What of a key decides the frames of a video: not what is written beside them."""
    return _text({name: v for name, v in json.loads(settings).items() if name != "provenance"})


def current_form(settings: str) -> str:
    """The key that a record holds, in the form of today: version 0.1 wrote all values by group."""
    try:
        stored = json.loads(settings)
        return _text(dict(_converted(stored))) if "target" in stored else settings
    except (ValueError, TypeError, KeyError):
        return settings


_GROUPS = {
    "target": ("target.scale", "target.width", "target.height", "target.longest_side"),
    "encoder": ("video.codec", "video.crf", "video.preset", "video.pix_fmt"),
    "part": ("video.start", "video.duration", "video.frames"),
}
_ALONE = {
    "format": ("format", None),
    "container": ("container", None),
    "quality": ("quality", None),
    "precision": ("engine.precision", "auto"),
    "tile": ("engine.tile", None),
    "overlap": ("engine.overlap", 32),
    "self_ensemble": ("engine.self_ensemble", False),
}
"""Names of version 0.1: the field that each is now, and its default then."""


def _converted(stored: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for group, values in stored.items():
        if group in _GROUPS:
            named = zip(_GROUPS[group], values, strict=True)
            yield from ((name, value) for name, value in named if value is not None)
        else:
            name, default = _ALONE[group]
            if values != default:
                yield name, values


def in_words(settings: str) -> str:
    """A key as a user would give it, such as "codec hevc, crf 20"; "default settings" for none."""
    try:
        values = json.loads(current_form(settings))
        parts = [f"{name.rpartition('.')[2].replace('_', '-')} {v}" for name, v in values.items()]
    except (ValueError, AttributeError):
        return "settings that cannot be read"
    return ", ".join(parts) or "default settings"


def apart(settings: str, others: str) -> tuple[str, str]:
    """What two keys do not have in common, of each in words."""
    try:
        one, two = json.loads(current_form(settings)), json.loads(current_form(others))
        only = [
            _text({name: value for name, value in a.items() if name not in b or b[name] != value})
            for a, b in ((one, two), (two, one))
        ]
    except (ValueError, AttributeError):
        only = [settings, others]
    return in_words(only[0]), in_words(only[1])
