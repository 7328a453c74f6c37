"""A network as ONNX, TorchScript or PT2, with dynamic height, width and batch."""

from __future__ import annotations

import contextlib
import copy
import inspect
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from esc_cli._version import __version__
from esc_cli.errors import EscError, MissingExtraError, UsageError
from esc_cli.model import Network
from esc_cli.model.attention import WindowAttention
from esc_cli.model.body import FactoredKernel, SharedKernel
from esc_cli.model.config import SDPA, NetworkConfig, variant_name
from esc_cli.model.families import FAMILIES
from esc_cli.model.layers import LargeConv, geometric_ensemble
from esc_cli.model.padding import smallest_side
from esc_cli.model.patches import Extent, Patch, Patchwork, WholeMap


class ExportableNetwork(nn.Module):
    """(B, 3, H, W) RGB in [0, 1] -> (B, 3, H*s, W*s), float32, not clamped: as the network's.

    H and W are at least `least_side`; smaller pictures are for the caller to widen. The network
    given is not changed. Raises UsageError for ESC-LTE, whose output size belongs to each call.
    """

    def __init__(self, network: Network):
        super().__init__()
        check_exportable(network.config)
        self.config = network.config
        self.least_side = smallest_side(network.config)
        self.network = copy.deepcopy(network).float().cpu().eval().requires_grad_(False)
        _replace_attention(self.network)
        _replace_large_conv(self.network)

    def forward(self, x: Tensor) -> Tensor:
        """Upscale by `config.scale`."""
        side = Extent(0, 1, 1)  # a whole map never asks for its size
        work = Patchwork([WholeMap(side, side)], x.device)
        _, out = next(self.network.upscale(x, work))
        return out


def check_exportable(config: NetworkConfig) -> None:
    """Raise UsageError for a network that has no exportable form."""
    why_not = FAMILIES[config.family].not_exportable
    if why_not:
        raise UsageError(why_not)
    if config.unshuffle != 1:
        raise UsageError("networks with an unshuffled input cannot be exported")


def _replace_attention(network: nn.Module) -> None:
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, WindowAttention):
                setattr(module, name, ExportableAttention(child))


class ExportableAttention(nn.Module):
    """A `WindowAttention` whose padding is the same operations for every size."""

    def __init__(self, attention: WindowAttention):
        super().__init__()
        self.attention = attention
        attention.kernel = SDPA.name

    @property
    def margin(self) -> int:
        """As of the attention."""
        return self.attention.margin

    def gates(self, x: Tensor, patch: Patch) -> Tensor | None:
        """As of the attention."""
        return self.attention.gates(x, patch)

    def forward(self, x: Tensor, gates: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        w, h = self.attention.window, self.attention.heads
        batch, channels, height, width = x.shape
        depth = channels // h
        rows, columns = (height + w - 1) // w, (width + w - 1) // w
        qkv = self.attention.to_qkv(_mirrored(_mirrored(x, 2, rows * w), 3, columns * w))
        grid = qkv.reshape(batch, 3, h, depth, rows, w, columns, w)
        grid = grid.permute(1, 0, 4, 6, 2, 5, 7, 3).contiguous()  # (3, B, rows, cols, h, w, w, d)
        q, k, v = grid.reshape(3, batch * rows * columns, h, w * w, depth).unbind(0)
        y = self.attention._attend(q, k, v).reshape(batch, rows, columns, h, w, w, depth)
        y = y.permute(0, 3, 6, 1, 4, 2, 5).contiguous()  # (B, h, d, rows, w, columns, w)
        y = y.reshape(batch, channels, rows * w, columns * w)
        # Not a slice: that a padded side is no shorter than its own is beyond the exporters.
        y = y.index_select(2, torch.arange(height)).index_select(3, torch.arange(width))
        out: Tensor = self.attention.to_out(y if gates is None else y * gates)
        return out


def _mirrored(x: Tensor, dim: int, length: int) -> Tensor:
    """x lengthened to `length` by reflection at its end, an error where that is too far.

    ONNX would take an index below 0 for one from the end.
    """
    own = x.shape[dim]
    index = torch.arange(length)
    mirrored = 2 * (own - 1) - index
    mirrored = torch.where(mirrored < 0, own, mirrored)  # no index of x
    return x.index_select(dim, torch.where(index < own, index, mirrored))


def _replace_large_conv(network: Network) -> None:
    if isinstance(network, SharedKernel):
        network.register_buffer("large_kernel", geometric_ensemble(network.plk_filter).detach())
        convolve = _shared(network)
    elif isinstance(network, FactoredKernel):
        convolve = _factored(network)
    else:
        raise UsageError(f"{network.config.family} cannot be exported")
    # The instance's own from here on; its class has the one for inference and training.
    object.__setattr__(network, "large_conv", lambda: convolve)


def _shared(network: nn.Module) -> LargeConv:
    def convolve(dynamic: Tensor, x: Tensor, _patch: Patch) -> Tensor:
        large = network.get_buffer("large_kernel")
        return F.conv2d(x, large, padding=large.shape[-1] // 2) + _depthwise(x, dynamic)

    return lambda dynamic: partial(convolve, dynamic)


def _factored(network: FactoredKernel) -> LargeConv:
    def convolve(dynamic: Tensor, x: Tensor, _patch: Patch) -> Tensor:
        mixed = F.conv2d(x, network.lk_channel)
        spatial = network.lk_spatial
        half, groups = spatial.shape[-1] // 2, spatial.shape[0]
        own = F.conv2d(mixed, spatial, padding=half, groups=groups)
        return own + _depthwise(mixed, dynamic)

    return lambda dynamic: partial(convolve, dynamic)


def _depthwise(x: Tensor, kernels: Tensor) -> Tensor:
    """x (B, P, H, W) with each image's own kernels (B, P, 3, 3); zero padding."""
    height, width = x.shape[-2:]
    padded = F.pad(x, (1, 1, 1, 1))
    total = torch.zeros_like(x)
    for row in range(3):
        for column in range(3):
            moved = padded[..., row : row + height, column : column + width]
            total = total + moved * kernels[:, :, row, column, None, None]
    return total


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
