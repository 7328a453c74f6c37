"""The figures that commands take where an option is left out, each declared once.

The command line shows them and the options of the tasks begin from them; those of training are in
`train/defaults.py`. What is declared beside
the thing itself (the recipe's values, the network's configuration) is no option's default and stays
there. Imports no torch, so that `esc --help` stays quick.
"""

from __future__ import annotations

from esc_cli.engine.options import EngineOptions

OVERLAP = EngineOptions.overlap
"""--overlap: input pixels that neighbouring tiles share."""

MAX_PIXELS = 500_000_000
"""--max-pixels: of a picture that is read. Above it a decoder alone would take gigabytes."""

SETTLE_S = 2.0
"""--settle: for which a file that `esc watch` sees must stand still."""

LOOK_EVERY_S = 2.0
"""--interval: between two looks of `esc watch` where no events come."""

COMPARED_PICTURES = 100
"""--limit: of a page of `esc compare`, which holds them all: a few hundred kB each."""

STAGING_LIMIT_TEXT = "4G"
STAGING_LIMIT = 4 * 2**30
"""--staging-limit: of inputs and results that lie here meanwhile, as a text and in bytes."""
