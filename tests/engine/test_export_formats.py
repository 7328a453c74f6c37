"""Exported networks compute what the network computes, at sizes that were not traced."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from esc_cli.engine.export import (
    METADATA_FILE,
    ExportableNetwork,
    ExportFormat,
    _loaded,
    check_export,
    export_bytes,
)
from esc_cli.errors import EscError, UsageError
from esc_cli.model import Network, build, from_config
from esc_cli.model.config import VARIANTS, Rib
from esc_cli.model.families import FAMILIES

pytestmark = pytest.mark.slow

SMALL: dict[str, dict[str, Any]] = {
    "esc": {"scale": 2},
    "esc-fp": {"scale": 3},
    "esc-rib": {"scale": 2, "rib": Rib(6, 8, 3)},
    "esc-real": {},
    "esc-real-m": {"scale": 2, "head": "pixelshuffle"},
}


def test_every_family_that_can_be_exported_is_tried() -> None:
    able = {family.name for family in FAMILIES.values() if not family.not_exportable}
    assert {VARIANTS[variant].family for variant in SMALL} == able


def small(variant: str, **changes: Any) -> Network:
    """A network of one block with noise where parameters start at zero."""
    sizes = {"dim": 16, "pdim": 4, "n_blocks": 1, "conv_blocks": 1, "window": 8, "heads": 2}
    widths = {"hidden": 20, "proj_hidden": 24, "mid_dim": 12}
    torch.manual_seed(0)
    network = from_config(replace(VARIANTS[variant], **sizes, **widths, **changes))
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(std=0.1)
    return network.eval()


@pytest.mark.parametrize("variant", SMALL)
@pytest.mark.parametrize("size", [(5, 5), (16, 24), (17, 31)])
def test_the_exportable_form_computes_the_same(variant: str, size: tuple[int, int]) -> None:
    network = small(variant, **SMALL[variant])
    x = torch.rand(3, 3, *size)
    with torch.inference_mode():
        expected, found = network(x), ExportableNetwork(network)(x)
    assert float((expected - found).abs().max()) < 1e-5


@pytest.fixture(scope="module")
def classic() -> Network:
    return small("esc", scale=2)


@pytest.fixture(scope="module")
def as_onnx(classic: Network) -> bytes:
    return export_bytes(classic, "onnx")


SIZES = [(1, 5, 5), (1, 24, 16), (2, 17, 40), (3, 33, 9)]


@pytest.mark.parametrize("shape", SIZES)
def test_onnxruntime_computes_the_same(
    classic: Network, as_onnx: bytes, shape: tuple[int, int, int]
) -> None:
    session = onnxruntime.InferenceSession(as_onnx, providers=["CPUExecutionProvider"])
    x = torch.rand(shape[0], 3, *shape[1:])
    (found,) = session.run(["y"], {"x": x.numpy()})
    with torch.inference_mode():
        expected = classic(x).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("size", [(4, 4), (4, 20), (20, 3), (1, 1)])
def test_a_side_below_the_least_is_an_error_and_no_wrong_picture(
    as_onnx: bytes, size: tuple[int, int]
) -> None:
    session = onnxruntime.InferenceSession(as_onnx, providers=["CPUExecutionProvider"])
    with pytest.raises(Exception, match=r"idx=|out of bounds|indices"):
        session.run(["y"], {"x": np.zeros((1, 3, *size), np.float32)})


def test_the_onnx_file_names_its_sizes_and_its_origin_and_no_folder(as_onnx: bytes) -> None:
    model = onnx.load_from_string(as_onnx)
    onnx.checker.check_model(model)
    shapes = [
        [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (model.graph.input[0], model.graph.output[0])
    ]
    assert shapes == [["batch", 3, "height", "width"], ["batch", 3, "2*height", "2*width"]]
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert (facts["scale"], facts["least_side"]) == ("2", "5")
    assert b"site-packages" not in as_onnx


@pytest.mark.parametrize("kind", ["torchscript", "pt2"])
def test_torch_reads_back_a_program_that_computes_the_same(
    classic: Network, kind: ExportFormat
) -> None:
    content = export_bytes(classic, kind)
    assert check_export(classic, content, kind) < 1e-5
    extra = {METADATA_FILE: ""}
    if kind == "torchscript":
        torch.jit.load(io.BytesIO(content), _extra_files=extra)
    else:
        torch.export.load(io.BytesIO(content), extra_files=extra)
    facts = json.loads(extra[METADATA_FILE])
    assert facts["scale"] == "2"
    least = int(facts["least_side"])
    run = _loaded(content, kind)
    x = np.random.default_rng(1).random((1, 3, least, least), dtype=np.float32)
    with torch.inference_mode():
        np.testing.assert_allclose(run(x), classic(torch.from_numpy(x)).numpy(), atol=1e-4)
    with pytest.raises(RuntimeError):
        run(x[..., 1:])


def test_a_file_that_computes_something_else_is_refused(classic: Network, as_onnx: bytes) -> None:
    other = small("esc", scale=2)
    with torch.no_grad():
        other.get_parameter("to_img.bias").add_(0.01)
    with pytest.raises(EscError, match="differs"):
        check_export(other, as_onnx, "onnx")
    assert check_export(classic, as_onnx, "onnx") < 1e-4


def test_networks_without_a_fixed_size_of_the_result_are_refused() -> None:
    with pytest.raises(UsageError, match="cannot be exported"):
        export_bytes(build("esc-lte"), "torchscript")
