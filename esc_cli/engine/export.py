"""A network as ONNX, TorchScript or PT2, with dynamic height, width and batch."""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from esc_cli import __version__
from esc_cli.engine.exportable import ExportableNetwork
from esc_cli.errors import EscError, MissingExtraError
from esc_cli.model import Network
from esc_cli.model.config import variant_name

ExportFormat = Literal["onnx", "torchscript", "pt2"]
SUFFIXES: dict[ExportFormat, str] = {"onnx": ".onnx", "torchscript": ".pt", "pt2": ".pt2"}
OPSET = 18
TOLERANCE = 1e-4
METADATA_FILE = "esc.json"
DEFERRED = "prefer_deferred_runtime_asserts_over_guards"
"""The option without which sizes that are not multiples of the window cannot be dynamic."""
MOST = 1 << 14
"""The longest side that is promised to the tracer."""
FloatPixels = NDArray[np.float32]
Run = Callable[[FloatPixels], FloatPixels]


def export_bytes(network: Network, kind: ExportFormat) -> bytes:
    """The file of a network in a format.

    Input "x" (B, 3, H, W), RGB in [0, 1]; output "y" (B, 3, H*s, W*s), not clamped; float32.
    Metadata: variant, scale, least_side and the version of esc. Raises MissingExtraError without
    the packages, UsageError for a network that cannot be exported.
    """
    check_export_packages(kind)
    exportable = ExportableNetwork(network).eval()
    example = torch.rand(2, 3, *(exportable.least_side + extra for extra in (41, 50)))
    with _quietly(), torch.no_grad():
        exportable(example)  # what is made once and kept must not be made by a tracer
        if kind == "torchscript":
            return _torchscript(exportable, example)
        program = _program(exportable, example)
        return _pt2(program, exportable) if kind == "pt2" else _onnx(program, exportable)


def check_export_packages(kind: ExportFormat) -> None:
    """Raise MissingExtraError unless files of a format can be made and run."""
    known = inspect.signature(torch.export.export).parameters
    if kind != "torchscript" and DEFERRED not in known:
        what = f"{kind} needs a newer torch than {torch.__version__}"
        raise MissingExtraError(what, advice="pip install -U torch, or --format torchscript")
    if kind == "onnx":
        _check_onnx()


def _check_onnx() -> None:
    try:
        import onnx  # noqa: F401 - only whether they are there
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        advice = "pip install 'esc-cli[export]'"
        raise MissingExtraError(f"ONNX needs {error.name}", advice=advice) from error


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Exporters report each step and each guess of theirs; what counts is checked afterwards."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def metadata(exportable: ExportableNetwork, kind: ExportFormat) -> dict[str, str]:
    """What an exported file says of itself. PT2 takes no picture of a single window."""
    config = exportable.config
    least = exportable.least_side if kind != "pt2" else config.window + 1
    return {
        "variant": variant_name(config),
        "scale": str(config.scale),
        "least_side": str(least),
        "esc": __version__,
    }


def _torchscript(exportable: ExportableNetwork, example: torch.Tensor) -> bytes:
    traced = torch.jit.trace(exportable, example, check_trace=False)
    target = io.BytesIO()
    torch.jit.save(traced, target, {METADATA_FILE: json.dumps(metadata(exportable, "torchscript"))})
    return target.getvalue()


def _program(exportable: ExportableNetwork, example: torch.Tensor) -> Any:
    batch = torch.export.Dim("batch", min=1, max=1024)
    height = torch.export.Dim("height", min=exportable.least_side, max=MOST)
    width = torch.export.Dim("width", min=exportable.least_side, max=MOST)
    return torch.export.export(
        exportable,
        (example,),
        dynamic_shapes={"x": {0: batch, 2: height, 3: width}},
        strict=False,
        # What cannot be proven for every size is asserted when the program runs.
        prefer_deferred_runtime_asserts_over_guards=True,
    )


def _pt2(program: Any, exportable: ExportableNetwork) -> bytes:
    for node in program.graph.nodes:  # the paths of this machine
        node.meta.pop("stack_trace", None)
    target = io.BytesIO()
    extra = {METADATA_FILE: json.dumps(metadata(exportable, "pt2"))}
    torch.export.save(program, target, extra_files=extra)
    return target.getvalue()


def _onnx(program: Any, exportable: ExportableNetwork) -> bytes:
    made = torch.onnx.export(
        program,
        (),
        dynamo=True,
        input_names=["x"],
        output_names=["y"],
        opset_version=OPSET,
        verbose=False,
    )
    if made is None:
        raise EscError("the exporter of torch gave nothing")
    return _tidied(made.model_proto, exportable)


def _tidied(model: Any, exportable: ExportableNetwork) -> bytes:
    """Readable names of the dimensions, our metadata, and no traces of this machine."""
    graph, scale = model.graph, exportable.config.scale
    del graph.value_info[:], model.metadata_props[:], graph.metadata_props[:]
    for part in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
    _name_dimensions(graph.input[0], ("batch", 3, "height", "width"))
    _name_dimensions(graph.output[0], ("batch", 3, f"{scale}*height", f"{scale}*width"))
    for name, value in metadata(exportable, "onnx").items():
        entry = model.metadata_props.add()
        entry.key, entry.value = name, value
    return bytes(model.SerializeToString())


def _name_dimensions(value: Any, names: tuple[str | int, ...]) -> None:
    for dimension, name in zip(value.type.tensor_type.shape.dim, names, strict=True):
        dimension.Clear()
        if isinstance(name, int):
            dimension.dim_value = name
        else:
            dimension.dim_param = name


def check_export(network: Network, content: bytes, kind: ExportFormat) -> float:
    """The largest difference from the network over a few sizes, none of them the traced one.

    Raises EscError above 1e-4.
    """
    with _quietly():
        run, grid = _loaded(content, kind), network.config.grid
    shapes = ((1, grid + 1, 2 * grid), (2, 2 * grid, grid + 7))
    worst = 0.0
    for batch, height, width in shapes:
        x = np.random.default_rng(0).random((batch, 3, height, width), dtype=np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(x)).numpy()
        worst = max(worst, float(np.abs(run(x) - expected).max()))
    if not worst <= TOLERANCE:
        raise EscError(f"the exported network differs from the original by {worst:.2g}")
    return worst


def _loaded(content: bytes, kind: ExportFormat) -> Run:
    if kind == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        return lambda x: np.asarray(session.run(["y"], {"x": x})[0], dtype=np.float32)
    stream = io.BytesIO(content)
    module: Any = (
        torch.jit.load(stream) if kind == "torchscript" else torch.export.load(stream).module()
    )
    return lambda x: np.asarray(module(torch.from_numpy(x)).numpy(), dtype=np.float32)
