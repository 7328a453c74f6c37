"""What decoders print and warn of stays off the terminal."""

from __future__ import annotations

import ctypes
import warnings
from functools import lru_cache
from pathlib import Path

from PIL import Image


def quiet() -> None:
    """Decoders warn about oddities; what matters becomes an error, the rest stays off the terminal.

    catch_warnings is not safe with threads, and where other code leaves one, filters set since are
    gone: so it is set each time.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.|pillow_heif")
    _quiet_libtiff()


@lru_cache(maxsize=1)
def _quiet_libtiff() -> None:
    """libtiff writes to stderr, without the file's name, what Pillow learns from its results too.

    Only the library inside Pillow's packages can be told; another one stays as its maker built it.
    """
    folder = Path(Image.__file__).parent
    for library in (*folder.glob("../pillow.libs/libtiff*"), *folder.glob(".dylibs/libtiff*")):
        loaded = ctypes.CDLL(str(library.resolve()))
        for setter in (loaded.TIFFSetErrorHandler, loaded.TIFFSetWarningHandler):
            setter.restype = ctypes.c_void_p
            setter(None)
