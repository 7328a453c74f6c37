"""Collect what `gpu.py` needs on a machine with PyTorch that reaches no package index.

    python docs/benchmarks/gpu_wheels.py wheels/
    pip install --no-index --no-deps wheels/*.whl    # there

Wheels for Linux on x86-64 and Python 3.12, without what PyTorch brings along. They are packed again
with LZMA, which pip reads as well and which takes less room. All of them together must stay below
64 MiB; ends with 1 where they do not.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import zipfile
from pathlib import Path

LIMIT = 64 << 20
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64",
             "manylinux2014_x86_64")  # fmt: skip
MISSING = (
    "imagecodecs", "tifffile", "av>=18.1,<19", "platformdirs", "safetensors", "pillow>=11.3",
    "psutil", "typer", "rich", "click", "shellingham", "markdown-it-py", "mdurl", "pygments",
    "annotated-doc", "tqdm",
)  # fmt: skip
"""The dependencies in pyproject.toml, those of videos and of training, and what they need
themselves; without what PyTorch needs too (numpy, filelock, jinja2)."""


def main() -> int:
    """Download and weigh."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", default="3.12")
    parser.add_argument("--present", default="", help="packages that are there, comma-separated")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    present = set(arguments.present.split(","))
    wanted = [need for need in MISSING if need.split(">")[0] not in present]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += [
        "--only-binary=:all:",
        "--python-version",
        arguments.python,
        "--implementation",
        "cp",
    ]
    for platform in PLATFORMS:
        command += ["--platform", platform]
    done = subprocess.run([*command, "-d", str(arguments.folder), *wanted], check=False)
    if done.returncode:
        return done.returncode
    for path in arguments.folder.glob("*.whl"):
        repack(path)
    return weigh(arguments.folder)


def repack(path: Path) -> None:
    """The same wheel, compressed with LZMA."""
    part = path.with_suffix(".part")
    with zipfile.ZipFile(path) as wheel, zipfile.ZipFile(part, "w", zipfile.ZIP_LZMA) as small:
        for entry in wheel.infolist():
            content = wheel.read(entry)
            small.writestr(entry, content, zipfile.ZIP_LZMA)
    part.replace(path)


def weigh(folder: Path, limit: int = LIMIT) -> int:
    """Print what each wheel takes; 1 if all together take too much."""
    sizes = {path.name: path.stat().st_size for path in sorted(folder.glob("*.whl"))}
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        print(f"{size / 2**20:7.2f} MiB  {name}")
    total = sum(sizes.values())
    print(f"{total / 2**20:7.2f} MiB  in all, of {limit / 2**20:.0f}")
    return 0 if total < limit else 1


if __name__ == "__main__":
    sys.exit(main())
