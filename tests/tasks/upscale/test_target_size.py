"""How large a result becomes, and what its folder is called."""

import pytest

from esc_cli.errors import UsageError
from esc_cli.tasks.upscale.options import Target


@pytest.mark.parametrize(
    ("target", "expected", "label"),
    [
        (Target(), (400, 200), "x4"),
        (Target(scale=2.5), (250, 125), "x2.5"),
        (Target(scale=3), (300, 150), "x3"),
        (Target(width=1920), (1920, 960), "w1920"),
        (Target(height=1080), (2160, 1080), "h1080"),
        (Target(width=300, height=300), (300, 150), "w300h300"),
        (Target(width=300, height=100), (200, 100), "w300h100"),
        (Target(longest_side=50), (50, 25), "l50"),
        (Target(scale=0.001), (1, 1), "x0.001"),
    ],
)
def test_size_and_label(target, expected, label):
    assert target.size(100, 50, 4) == expected
    assert target.label(4) == label


@pytest.mark.parametrize("side", [1, 7, 333, 1919])
@pytest.mark.parametrize("wanted", [1, 99, 1000, 1921])
def test_the_side_that_was_asked_for_is_exact(side, wanted):
    assert Target(width=wanted).size(side, 12, 4)[0] == wanted
    assert Target(height=wanted).size(12, side, 4)[1] == wanted
    assert max(Target(longest_side=wanted).size(side, 12, 4)) == wanted


@pytest.mark.parametrize("side", range(1, 40))
def test_a_box_is_never_exceeded(side):
    width, height = Target(width=640, height=480).size(side, 40 - side, 4)
    assert width <= 640
    assert height <= 480
    assert width == 640 or height == 480


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["scale", "width", "height", "longest_side"])
def test_impossible_values_are_refused(name, value):
    with pytest.raises(UsageError):
        Target(**{name: value})


@pytest.mark.parametrize(
    "options",
    [
        {"scale": 2, "width": 9},
        {"scale": 2, "longest_side": 9},
        {"longest_side": 9, "height": 9},
    ],
)
def test_two_ways_at_once_are_refused(options):
    with pytest.raises(UsageError, match="exclude each other"):
        Target(**options)
