"""What ought to be known about the network that a name means."""

from __future__ import annotations

from esc_cli.cli.console import print_line


def tell_overlooked(*names: str | None) -> None:
    """A line for each damaged record because of which a name means another network."""
    from esc_cli.checkpoints.overlooked import overlooked

    for name in dict.fromkeys(names):
        for error in overlooked(name):
            print_line(f"note: {error}", "yellow")
