"""Metrics of pyiqa (NIQE, LPIPS, MUSIQ, FID, ...), and the only place that loads pyiqa.

pyiqa is optional, takes 4 to 10 s and 1.4 GB to import, prints to stdout, and fetches weights on
first use: it is loaded inside functions, with stdout kept clean, and `iqa_weights` keeps watch
over the downloads. Values are those of pyiqa: its `psnry` and `ssim` use another luma than the
protocol of `metrics.py` and crop no border.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import importlib
import importlib.metadata
import importlib.util
import io
import math
import runpy
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from esc_cli.errors import (
    DeviceMemoryError,
    EscError,
    MissingExtraError,
    NonFiniteError,
    UnsupportedError,
    UsageError,
)
from esc_cli.evaluation import iqa_weights
from esc_cli.evaluation.random_draws import same_draws

INSTALL = "pip install pyiqa 'setuptools<81'"

# Not a value per picture: one wants captions, one ranks pairs, one looks at a folder alone.
_LEFT_OUT = {"clipscore", "fgresq_pair", "inception_score"}


@dataclass(frozen=True)
class IqaInfo:
    """What a metric is, as pyiqa describes it.

    `whole_set` metrics (FID) compare the folder of results with the folder of references; all
    others give a value per picture.
    """

    name: str
    lower_is_better: bool
    needs_reference: bool
    whole_set: bool


class IqaMetric:
    """A metric of pyiqa on its device: loaded once, scores many.

    `draws`: whether a value so far hung on random numbers (patches, subsets).
    """

    def __init__(self, info: IqaInfo, network: Callable[..., Any]):
        self.info = info
        self._network = network
        self.draws = False

    def score(self, sr: Tensor, hr: Tensor | None) -> list[float]:
        """One value per picture of `sr`, (B, 3, H, W) float in [0, 1], RGB, on any device.

        `hr` has the same shape; metrics without reference ignore it. A value does not depend on
        the other pictures of the batch, nor on the state of a random generator. Raises UsageError
        for a call that does not fit the metric; per picture UnsupportedError when the metric
        cannot take it (mostly: too small), NonFiniteError, DeviceMemoryError.
        """
        self._check(sr, hr)
        batches = (sr,) if hr is None or not self.info.needs_reference else (sr, hr)
        return [
            self._value([batch[i : i + 1].float() for batch in batches], _size(sr))
            for i in range(sr.shape[0])
        ]

    def score_folders(self, sr_dir: Path, hr_dir: Path) -> float:
        """The value of a `whole_set` metric: pictures in `sr_dir` against those in `hr_dir`.

        Folders are searched with their subfolders; both need two pictures or more, not the same
        number. Raises UsageError, UnsupportedError, NonFiniteError, DeviceMemoryError.
        """
        if not self.info.whole_set:
            raise UsageError(f"the metric {self.info.name} compares pictures, not folders")
        for folder in (sr_dir, hr_dir):
            if not folder.is_dir():
                raise UsageError(f"no folder for the metric {self.info.name}", folder)
            found = importlib.import_module("pyiqa.utils.img_util").scandir_images(str(folder))
            if len(found) < 2:  # a covariance; pyiqa would go on with NaN
                raise UsageError(f"the metric {self.info.name} needs two pictures", folder)
        # Without worker processes: they cost more than they bring for a few hundred pictures.
        folders = [str(sr_dir), str(hr_dir)]
        return self._value(folders, "these folders", num_workers=0, verbose=False)

    def _check(self, sr: Tensor, hr: Tensor | None) -> None:
        name = self.info.name
        if self.info.whole_set:
            raise UsageError(f"the metric {name} compares folders, not pictures")
        if sr.ndim != 4 or sr.shape[1] != 3:
            raise UsageError(f"the metric {name} needs (B, 3, H, W), not {tuple(sr.shape)}")
        if not self.info.needs_reference:
            return
        if hr is None:
            raise UsageError(f"the metric {name} needs a reference picture")
        if hr.shape != sr.shape:
            raise UnsupportedError(
                f"the metric {name} needs a reference of the same size: {_size(sr)}, "
                f"but the reference has {_size(hr)}"
            )

    def _value(self, inputs: list[Any], what: str, **options: Any) -> float:
        try:
            with _quiet(), same_draws() as draws:
                value = float(self._network(*inputs, **options))
            self.draws |= draws.any
        except torch.OutOfMemoryError as error:
            raise DeviceMemoryError(
                f"{what} do not fit the device's memory with the metric {self.info.name}"
            ) from error
        except Exception as error:  # whatever a network of pyiqa raises: sizes are not checked
            reason = f"{type(error).__name__}: {error}".rstrip(": ")
            raise UnsupportedError(
                f"the metric {self.info.name} cannot take {what}: {reason}"
            ) from error
        if not math.isfinite(value):
            raise NonFiniteError(f"the metric {self.info.name} gives {value} for {what}")
        return value


def known_metrics() -> tuple[IqaInfo, ...]:
    """Every metric that `load_metric` takes, by name. Fast: does not import pyiqa."""
    return tuple(_info(name) for name in sorted(_configs()))


def describe(name: str) -> IqaInfo:
    """What the metric `name` is; UsageError with close matches for one that pyiqa lacks."""
    if name not in _configs():
        close = difflib.get_close_matches(name.lower(), _configs(), n=3, cutoff=0.5)
        advice = f"did you mean {' or '.join(close)}?" if close else "see pyiqa's list of metrics"
        raise UsageError(f"pyiqa has no metric {name!r} that scores pictures", advice=advice)
    return _info(name)


def load_metric(name: str, device: torch.device, *, offline: bool = False) -> IqaMetric:
    """Build the metric `name` on `device`, which may download its weights, unless `offline`.

    Raises UsageError (unknown), MissingExtraError (pyiqa or something below it is not installed),
    WeightsError (weights that are missing and cannot be fetched; seconds, never minutes),
    DeviceMemoryError.
    """
    info = describe(name)
    pyiqa = _pyiqa()
    try:
        with _quiet(), iqa_weights.gated_downloads(name, offline=offline):
            network = pyiqa.create_metric(name, device=device)
    except EscError:
        raise
    except torch.OutOfMemoryError as error:
        raise DeviceMemoryError(f"the metric {name} does not fit the device's memory") from error
    except ImportError as error:  # some want packages that pyiqa does not install by itself
        wanted = "" if error.name in {None, "pkg_resources"} else f"; pip install {error.name}"
        raise _missing_extra(error, INSTALL + wanted) from error
    except Exception as error:
        raise iqa_weights.explain(name, error, offline=offline) from error
    return IqaMetric(info, network)


def _info(name: str) -> IqaInfo:
    config = _configs()[name]
    whole_set = config["metric_opts"]["type"] == "FID"
    return IqaInfo(
        name=name,
        lower_is_better=bool(config.get("lower_better", False)),
        needs_reference=whole_set or config["metric_mode"] == "FR",
        whole_set=whole_set,
    )


@functools.cache
def _configs() -> Mapping[str, Mapping[str, Any]]:
    """pyiqa's table of metrics, read from its file: importing the package would take seconds."""
    try:
        spec = importlib.util.find_spec("pyiqa")
    except (ImportError, ValueError) as error:
        raise _missing_extra(error) from error
    if spec is None or spec.origin is None:
        raise _missing_extra(ImportError("No module named 'pyiqa'"))
    table = runpy.run_path(str(Path(spec.origin).with_name("default_model_configs.py")))
    configs: Mapping[str, Mapping[str, Any]] = table["DEFAULT_CONFIGS"]
    return {name: config for name, config in configs.items() if name not in _LEFT_OUT}


def _pyiqa() -> Any:
    try:
        with _quiet():
            return importlib.import_module("pyiqa")
    except Exception as error:  # a torchvision for another torch raises RuntimeError
        raise _missing_extra(error) from error


def _missing_extra(error: Exception, advice: str = INSTALL) -> MissingExtraError:
    reason = str(error) or type(error).__name__
    if "torchvision::" in reason:
        reason = f"torchvision {_version('torchvision')} does not match torch {torch.__version__}"
        reason += f": {error}"
    return MissingExtraError(f"the metrics of pyiqa cannot be used: {reason}", advice=advice)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "(of unknown version)"


def _size(picture: Tensor) -> str:
    return f"{picture.shape[-1]}x{picture.shape[-2]} pixels"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drops what others print and warn: stdout belongs to results. Bars of downloads remain."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
