"""`esc eval --sr`: finished results under the names that other tools give them."""

from __future__ import annotations

import pytest
from PIL import Image

NAMES = ("baby", "baby_2", "[b] 3")


@pytest.fixture
def sets(tmp_path):
    """A function that writes results under names made by a format, beside a folder of HR."""

    def written(form, names=NAMES):
        for number, name in enumerate(NAMES):
            picture = Image.effect_noise((24 + 2 * number, 18), 60).convert("RGB")
            for folder, own in (("HR", name), ("mine", form.format(name=name))):
                path = tmp_path / folder / f"{own}.png"
                path.parent.mkdir(exist_ok=True)
                if folder == "HR" or name in names:
                    picture.save(path)
        return tmp_path

    return written


def scored(esc_command, place, *words):
    words = (*words, "--hr", place / "HR", "--scale", "2", "--no-cache")
    return esc_command("eval", "--sr", place / "mine", *words)


@pytest.mark.parametrize(
    ("form", "pattern", "advised"),
    [
        ("{name}_ESC_X2", "{name}_ESC_X{scale}", "{name}_ESC_X2"),  # BasicSR: the run's name
        ("{name}_5000", "{name}_[0-9]???", "{name}_5000"),  # BasicSR: the iteration
        ("{name}_x2_neosr", "{name}_x{scale}_*", "{name}_x2_neosr"),
        ("SR_{name}", "SR_{name}", "SR_{name}"),
    ],
)
def test_names_of_other_tools_are_matched_by_a_pattern_which_is_advised(
    sets, esc_command, form, pattern, advised
):
    place = sets(form)
    ran = scored(esc_command, place)
    assert ran.code == 2
    assert "3 of 3 have no result: [b] 3, baby, baby_2" in ran.err
    assert f"name them by --sr-pattern '{advised}'" in ran.err
    for given in (pattern, advised):
        ran = scored(esc_command, place, "--sr-pattern", given)
        assert ran.code == 0, ran.err
        assert "mean of 3 pictures" in " ".join(ran.out.split())


def test_what_is_not_matched_is_listed_and_not_what_is(sets, esc_command):
    place = sets("{name}", names=NAMES[:2])
    Image.new("RGB", (28, 18)).save(place / "mine" / "other.png")
    ran = scored(esc_command, place)
    assert ran.code == 2
    assert "1 of 3 have no result: [b] 3; not matched: other.png (name them" in ran.err
    (place / "mine" / "other.png").unlink()
    ran = scored(esc_command, place)
    assert "1 of 3 have no result: [b] 3; no other picture is there" in ran.err
    (place / "mine" / "baby.png").unlink()
    (place / "mine" / "baby_2.png").unlink()
    ran = scored(esc_command, place)
    assert "no picture is there (give the folder that holds them)" in ran.err
