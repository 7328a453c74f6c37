"""The catalogue of published checkpoints says what was published, and no more."""

from __future__ import annotations

from collections import Counter

import pytest

from esc_cli.checkpoints.fetch import obtain
from esc_cli.checkpoints.releases import BASE, RELEASES, RIB_PAGE, release_of_file
from esc_cli.checkpoints.store import find
from esc_cli.errors import UsageError, WeightsError
from esc_cli.model.config import VARIANTS

FILES = [
    "ESC_Real_X4_GAN",
    "ESC_Real_X4_MSE",
    "ESC_Real_FB_R48_GAN_X4",
    "ESC_DIV2K_X2",
    "ESC_DIV2K_X3",
    "ESC_DIV2K_X4",
    "ESC_DIV2K_FB_R48_X2",
    "ESC_DFLIP_X2",
    "ESC_DFLIP_X3",
    "ESC_DFLIP_X4",
    "ESC_light_X2",
    "ESC_light_X3",
    "ESC_light_X4",
    "ESC_FP_X2",
    "ESC_FP_X3",
    "ESC_FP_X4",
    "ESCRIB_DFLIP_X2",
    "ESCRIB_DFLIP_X3",
    "ESCRIB_DFLIP_X4",
    "ESC_XL_DF2K_X2_PT",
    "ESC_XL_DF2K_X2_FT",
    "ESC_XL_DF2K_X3_FT",
    "ESC_XL_DF2K_X4_FT",
]


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_every_published_file_is_in_the_catalogue_once():
    assert sorted(release.file for release in RELEASES) == sorted(f"{name}.pth" for name in FILES)


def test_only_two_files_have_a_published_digest():
    assert {release.file: release.sha256[:8] for release in RELEASES if release.sha256} == {
        "ESC_Real_X4_GAN.pth": "d6932bd0",
        "ESC_Real_X4_MSE.pth": "ba22ae75",
    }


def test_a_name_and_a_scale_mean_one_file():
    counted = Counter((name, one.scale) for one in RELEASES for name in one.names)
    assert max(counted.values()) == 1
    assert not {name for name, _ in counted} & {"esc-tiny", "bicubic", "lanczos"}


def test_every_variant_with_releases_has_a_default_at_each_of_its_scales():
    for variant in {release.variant for release in RELEASES}:
        assert variant in VARIANTS
        scales = {release.scale for release in RELEASES if release.variant == variant}
        defaults = [r.scale for r in RELEASES if r.variant == variant and r.default]
        assert sorted(defaults) == sorted(scales)


@pytest.mark.parametrize(
    ("name", "scale", "file"),
    [
        ("esc", 3, "ESC_DIV2K_X3.pth"),
        ("esc", None, "ESC_DIV2K_X4.pth"),
        ("esc", 2.5, "ESC_DIV2K_X3.pth"),
        ("esc@div2k", 2, "ESC_DIV2K_X2.pth"),
        ("esc@dflip", 2, "ESC_DFLIP_X2.pth"),
        ("esc@flashbias", None, "ESC_DIV2K_FB_R48_X2.pth"),
        ("esc-light", 4, "ESC_light_X4.pth"),
        ("esc-fp", 2, "ESC_FP_X2.pth"),
        ("esc-xl", 2, "ESC_XL_DF2K_X2_FT.pth"),
        ("esc-xl@pretrained", None, "ESC_XL_DF2K_X2_PT.pth"),
        ("esc-real", None, "ESC_Real_X4_GAN.pth"),
        ("esc-real@gan", 4, "ESC_Real_X4_GAN.pth"),
        ("esc-real@mse", 4, "ESC_Real_X4_MSE.pth"),
        ("esc-real@flashbias", 4, "ESC_Real_FB_R48_GAN_X4.pth"),
        ("esc-div2k-x2", None, "ESC_DIV2K_X2.pth"),
    ],
)
def test_a_name_finds_its_file_also_when_it_is_not_here(name, scale, file):
    checkpoint = find(name, scale)
    assert checkpoint.path.name == file
    assert not checkpoint.here
    assert checkpoint.release == release_of_file(file)
    assert checkpoint.release.url == BASE + file


def test_a_file_whose_address_is_not_known_is_fetched_by_hand_or_from_a_mirror(monkeypatch):
    checkpoint = find("esc-rib", 2)
    with pytest.raises(WeightsError, match="its file's address is not known") as caught:
        obtain(checkpoint)
    assert f"fetch ESCRIB_DFLIP_X2.pth from {RIB_PAGE} and put it there" in str(caught.value)
    assert checkpoint.release.url == RIB_PAGE
    monkeypatch.setenv("ESC_WEIGHTS_URL", "https://mirror.example/esc")
    assert checkpoint.release.url == "https://mirror.example/esc/ESCRIB_DFLIP_X2.pth"


def test_a_scale_that_was_not_published_names_those_that_were():
    with pytest.raises(WeightsError, match=r"no x4 of esc@flashbias \(it exists as x2;"):
        find("esc@flashbias", 4)
    with pytest.raises(WeightsError, match=r"no x8 of esc \(it exists as x2, x3, x4;"):
        find("esc", 8)


def test_a_mirror_must_be_https(monkeypatch):
    monkeypatch.setenv("ESC_WEIGHTS_URL", "https://mirror.example/esc/")
    assert RELEASES[0].url == "https://mirror.example/esc/ESC_DIV2K_X2.pth"
    monkeypatch.setenv("ESC_WEIGHTS_URL", "http://mirror.example/esc")
    with pytest.raises(UsageError, match="not https"):
        _ = RELEASES[0].url


@pytest.mark.parametrize("base", ["https://", "https://a..b/", "https://[", "https://host:99999/"])
def test_a_mirror_that_is_no_address_is_named(monkeypatch, base):
    monkeypatch.setenv("ESC_WEIGHTS_URL", base)
    with pytest.raises(UsageError, match="no address") as caught:
        _ = RELEASES[0].url
    assert base in str(caught.value)
