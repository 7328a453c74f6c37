"""`esc`, and `python -m esc_cli`."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command.

    Until it listens for signals itself, SIGINT ends the process at once, as SIGTERM does: Python
    would show a traceback, and loses it where what is imported passes over exceptions.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # None or ignored: by choice
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from esc_cli.cli.app import main as command

    command()


if __name__ == "__main__":
    main()
