"""Weights of pyiqa's metrics: downloads that cannot work are refused before they are waited for.

pyiqa, torchvision, CLIP and timm fetch weights while a metric is built; without internet that ends
in retries (50 s for maniqa) and an error that names no file. Inside `gated_downloads` each of them
asks here first, at the moment when the exact address and file are known.

`ESC_OFFLINE=1` and `offline` mean that nothing is ever tried; `ESC_CONNECT_TIMEOUT` is the number
of seconds (3) that a host has to answer. A host is asked once per process.
"""

from __future__ import annotations

import functools
import http.client
import importlib
import os
import queue
import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from esc_cli.errors import WeightsError, shown
from esc_cli.files.http import OFFLINE, is_offline

CONNECT_TIMEOUT_S = 3.0
STALL_TIMEOUT_S = 30.0  # urllib has none of its own: a dead connection would hang for ever

# Functions (address, file) of torch.hub, and (address, folder) of the copies of OpenAI's CLIP.
_FILE_DOWNLOADERS = (
    ("torch.hub", "download_url_to_file"),
    ("pyiqa.utils.download_util", "download_url_to_file"),
)
_FOLDER_DOWNLOADERS = (
    ("pyiqa.archs.clip_model", "_download"),
    ("pyiqa.archs.afineclip_model", "_download"),
    ("clip.clip", "_download"),
)


@contextmanager
def gated_downloads(metric: str, *, offline: bool = False) -> Iterator[None]:
    """While a metric is built: no download starts unless its host answers, and none may stall.

    Replaces functions of other modules for the time of the block, so not for two threads at once.
    Raises WeightsError from inside the builder, with the missing file, its address and its place.
    """
    stall_s = socket.getdefaulttimeout()
    with ExitStack() as stack:
        for module, name in _FILE_DOWNLOADERS:
            gate = _gate(metric, lambda _, file: file, offline)
            stack.enter_context(_replaced(module, name, gate))
        for module, name in _FOLDER_DOWNLOADERS:
            stack.enter_context(_replaced(module, name, _gate(metric, _inside, offline)))
        # Every request of huggingface_hub (timm, transformers) asks this function first.
        hub_gate = functools.partial(_hub_gate, offline)
        stack.enter_context(_replaced("huggingface_hub.constants", "is_offline_mode", hub_gate))
        stack.callback(socket.setdefaulttimeout, stall_s)
        socket.setdefaulttimeout(STALL_TIMEOUT_S)
        yield


def explain(metric: str, error: Exception, *, offline: bool = False) -> WeightsError:
    """What to tell about an error that building `metric` ended with."""
    address = _hub_address(error)
    if address is not None:
        file, why = Path(urlsplit(address).path).name, obstacle(address, offline=offline)
        return _missing(metric, file, address, why, _hub_advice(address))
    hub = _constants()
    if isinstance(error, OSError) and (
        reason := obstacle(hub.ENDPOINT, offline=offline)
    ):  # of transformers
        advice = f"{hub.ENDPOINT}: {reason}; the files would be in {shown(hub.HF_HUB_CACHE)}"
    else:
        advice = f"if one of its files is damaged, remove it from {shown(_torch_cache())}"
    what = f"the metric {metric} cannot be loaded: {type(error).__name__}: {error}"
    return WeightsError(what, advice=advice)


def obstacle(address: str, *, offline: bool = False) -> str:
    """Why the host of `address` cannot be used; empty when it answers."""
    if offline:
        return "--offline forbids connections"
    if is_offline():
        return f"{OFFLINE} is set"
    parts = urlsplit(address)
    return _ask(f"{parts.scheme}://{parts.netloc}/")


@functools.cache
def _ask(root: str) -> str:
    # In a thread, because no timeout of urllib covers a name server that does not answer.
    timeout_s = float(os.environ.get("ESC_CONNECT_TIMEOUT") or CONNECT_TIMEOUT_S)
    answers: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(
        target=lambda: answers.put(_knock(root, timeout_s)), name="esc-connect", daemon=True
    ).start()
    try:
        return answers.get(timeout=timeout_s)
    except queue.Empty:
        return f"no answer within {timeout_s:g} s"


def _knock(root: str, timeout_s: float) -> str:
    request = urllib.request.Request(root, method="HEAD")  # noqa: S310 - https in every caller
    try:
        urllib.request.urlopen(request, timeout=timeout_s).close()  # noqa: S310
    except urllib.error.HTTPError:
        return ""  # a refusal of this page is an answer too
    except (OSError, ValueError, http.client.HTTPException) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__
    return ""


def _missing(metric: str, file: str, address: str, why: str, advice: str) -> WeightsError:
    return WeightsError(
        f"the metric {metric} needs {file}, which is not on this machine and cannot be fetched "
        f"from {urlsplit(address).netloc}: {why or 'HF_HUB_OFFLINE is set'}",
        advice=advice,
    )


def _inside(address: str, folder: Path) -> Path:
    return folder / Path(urlsplit(address).path).name


def _gate(metric: str, place: Callable[[str, Path], Path], offline: bool) -> Callable[[Any], Any]:
    """A wrapper for a downloader that is called as (address, file or folder, ...)."""

    def wrap(download: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(download)
        def gated(address: str, target: str, *args: Any, **kwargs: Any) -> Any:
            file = place(address, Path(target))
            # CLIP's function also serves files that are there, after a look at their checksum.
            if not file.is_file() and (why := obstacle(address, offline=offline)):
                advice = f"download {address} and save it as {shown(file)}"
                raise _missing(metric, file.name, address, why, advice)
            try:
                return download(address, target, *args, **kwargs)
            except (OSError, RuntimeError, http.client.HTTPException) as error:
                raise WeightsError(
                    f"the metric {metric} needs {file.name}, and the download of {address} to "
                    f"{shown(file)} failed: {error}"
                ) from error

        return gated

    return wrap


def _hub_gate(offline: bool, is_offline: Callable[[], bool]) -> Callable[[], bool]:
    return lambda: is_offline() or bool(obstacle(_constants().ENDPOINT, offline=offline))


def _hub_address(error: BaseException | None) -> str | None:
    """The address that huggingface_hub was not allowed to ask, from the chain of errors."""
    while error is not None:
        if type(error).__name__ == "OfflineModeIsEnabled":
            found = re.search(r"https?://[^\s'\",)]+", str(error))
            return found[0].rstrip(":") if found else None
        error = error.__cause__ or error.__context__
    return None


def _hub_advice(address: str) -> str:
    repo = urlsplit(address).path.split("/resolve/")[0].strip("/").removeprefix("api/models/")
    folder = f"models--{repo.replace('/', '--')}"
    return (
        f"it comes from {address}; where there is internet run `hf download {repo}` and copy "
        f"{folder} from its cache into {shown(_constants().HF_HUB_CACHE)}"
    )


def _constants() -> Any:
    return importlib.import_module("huggingface_hub.constants")


def _torch_cache() -> str:
    return str(importlib.import_module("torch.hub").get_dir())


def _module(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:  # CLIP without pkg_resources: the metric that needs it will say so
        return None


@contextmanager
def _replaced(module: str, name: str, wrap: Callable[[Any], Any]) -> Iterator[None]:
    """For the time of the block, `module.name` is wrapped; nothing happens where it is absent."""
    owner = _module(module)
    original = getattr(owner, name, None)
    if original is None:
        yield
        return
    setattr(owner, name, wrap(original))
    try:
        yield
    finally:
        setattr(owner, name, original)
