"""Compile the Triton kernels ahead for GPUs that need not be there, and print what they take.

    python docs/benchmarks/triton_ahead.py

Registers and spills of a thread as ptxas reports them, shared memory of a program as Triton asks
for it. The kernels of esc and esc-light: windows of 32, 16 channels a head, 16 channels convolved.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import get_ptxas
from triton.compiler import ASTSource

from esc_cli.model import triton_attention, triton_large_conv

WINDOW, DEPTH = 32, 16
ATTENTION_POINTERS = ("q_ptr", "k_ptr", "v_ptr", "out_ptr")
SIZES = ("height", "width", "out_height", "out_width", "top", "left")
STEPS = ("image_step", "row_step", "column_step")


def main() -> None:
    """Compile and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--targets", default="80,89,90")
    parser.add_argument("--types", default="fp16,bf16,fp32")
    arguments = parser.parse_args()
    print("| kernel | type | target | registers | spills, bytes | shared memory, bytes |")
    print("|---|---|---|---|---|---|")
    for name, source in sources(arguments.types.split(",")):
        for target in map(int, arguments.targets.split(",")):
            facts = compiled(source, target)
            print(f"| {name} | sm_{target} | " + " | ".join(map(str, facts)) + " |", flush=True)


def sources(types: list[str]) -> list[tuple[str, ASTSource]]:
    """Each kernel in each number format: how it is called in the table, and what is compiled."""
    found = []
    for kind in types:
        found.append((f"attention | {kind}", _attention(kind)))
        found.append((f"28 taps of 13x13 | {kind}", _large_conv(kind)))
    return found


def _attention(kind: str) -> ASTSource:
    signature = dict.fromkeys(ATTENTION_POINTERS, f"*{kind}")
    signature |= {"table_ptr": "*fp32", "asking": "i32", "heads": "i32", "scale": "fp32"}
    values = _attention_constants()
    return _source(triton_attention.attention_kernel, signature, values)


def _attention_constants() -> dict[str, Any]:
    import torch

    return triton_attention.launch(torch.empty(1, 1, WINDOW**2, DEPTH, device="meta"), WINDOW)[1]


def _large_conv(kind: str) -> ASTSource:
    signature = dict.fromkeys(("x_ptr", "taps_ptr", "out_ptr"), f"*{kind}")
    signature |= dict.fromkeys(SIZES + STEPS, "i32")
    return _source(
        triton_large_conv.large_conv_kernel, signature, triton_large_conv.constants(16, 13)
    )


def _source(kernel: Any, signature: dict[str, str], values: dict[str, Any]) -> ASTSource:
    ordered = {name: signature.get(name, "constexpr") for name in kernel.arg_names}
    places = {(kernel.arg_names.index(name),): value for name, value in values.items()}
    return ASTSource(kernel, ordered, places)


def compiled(source: ASTSource, target: int) -> tuple[int, int, int]:
    """Registers, bytes of spills, bytes of shared memory."""
    made = triton.compile(source, target=GPUTarget("cuda", target, 32))
    registers, spills = _assembled(made.asm["ptx"], target)
    return registers, spills, made.metadata.shared


def _assembled(ptx: str, target: int) -> tuple[int, int]:
    """What ptxas says of a program: registers, and bytes of spill stores and loads."""
    ptxas = get_ptxas(target).path
    arch = re.search(r"\.target\s+(sm_\w+)", ptx)
    name = arch.group(1) if arch else f"sm_{target}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.ptx"
        path.write_text(ptx)
        command = [ptxas, "-v", f"--gpu-name={name}", str(path), "-o", os.devnull]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    registers = re.search(r"Used (\d+) registers", said)
    spills = re.findall(r"(\d+) bytes spill", said)
    return int(registers.group(1)) if registers else 0, sum(map(int, spills))


if __name__ == "__main__":
    main()
