"""State dict -> configuration -> network, strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping

import safetensors.torch
from torch import Tensor

from esc_cli.checkpoints.config_from_state import read_config
from esc_cli.checkpoints.nearest_network import nearest
from esc_cli.checkpoints.state_file import tensors_of
from esc_cli.checkpoints.store import Checkpoint
from esc_cli.errors import WeightsError, counted
from esc_cli.model import Network, from_config
from esc_cli.model.config import NetworkConfig, variant_name
from esc_cli.model.families import Facts

_LENGTH_BYTES = 8  # of the header, little endian; https://github.com/huggingface/safetensors


def to_safetensors(tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> bytes:
    """The file of named tensors and of texts about them.

    safetensors writes the texts in a random order; here they are in that of their names.
    """
    plain = {name: value.detach().clone().contiguous() for name, value in tensors.items()}
    content = safetensors.torch.save(plain, dict(about))
    end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    header = json.loads(content[_LENGTH_BYTES:end])
    header["__metadata__"] = dict(sorted(about.items()))
    ordered = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    ordered += b" " * (-len(ordered) % _LENGTH_BYTES)
    return len(ordered).to_bytes(_LENGTH_BYTES, "little") + ordered + content[end:]


def load_checkpoint(checkpoint: Checkpoint) -> Network:
    """The network of a checkpoint: float32, on the CPU, in evaluation mode.

    Raises WeightsError when it is not the network that the checkpoint's record or release names.
    """
    state = read_state(checkpoint)
    try:
        network = network_from_state(state)
    except WeightsError as error:
        raise WeightsError(error.what, checkpoint.path, error.advice) from error
    _refuse_another(network.config, checkpoint)
    return network.eval()


def _refuse_another(found: NetworkConfig, checkpoint: Checkpoint) -> None:
    """Together with the strict loading: the exact keys and shapes of what was promised."""
    if checkpoint.release is not None:
        # A published digest, compared before, says more than keys and shapes.
        other = not checkpoint.release.sha256 and found != checkpoint.release.config
    elif checkpoint.record is not None:
        promised = checkpoint.record.variant, checkpoint.record.scale
        other = (variant_name(found), found.scale) != promised
    else:
        other = False
    if other:
        what = f"is not {checkpoint.name}: it holds {described(found)}"
        raise WeightsError(what, checkpoint.path, "put the right file there")


def blended(one: Network, other: Network, share: float) -> Network:
    """A network whose weights are (1 - share) of one's and `share` of another's of its kind.

    Raises WeightsError when they are of different kinds.
    """
    if one.config != other.config:
        what = f"{described(one.config)} and {described(other.config)} cannot be blended"
        raise WeightsError(what)
    weights = other.state_dict()
    state = {
        key: value.lerp(weights[key], share) if value.is_floating_point() else value
        for key, value in one.state_dict().items()
    }
    return network_from_state(state).eval()


def described(config: NetworkConfig) -> str:
    """A network in a few words, such as "esc x4 with FlashBias of rank 48"."""
    scale = "of any scale" if config.any_scale else f"x{config.scale}"
    rank = config.flashbias_rank
    bias = "" if rank is None else f" with FlashBias of rank {rank}"
    return f"{variant_name(config)} {scale}{bias}"


def network_from_state(state: Mapping[str, Tensor]) -> Network:
    """The network that a state dict belongs to, loaded with strict=True; in training mode."""
    meta = state.get("to_img.MetaUpsample")
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    facts = None if meta is None else tuple(int(value) for value in meta.flatten())
    try:
        config = read_config(Facts(shapes, facts))
    except WeightsError as error:
        what = f"{error.what}; {nearest(shapes)}" if shapes else error.what
        raise WeightsError(what, advice=error.advice) from error
    try:
        network = from_config(config)
        refuse_misfit(network, state)
        network.load_state_dict(dict(state), strict=True)
    except (RuntimeError, ValueError, LookupError, ArithmeticError) as error:
        first_line = str(error).partition("\n")[0].rstrip(": ")
        raise WeightsError(f"{_MISFIT}: {first_line}", advice=_OTHER_FILE) from error
    return network


_MISFIT = "does not fit the network that it describes"
_OTHER_FILE = "give the checkpoint of an ESC network as it was published or exported"
NAMED = 3
"""How many keys of each kind a message names; the others are counted."""


def refuse_misfit(network: Network, state: Mapping[str, Tensor]) -> None:
    """Raise WeightsError, counting and naming them, for keys and shapes that are not its own."""
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    own = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    resized = [key for key in own if key in shapes and shapes[key] != own[key]]
    faults = (
        ("missing", [key for key in own if key not in shapes]),
        ("unexpected", sorted(key for key in shapes if key not in own)),
        ("of another shape", [f"{k} {list(shapes[k])}, not {list(own[k])}" for k in resized]),
    )
    found = [_named(f"{counted(len(keys), 'key')} {how}", keys) for how, keys in faults if keys]
    if found:
        raise WeightsError(f"{_MISFIT}: {'; '.join(found)}", advice=_OTHER_FILE)


def _named(count: str, keys: list[str]) -> str:
    return f"{count} ({', '.join(keys[:NAMED])}{', ...' if len(keys) > NAMED else ''})"


def read_state(checkpoint: Checkpoint, key: str | None = None) -> dict[str, Tensor]:
    """The tensors of a file in any form that training loops leave them; no code in it is run.

    The content counts, not the suffix. `key` is the wrapper to take, None for the first that holds
    an ESC network. Raises WeightsError.
    """
    content = checkpoint.read_verified()
    try:
        return tensors_of(content, key)
    except WeightsError as error:
        raise WeightsError(error.what, checkpoint.path, error.advice) from error
