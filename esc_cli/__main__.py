"""`python -m esc_cli` is `esc`."""

from esc_cli.cli.app import main

if __name__ == "__main__":
    main()
