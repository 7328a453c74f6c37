"""What machines of a cluster compare before they work together."""

from __future__ import annotations

import re
import tomllib

from command import ROOT

from esc_cli.tasks.upscale.cluster.agreement import LIBRARIES, difference

DECIDING = ("heif", "raw", "rare", "video")
"""The extras that decode or encode."""


def test_every_library_that_decodes_or_encodes_is_compared():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {
        re.split(r"[<>=\[]", requirement)[0]
        for name in DECIDING
        for requirement in extras["optional-dependencies"][name]
    }
    assert wanted <= set(LIBRARIES)


def test_another_version_and_a_library_that_is_missing_are_named():
    wanted = {"esc": "1.0", "av": "18.1"}
    assert difference(wanted, wanted) == ""
    assert difference({"esc": "1.0"}, wanted) == "av is not installed there and 18.1 here"
    assert "esc is 2.0 there and 1.0 here" in difference(wanted | {"esc": "2.0"}, wanted)
