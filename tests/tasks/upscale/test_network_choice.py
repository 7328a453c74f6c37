"""Which network an input gets by itself: decided by its file alone, told, recorded, repeated."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clips import Clip
from PIL import Image

from esc_cli.errors import EscError
from esc_cli.media.compression import Compression, compression_of
from esc_cli.media.decode import decode
from esc_cli.media.noise import Noise
from esc_cli.tasks.models import AUTO, Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Item
from esc_cli.tasks.upscale.network_choice import LIMITS, decided, for_photographs
from esc_cli.tasks.upscale.options import Target, UpscaleOptions
from esc_cli.tasks.upscale.run import upscale

QUIET = Noise(0.0, 0.0)
LOSSLESS = Compression()


@pytest.fixture
def scene():
    """(96, 128, 3) uint8: smooth, with an edge."""
    rows, columns = np.mgrid[0:96, 0:128]
    planes = [60 + rows + 40 * (columns > 60), 90 + columns / 2, 150 - rows / 2]
    return np.stack(planes, axis=2).round().clip(0, 255).astype(np.uint8)


def saved(pixels, kind, **options):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def noisy(pixels, sigma):
    drawn = np.random.default_rng(3).normal(0, sigma, pixels.shape)
    return (pixels + drawn).round().clip(0, 255).astype(np.uint8)


def network_of(content, scale=4):
    choice = Models(AUTO, UpscaleOptions(("x",)).engine).choose(scale)
    return decided(choice, content, decode(content, 10**6))


@pytest.mark.parametrize("scale", LIMITS)
def test_the_table_holds_at_its_borders(scale):
    limits = LIMITS[scale]
    for quality, photo in ((limits.quality, True), (limits.quality + 0.1, False)):
        assert for_photographs(scale, Compression(quality=quality), QUIET)[0] == photo
    for noise, photo in (
        (Noise(limits.chroma, 0), True),
        (Noise(limits.chroma - 0.1, 0), False),
        (Noise(0, limits.luma), True),
        (Noise(0, limits.luma - 0.1), False),
    ):
        assert for_photographs(scale, LOSSLESS, noise)[0] == photo


@pytest.mark.parametrize(
    ("kind", "options", "sigma", "photo"),
    [
        ("PNG", {}, 0, False),
        ("PNG", {}, 15, True),
        ("TIFF", {}, 0, False),
        ("TIFF", {}, 15, True),
        ("BMP", {}, 0, False),
        ("JPEG", {"quality": 98}, 0, False),
        ("JPEG", {"quality": 75}, 0, True),
        ("JPEG", {"quality": 30, "progressive": True}, 0, True),
        ("JPEG", {"quality": 98}, 15, True),
        ("WEBP", {"lossless": True}, 0, False),
        ("WEBP", {"quality": 60}, 0, True),
        ("AVIF", {"quality": 50}, 0, True),
    ],
)
def test_each_kind_of_input_gets_its_network_and_the_same_each_time(
    scene, kind, options, sigma, photo
):
    content = saved(noisy(scene, sigma), kind, **options)
    one, two = network_of(content), network_of(content)
    assert one == two
    assert one.photo is None
    assert (one.checkpoint.model == "esc-tiny-photo") == photo
    assert one.why.startswith("network for photographs" if photo else "network for clean pictures")


def test_grey_pictures_and_those_with_alpha_are_decided_too(scene):
    grey = saved(noisy(scene, 20)[..., 0], "PNG")
    alpha = saved(np.dstack([scene, scene[..., :1]]), "PNG")
    assert network_of(grey).checkpoint.model == "esc-tiny-photo"
    assert network_of(alpha).checkpoint.model == "esc-tiny"


def test_an_animated_webp_is_told_by_its_first_frame(scene):
    frames = [Image.fromarray(scene), Image.fromarray(scene[::-1].copy())]
    for lossless in (True, False):
        stream = io.BytesIO()
        frames[0].save(
            stream, "WEBP", save_all=True, append_images=frames[1:], lossless=lossless, quality=50
        )
        header = decode(stream.getvalue(), 10**6).header
        found = compression_of(stream.getvalue(), header)
        assert (found.bits_per_pixel is None) == lossless


def run(options):
    return [e for e in upscale(options, Stop()) if isinstance(e, Item)]


@pytest.fixture
def folder(tmp_path, scene):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(saved(scene, "PNG"))
    (tmp_path / "in" / "b.jpg").write_bytes(saved(scene, "JPEG", quality=60))
    return tmp_path / "in"


def test_a_folder_without_options_gets_both_and_is_then_finished(folder):
    options = UpscaleOptions((str(folder),))
    first = {item.input.name: item for item in run(options)}
    assert first["a.png"].model == "esc-tiny-x4"
    assert first["b.jpg"].model == "esc-tiny-photo-x4"
    assert "JPEG of quality 60" in first["b.jpg"].as_json()["notes"][0]
    records = (folder.with_name("in_x4") / ".esc-records.jsonl").read_text().splitlines()
    shas = {json.loads(line)["weights_sha256"] for line in records if line}
    assert shas == {item.weights_sha256 for item in first.values()}
    assert {item.status for item in run(options)} == {"skipped"}


def test_a_name_means_what_it_says(folder):
    for name, model in (("photo", "esc-tiny-photo-x4"), ("clean", "esc-tiny-x4")):
        options = UpscaleOptions((str(folder),), output=str(folder.parent / name), model=name)
        items = run(options)
        assert {item.model for item in items} == {model}
        assert all(item.network == "" for item in items)


def test_results_of_the_other_network_are_made_anew(folder):
    options = UpscaleOptions((str(folder),))
    run(options)
    again = {i.input.name: i.status for i in run(replace(options, model="photo"))}
    assert again == {"a.png": "done", "b.jpg": "skipped"}


def test_the_result_is_that_of_the_network_by_name(folder):
    auto = UpscaleOptions((str(folder / "b.jpg"),), output=str(folder.parent / "auto.png"))
    named = replace(auto, model="photo", output=str(folder.parent / "named.png"))
    for options in (auto, named):
        run(options)
    made = [Path(str(options.output)).read_bytes() for options in (auto, named)]
    assert made[0] == made[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("codec", "crf", "model"),
    [("libx264", "32", "esc-tiny-photo-x2"), ("ffv1", None, "esc-tiny-x2")],
)
def test_a_video_chooses_once_by_its_codec_and_bit_rate(tmp_path, codec, crf, model):
    options = {} if crf is None else {"crf": crf}
    clip = Clip(frames=4, size=(160, 120), codec=codec, options=options).write(tmp_path / "c.mkv")
    wanted = UpscaleOptions((str(clip),), output=str(tmp_path / "o"), target=Target(scale=2))
    (item,) = run(wanted)
    assert item.model == model
    assert item.network


def test_an_unknown_name_is_still_an_error(folder):
    with pytest.raises(EscError, match="no model named"):
        run(UpscaleOptions((str(folder),), model="automatic"))


def pixels_of(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_denoise_goes_from_the_clean_network_to_that_for_photographs(folder):
    made = {}
    for name, changes in {
        "clean": {"model": "clean"},
        "0": {"denoise": 0.0},
        "half": {"denoise": 0.5},
        "1": {"denoise": 1.0},
        "photo": {"model": "photo"},
    }.items():
        output = folder.parent / f"{name}.png"
        (item,) = run(UpscaleOptions((str(folder / "b.jpg"),), output=str(output), **changes))
        made[name] = pixels_of(output)
        assert item.status == "done"
    assert np.array_equal(made["0"], made["clean"])
    assert np.array_equal(made["1"], made["photo"])
    ends = np.abs(made["1"] - made["0"]).mean()
    assert 0 < np.abs(made["half"] - made["0"]).mean() < ends
    assert 0 < np.abs(made["half"] - made["1"]).mean() < ends


def test_a_blend_is_recorded_and_another_share_is_made_anew(folder):
    options = UpscaleOptions((str(folder),), denoise=0.5)
    (first, _) = run(options)
    assert first.model == "esc-tiny-x4 + 0.5 esc-tiny-photo-x4"
    assert {item.status for item in run(options)} == {"skipped"}
    assert {item.status for item in run(replace(options, denoise=0.25))} == {"done"}


def test_denoise_is_refused_where_there_is_nothing_to_blend(folder):
    with pytest.raises(EscError, match="nothing to blend"):
        run(UpscaleOptions((str(folder),), model="esc-tiny", denoise=0.5))
    with pytest.raises(EscError, match="from 0 to 1"):
        UpscaleOptions((str(folder),), denoise=1.5)


def test_published_networks_are_blended_by_their_names(weights_server, published_file):
    models = Models("esc-real", UpscaleOptions(("x",)).engine, denoise=0.25)
    choice = models.choose(4)
    assert [choice.checkpoint.name, choice.photo.checkpoint.name] == [
        "esc-real-x4-gan",
        "esc-real-x4-mse",
    ]
    assert choice.share == 0.25
