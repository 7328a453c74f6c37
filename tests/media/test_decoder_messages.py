"""Nothing of a decoder's own words reaches the user: no reason, no stderr, no warning."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image
from pngs import png_with

from esc_cli.errors import EscError, ReadError, UnsupportedError
from esc_cli.files.source import reading
from esc_cli.media.decode import decode

ODD = (
    (b"iCCP", b"x\0\0rubbish"),
    (b"gAMA", b"\0\0"),
    (b"cHRM", bytes(7)),
    (b"tIME", b"12"),
    (b"zTXt", b"a\0\0rubbish"),
    (b"tRNS", b"1"),
)


def tiffs() -> list[bytes]:
    """CMYK and JPEG-compressed pictures, with rubbish at one place after the other."""
    found = []
    for mode, compression in (("CMYK", "tiff_lzw"), ("YCbCr", "jpeg"), ("1", "group4")):
        target = io.BytesIO()
        Image.effect_noise((48, 48), 90).convert(mode).save(target, "TIFF", compression=compression)
        content = target.getvalue()
        rubbish = b"\xff\x13\x55\xaa\x80\x01"
        found += [
            content[:at] + rubbish + content[at + len(rubbish) :]
            for at in range(8, len(content) - 8, 61)
        ]
    return found


def test_odd_chunks_of_a_png_say_nothing_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "odd.png").write_bytes(png_with(*ODD))
    code = (
        "import sys; from pathlib import Path; from esc_cli.media.decode import decode;"
        "print(decode(Path(sys.argv[1]), 10**6).header.channels)"
    )
    # In a process of its own, because pytest handles what is logged.
    command = [sys.executable, "-c", code, str(tmp_path / "odd.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("3\n", "")


def test_damaged_tiffs_write_nothing_and_warn_of_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for content in tiffs():
            with suppress(EscError):
                decode(content, 10**6)
    assert [str(warning.message) for warning in seen] == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("raised", "kind", "words"),
    [
        (ValueError("invalid literal for int()"), ReadError, "its data cannot be decoded"),
        (OSError("image file is truncated (9 bytes not processed)"), ReadError, "is cut short"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), ReadError, "its data cannot be"),
        (KeyError(), ReadError, "its data cannot be decoded"),
        (OSError("decoder jpeg2k not available"), UnsupportedError, "variant .* not supported"),
        (OSError(5, "Input/output error"), ReadError, "cannot be read: Input/output error"),
    ],
)
def test_reasons_are_words_of_our_own(raised: Exception, kind: type[EscError], words: str) -> None:
    with pytest.raises(kind, match=words) as caught, reading(None):
        raise raised
    if not getattr(raised, "errno", None) and str(raised):
        assert str(raised) not in str(caught.value)
