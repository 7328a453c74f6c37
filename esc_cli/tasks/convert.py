"""`esc weights convert`: any checkpoint as a .safetensors file that says what it is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from esc_cli.checkpoints.pull import SILENT_SUPPLY, Supply, obtain
from esc_cli.checkpoints.store import find
from esc_cli.errors import UsageError, WeightsError
from esc_cli.media.atomic import write_atomic
from esc_cli.model.config import variant_name


@dataclass(frozen=True)
class Converted:
    """The file that was written; `scale` 0 is any."""

    path: Path
    variant: str
    scale: int
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Conversion:
    """What to write where. `key`: which weights of a .pth, None for params_ema if it is there."""

    source: str
    target: Path
    scale: int | None = None
    key: str | None = None
    overwrite: bool = False


def convert(wanted: Conversion, supply: Supply = SILENT_SUPPLY) -> Converted:
    """Write the tensors of a file, or of a name, as .safetensors, with variant and scale in it.

    Values and number format stay as they are. Raises UsageError for a target of another kind or
    one that exists, WeightsError when the source is no ESC network or lacks the key.
    """
    target = wanted.target
    if target.suffix.lower() != ".safetensors":
        raise UsageError("must end in .safetensors", target)
    if not wanted.overwrite and (target.exists() or target.is_symlink()):
        raise UsageError("exists already", target, "choose another name, or give --overwrite")
    import safetensors.torch

    from esc_cli.checkpoints.loading import network_from_state, read_state

    checkpoint = obtain(find(wanted.source, wanted.scale), supply)
    state = read_state(checkpoint, wanted.key)
    try:
        config = network_from_state(state).config
    except WeightsError as error:
        raise WeightsError(error.what, checkpoint.path, error.advice) from error
    variant = variant_name(config)
    about = {"variant": variant, "scale": str(config.scale)}
    tensors = {name: value.detach().clone().contiguous() for name, value in state.items()}
    content = safetensors.torch.save(tensors, about)
    write_atomic(target, content)
    sha256 = hashlib.sha256(content).hexdigest()
    return Converted(target, variant, config.scale, sha256, len(content))
