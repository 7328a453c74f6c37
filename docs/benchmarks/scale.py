"""What grows with the batch: ten million items, a thousand workers, one long film.

    python docs/benchmarks/scale.py [--parts items,workers,film]

Measured at sizes that this machine takes, and multiplied where it says so. `workers` needs Ray
(pip install 'esc-cli[cluster]').
"""

from __future__ import annotations

import argparse
import os

PARTS = ("items", "workers", "film")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--items", type=int, default=100_000, help="files in the measured folder")
    parser.add_argument("--workers", default="8,64,1000", help="numbers of workers")
    parser.add_argument("--gpus", type=int, default=50)
    parser.add_argument("--hours", type=float, default=10.0, help="of the film")
    wish = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    parts = wish.parts.split(",")
    from esc_cli.tasks.environment import environment_facts

    print(", ".join(f"{name} {value}" for name, value in environment_facts().items()))
    if "items" in parts:
        from scale_parts import items

        items.measure(wish.items)
    if "workers" in parts:
        from scale_parts import workers

        workers.measure([int(count) for count in wish.workers.split(",")])
    if "film" in parts:
        from scale_parts import film

        film.measure(wish.gpus, wish.hours)


if __name__ == "__main__":
    main()
