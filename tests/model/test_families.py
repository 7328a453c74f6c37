"""A family is one record: what is added to the table is built, recognised, measured, converted."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from esc_cli.checkpoints.config_from_state import read_config
from esc_cli.engine.export import check_exportable
from esc_cli.engine.memory import at_work, bytes_per_pixel
from esc_cli.engine.patch_size import patch_pixels
from esc_cli.errors import UsageError
from esc_cli.model import Network, build, from_config
from esc_cli.model.config import VARIANTS, NetworkConfig, Rib, variant_config
from esc_cli.model.esc import ESC
from esc_cli.model.families import FAMILIES, Facts, Family, HeadFacts
from esc_cli.training.initial import from_weights

CPU = torch.device("cpu")


class Marked(ESC):
    """ESC with a key of its own."""

    def __init__(self, config: NetworkConfig):
        super().__init__(config)
        self.mark = torch.nn.Parameter(torch.zeros(config.scale))


MARKED = Family(
    "marked",
    Marked,
    recognise=lambda facts: "mark" in facts.shapes,
    read_head=lambda facts: HeadFacts(scale=facts.shapes["mark"][0]),
    scales=(2, 5),
    heads=("pixelshuffle",),
    head_bytes=lambda _config, itemsize: 1000.0 * itemsize,
    fixed_bytes=7,
    not_exportable="marked networks cannot be exported",
)


def facts_of(network: Network) -> Facts:
    state = network.state_dict()
    meta = state.get("to_img.MetaUpsample")
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    return Facts(shapes, None if meta is None else tuple(meta.tolist()))


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> NetworkConfig:
    monkeypatch.setitem(FAMILIES, MARKED.name, MARKED)
    monkeypatch.setitem(VARIANTS, "marked", replace(VARIANTS["esc-tiny"], family="marked", scale=5))
    return variant_config("marked")


def test_an_added_family_is_built_and_recognised(marked: NetworkConfig) -> None:
    network = build("marked", 2, head="pixelshuffle")
    assert isinstance(network, Marked)
    assert read_config(facts_of(network)) == replace(marked, scale=2)
    with pytest.raises(UsageError, match=r"marked cannot be built for scale 3 \(has 2, 5\)"):
        build("marked", 3)
    with pytest.raises(UsageError, match=r"marked has no head 'dysample' \(heads: pixelshuffle\)"):
        build("marked", head="dysample")


def test_the_memory_of_an_added_family_is_that_of_its_record(marked: NetworkConfig) -> None:
    plain = replace(marked, family="esc")
    assert bytes_per_pixel(marked, 2) == bytes_per_pixel(plain, 2) + 2000
    assert at_work(marked, CPU, 4) == 7 + patch_pixels(marked, CPU) * bytes_per_pixel(marked, 4)


def test_an_added_family_is_exported_and_converted_only_if_its_record_says_so(
    marked: NetworkConfig, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    with pytest.raises(UsageError, match="marked networks cannot be exported"):
        check_exportable(marked)
    path = tmp_path / "marked.pth"
    torch.save(from_config(replace(marked, scale=2)).state_dict(), path)
    with pytest.raises(UsageError, match="the head of marked cannot be converted"):
        from_weights(path, marked, convert_head=True)
    monkeypatch.setitem(FAMILIES, "marked", replace(MARKED, not_exportable=""))
    check_exportable(marked)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_esc_rib_is_read_off_its_state_dict_but_for_its_window(scale: int) -> None:
    with torch.device("meta"):
        network = build("esc-rib", scale)
    assert read_config(facts_of(network)) == variant_config("esc-rib", scale)
    wider = replace(variant_config("esc-rib", scale), rib=Rib(8, 24, 6))
    with torch.device("meta"):
        assert read_config(facts_of(from_config(wider))) == wider


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_network_is_recognised_by_its_own_family_alone(variant: str) -> None:
    facts = facts_of(build(variant))
    found = [family.name for family in FAMILIES.values() if family.recognise(facts)]
    assert found == [VARIANTS[variant].family]
