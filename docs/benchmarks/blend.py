"""The weighted mean of two networks of one kind, as a checkpoint.

    python docs/benchmarks/blend.py A.safetensors B.safetensors --share 0.85 -o C.safetensors

C = (1 - share) * A + share * B, weight by weight. It works for networks of which one was trained
from the other: between them lie networks that do half of each.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file

from esc_cli.checkpoints.loading import to_safetensors


def main() -> None:
    """Read, blend, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("one", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--share", type=float, required=True, help="of the other, 0 to 1")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    one, other = load_file(arguments.one), load_file(arguments.other)
    if {k: v.shape for k, v in one.items()} != {k: v.shape for k, v in other.items()}:
        parser.error("the networks differ in their keys or shapes")
    share = arguments.share
    blended = {key: value.lerp(other[key], share) for key, value in one.items()}
    with safe_open(arguments.one, "pt") as file:
        arguments.output.write_bytes(to_safetensors(blended, file.metadata()))


if __name__ == "__main__":
    main()
