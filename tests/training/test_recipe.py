"""Recipes as values."""

from __future__ import annotations

import re

import pytest

from esc_cli.cli.train import RECIPE_HELP
from esc_cli.errors import UsageError
from esc_cli.training.degradation_settings import Real
from esc_cli.training.recipe import changes, from_table, load_recipe, parse_setting, recipe_names
from esc_cli.training.schedule import Position, rate_factor

CLASSIC = ["esc", "esc-light", "esc-fp", "esc-xl"]
PHOTO = ["esc-tiny-photo", "esc-light-photo"]
NAMES = [*CLASSIC, "esc-tiny", *PHOTO, "esc-real-mse", "esc-real-gan", "esc-lte"]


def test_the_recipes_that_ship_are_these():
    assert recipe_names() == sorted(NAMES)
    assert all(f"{name}," in RECIPE_HELP for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_the_same_after_plain_values(name):
    recipe = load_recipe(name)
    assert from_table(recipe.as_table()) == recipe


@pytest.mark.parametrize("name", CLASSIC)
def test_the_classic_recipe_is_that_of_the_paper(name):
    recipe = load_recipe(name)
    assert (recipe.variant, recipe.scale, recipe.pixel_loss) == (name, 2, "l1")
    assert (recipe.data.patch, recipe.data.batch) == (64, 64)
    how, when = recipe.optimiser, recipe.schedule
    assert (how.learning_rate, how.betas, how.ema) == (5e-4, (0.9, 0.9), 0.999)
    assert (when.kind, when.iterations, when.warmup) == ("steps", 500_000, 20_000)
    edges = {250_000: 0.5, 400_000: 0.25, 450_000: 0.125, 475_000: 0.0625, 490_000: 0.03125}
    for step, factor in edges.items():
        assert rate_factor(when, Position(step)) == factor
        assert rate_factor(when, Position(step - 1)) == 2 * factor
    assert rate_factor(when, Position(9_999)) == 0.5


def test_the_recipes_for_photographs_differ_in_network_and_size_alone():
    tiny, light = map(load_recipe, PHOTO)
    assert tiny.photo == light.photo
    assert (tiny.variant, light.variant) == ("esc-tiny", "esc-light")
    assert tiny.degradation == light.degradation == "photo"


@pytest.mark.parametrize("name", ["esc-real-mse", "esc-real-gan"])
def test_the_real_recipes_degrade_as_real_esrgan(name):
    recipe = load_recipe(name)
    assert recipe.degradation == "real"
    assert recipe.real == Real()
    first, second = recipe.real.first, recipe.real.second
    assert (first.resize, second.resize) == ((0.2, 0.7, 0.1), (0.3, 0.4, 0.3))
    assert ((first.down_to, first.up_to), (second.down_to, second.up_to)) == (
        (0.15, 1.5),
        (0.3, 1.2),
    )
    assert (first.noise, second.noise) == ((1, 30), (1, 25))
    assert (first.poisson, second.poisson) == ((0.05, 3), (0.05, 2.5))
    assert first.grey == second.grey == 0.4
    assert first.jpeg == second.jpeg == (30, 95)
    assert (second.blur, recipe.real.final_sinc, recipe.real.kernel) == (0.8, 0.8, 21)
    assert first.kernels == second.kernels == (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)
    assert (first.sigma, second.sigma) == ((0.2, 3), (0.2, 1.5))


def test_the_phases_of_the_real_recipe_differ_in_what_is_minimised():
    assert load_recipe("esc-real-mse").objective == "pixel"
    gan = load_recipe("esc-real-gan")
    assert gan.objective == "adversarial"
    weights = gan.adversarial
    assert (weights.pixel, weights.perceptual, weights.adversarial) == (1.0, 1.0, 0.1)


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_has_a_short_form_with_one_cycle(name):
    short = load_recipe(name, changes({"schedule.kind": "one-cycle"}, ["schedule.iterations=100"]))
    factors = [rate_factor(short.schedule, Position(step)) for step in range(100)]
    top = factors.index(max(factors))
    assert top == round(100 * short.schedule.rise)
    assert factors[:top] == sorted(factors[:top])
    assert factors[top:] == sorted(factors[top:], reverse=True)
    assert factors[-1] < 1e-3


def test_a_run_in_minutes_follows_the_clock_not_the_iterations():
    schedule = load_recipe("esc", changes({"schedule.minutes": 10.0}, [])).schedule
    timed = load_recipe("esc", changes({"schedule.kind": "one-cycle"}, ["schedule.minutes=10"]))
    assert schedule.minutes == timed.schedule.minutes == 10
    assert rate_factor(timed.schedule, Position(123, seconds=315.0)) == pytest.approx(0.5)
    assert rate_factor(timed.schedule, Position(9, seconds=600.0)) == 0


def test_later_settings_win():
    settings = ["data.batch=4", "optimiser.betas=[0.8, 0.9]", "data.batch=6", "pixel_loss=l2"]
    recipe = load_recipe("esc", changes({"data.batch": 2, "scale": 3}, settings))
    assert (recipe.data.batch, recipe.scale, recipe.pixel_loss) == (6, 3, "l2")
    assert recipe.optimiser.betas == (0.8, 0.9)
    assert recipe.optimiser.learning_rate == 5e-4


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("data.batches=4", "data.batches"),
        ("data.batch=four", "data.batch"),
        ("data.batch=0", "data.batch"),
        ("data=4", "data"),
        ("optimiser.betas=[0.9]", "optimiser.betas"),
        ("optimiser.ema=1.5", "optimiser.ema"),
        ("schedule.kind=twice", "schedule.kind"),
        ("schedule.minutes=-1", "schedule.minutes"),
        ("points.scales=[3, 2]", r"points\.scales must rise from 1 or more, not 3 to 2$"),
        ("precision=half", r"precision cannot be 'half' \(one of auto, fp32, bf16\)"),
        ("scale=5", "scale 5"),
        ("variant=esc-huge", "esc-huge"),
        ("objective=points", "points"),
        ("frequency_weight=-1", "frequency_weight cannot be -1"),
        ("seed=true", "seed"),
        ("data.batch", "data.batch"),
    ],
)
def test_a_setting_that_cannot_be_is_named(setting, named):
    with pytest.raises(UsageError, match=named):
        load_recipe("esc", [parse_setting(setting)])


def test_a_recipe_file_that_is_no_toml_is_named(tmp_path):
    (tmp_path / "mine.toml").write_text("variant = ")
    with pytest.raises(UsageError, match=r"mine\.toml"):
        load_recipe(str(tmp_path / "mine.toml"))


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("photo.jpeg=1.2", "photo.jpeg must be in 0..1, and is 1.2"),
        ("photo.noise=nan", "photo.noise must be in 0..1, and is nan"),
        ("photo.sigma=[9, 3]", "photo.sigma must rise, and is 9, 3"),
        ("photo.sigma=[-1, 3]", "photo.sigma must be 0 or more, and is -1, 3"),
        ("photo.quality=[20, 101]", "photo.quality must be in 1..100, and is 20, 101"),
        ("photo.crf=[20, 60]", "photo.crf must be in 0..51, and is 20, 60"),
        ("photo.downsamplers=[0, 0, 0, 0]", "photo.downsamplers must have a share above 0"),
        ("photo.context=-1", "photo.context must be 0 or more"),
        ("real.final_sinc=2", "real.final_sinc must be in 0..1"),
        ("real.first.down_to=0", "real.first.down_to must be in 0.01..1"),
        ("real.second={noise = [5, 2]}", "real.second.noise must rise"),
    ],
)
def test_a_degradation_that_nothing_can_draw_is_refused_by_name(setting, reason):
    with pytest.raises(UsageError, match=re.escape(reason)):
        load_recipe("esc-tiny-photo", [parse_setting(setting)])
