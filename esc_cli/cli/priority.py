"""How much a command gives way to other programs."""

from __future__ import annotations

import os
import sys

import psutil


def give_way(nice: int) -> None:
    """Lower the priority of this process by 0 to 19, as nice(1) does; threads to come inherit it.

    Windows, which has classes instead, gets the one below normal.
    """
    if not nice:
        return
    if sys.platform == "win32":
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        os.nice(nice)
