"""Tensors as the bytes of a .safetensors file: the same tensors give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping

import safetensors.torch
from torch import Tensor

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
