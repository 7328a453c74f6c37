"""The key of settings: every option counts, or is declared as one that changes no result."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace

import pytest

from esc_cli.cli.verify import ASKED
from esc_cli.engine.options import NO_EFFECT, EngineOptions
from esc_cli.tasks.upscale.options import ONLY, Target, UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.settings_key import current_form, of_frames, settings_key

OPTIONS = UpscaleOptions(("in",))
OTHER = {
    "scale": 3.0, "width": 640, "height": 480, "longest_side": 900,
    "shortest_side": 300,
    "megapixels": 2.5, "precision": "fp16",
    "tile": 64, "overlap": 48, "self_ensemble": True, "format": "webp", "quality": 80,
    "denoise": 0.5, "provenance": True,
    "codec": "hevc", "crf": 30, "preset": "slow", "pix_fmt": "yuv444p", "start": 1.5,
    "duration": 2.0, "frames": 7, "segment_frames": 12, "deinterlace": "off",
    "deinterlace_rate": "field",
    "streams": "drop",
}  # fmt: skip
"""A value for each field that counts, other than its default."""


def leaves(options, path=()):
    """(path, field, kind that it concerns or None) of every field, at any depth."""
    for one in fields(options):
        value, here = getattr(options, one.name), (*path, one)
        if is_dataclass(value) and NO_EFFECT not in one.metadata:
            yield from leaves(value, here)
        else:
            yield here


def changed(options, path, value):
    if len(path) == 1:
        return replace(options, **{path[0].name: value})
    inner = changed(getattr(options, path[0].name), path[1:], value)
    return replace(options, **{path[0].name: inner})


LEAVES = {".".join(one.name for one in path): path for path in leaves(OPTIONS)}
COUNTING = [name for name, path in LEAVES.items() if NO_EFFECT not in path[-1].metadata]


@pytest.mark.parametrize("name", COUNTING)
@pytest.mark.parametrize("kind", ["pictures", "videos"])
def test_a_change_of_any_field_that_counts_changes_the_key(name, kind):
    path = LEAVES[name]
    only = next((one.metadata[ONLY] for one in path if ONLY in one.metadata), kind)
    assert path[-1].name in OTHER, f"{name} is new: give it another value here, or mark it"
    other = changed(OPTIONS, path, OTHER[path[-1].name])
    assert (settings_key(other, kind) != settings_key(OPTIONS, kind)) == (only == kind)


def test_every_field_that_does_not_count_says_why_where_it_is_declared():
    marked = [path[-1] for path in LEAVES.values() if NO_EFFECT in path[-1].metadata]
    assert len(marked) + len(COUNTING) == len(LEAVES)
    assert all(len(one.metadata[NO_EFFECT]) > 10 for one in marked)


def test_nothing_that_changes_pixels_is_marked():
    assert {name.rpartition(".")[2] for name in COUNTING} == set(OTHER)


def test_the_container_of_a_video_counts_and_the_format_of_pictures_does_not():
    pictures, container = replace(OPTIONS, format="png"), replace(OPTIONS, format="mp4")
    assert settings_key(pictures, "videos") == settings_key(OPTIONS, "videos")
    assert settings_key(container, "videos") != settings_key(OPTIONS, "videos")


def test_case_does_not_matter():
    one, two = (replace(OPTIONS, format=name) for name in ("PNG", "png"))
    assert settings_key(one, "pictures") == settings_key(two, "pictures")


def test_esc_verify_can_be_asked_for_all_of_it():
    counting = {name.rpartition(".")[2] for name in COUNTING}
    assert {name.strip("_") for name in ASKED} == counting | {"model", "min_side"}


def test_what_is_written_beside_frames_does_not_decide_them():
    beside = settings_key(replace(OPTIONS, provenance=True, quality=5), "videos")
    assert beside != settings_key(OPTIONS, "videos") == of_frames(beside)


PICTURE_01 = (
    '{"target":[2.0,null,null,null],"format":"png","quality":90,"precision":"auto","tile":64,'
    '"overlap":16,"self_ensemble":false}'
)
VIDEO_01 = (
    '{"target":[2.0,null,null,null],"encoder":[null,20,null,null],"container":null,'
    '"part":[null,null,null],"precision":"auto","tile":64,"overlap":16,"self_ensemble":false}'
)
PLAIN_01 = (
    '{"target":[null,null,null,null],"format":null,"quality":null,"precision":"auto","tile":null,'
    '"overlap":32,"self_ensemble":false}'
)
"""As version 0.1 wrote them for the options below."""


def test_keys_of_version_0_1_still_fit():
    options = replace(
        OPTIONS,
        target=Target(scale=2.0),
        engine=EngineOptions(tile=64, overlap=16),
        format="PNG",
        quality=90,
        video=VideoOptions(crf=20),
    )
    assert current_form(PICTURE_01) == settings_key(options, "pictures")
    assert current_form(VIDEO_01) == settings_key(options, "videos")
    assert current_form(PLAIN_01) == settings_key(OPTIONS, "pictures")
    other = replace(options, engine=EngineOptions(tile=64, overlap=32))
    assert current_form(PICTURE_01) != settings_key(other, "pictures")


@pytest.mark.parametrize("damaged", ["", "no json", "[]", '{"target":3}', '{"target":[1],"x":2}'])
def test_what_is_no_key_fits_nothing(damaged):
    assert current_form(damaged) == damaged
