"""What a checkpoint is, without loading its network; safetensors need no torch for it."""

from __future__ import annotations

from esc_cli.checkpoints.config_from_state import UNREADABLE_ADVICE, read_config
from esc_cli.checkpoints.state_names import is_safetensors, own_names
from esc_cli.checkpoints.store import Checkpoint
from esc_cli.errors import UsageError, WeightsError
from esc_cli.model.config import NetworkConfig, variant_config
from esc_cli.model.families import Facts


def peek_config(checkpoint: Checkpoint) -> NetworkConfig:
    """The configuration of a checkpoint. Raises WeightsError when it is no ESC network."""
    if checkpoint.release is not None:
        return checkpoint.release.config
    if _begins_as_safetensors(checkpoint):
        return _peek_safetensors(checkpoint)
    if checkpoint.record is not None:
        return variant_config(checkpoint.record.variant, checkpoint.record.scale)
    from esc_cli.checkpoints.loading import load_checkpoint

    return load_checkpoint(checkpoint).config


def peek_at_scale(checkpoint: Checkpoint, scale: int) -> NetworkConfig:
    """As `peek_config`. Raises UsageError for a network that does not upscale by this scale."""
    config = peek_config(checkpoint)
    if not config.any_scale and config.scale != scale:
        raise UsageError(f"upscales by {config.scale}, and {scale} is asked for", checkpoint.path)
    return config


def _peek_safetensors(checkpoint: Checkpoint) -> NetworkConfig:
    from safetensors import SafetensorError, safe_open

    meta: tuple[int, ...] | None = None
    try:
        with safe_open(checkpoint.path, framework="np") as tensors:
            names = own_names(tensors.keys())
            shapes = {
                own: tuple(tensors.get_slice(name).get_shape()) for own, name in names.items()
            }
            if "to_img.MetaUpsample" in shapes:
                stored = tensors.get_tensor(names["to_img.MetaUpsample"])
                meta = tuple(int(value) for value in stored)
    except (SafetensorError, OSError) as error:
        what = "not a readable checkpoint: safetensors that are cut short or damaged"
        raise WeightsError(what, checkpoint.path, UNREADABLE_ADVICE) from error
    try:
        return read_config(Facts(shapes, meta))
    except WeightsError:
        from esc_cli.checkpoints.loading import load_checkpoint

        return load_checkpoint(checkpoint).config  # which says what it is instead


def _begins_as_safetensors(checkpoint: Checkpoint) -> bool:
    """By the content, since many are named .pth; what cannot be read is told when it is loaded."""
    try:
        with checkpoint.path.open("rb") as stream:
            return is_safetensors(stream.read(9))
    except OSError:
        return False
