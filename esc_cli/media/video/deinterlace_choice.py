"""What is done about interlaced frames, as plain values; no PyAV, no pixels."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

Method = Literal["none", "flagged", "combed", "all", "telecine"]
Order = Literal["auto", "tff", "bff"]


@dataclass(frozen=True)
class Fields:
    """How the two fields of a frame become frames.

    method: "none" leaves frames alone; "flagged" deinterlaces those that the file calls interlaced,
    "combed" those that are measured so, "all" every frame; "telecine" finds the film frames in the
    fields and drops the repeated ones, 4 of 5 stay. order: which field is first, "auto" as each
    frame says. doubled: a frame from each field. found: what was measured and is done, in words;
    empty where there is nothing to tell.
    """

    method: Method = "flagged"
    order: Order = "auto"
    doubled: bool = False
    found: str = ""

    @property
    def is_doubled(self) -> bool:
        """Whether frames become two; film has one picture in both fields."""
        return self.doubled and self.method not in ("none", "telecine")

    @property
    def changes_all(self) -> bool:
        """Whether frames change that their file does not call interlaced."""
        return self.method in ("combed", "all", "telecine")

    @property
    def time_units(self) -> int:
        """Into how many units one of the source's time base is divided for the new timestamps."""
        if self.method == "telecine":
            return 4
        return 2 if self.is_doubled else 1

    @property
    def growth(self) -> Fraction:
        """Frames of the result per frame of the source, at most."""
        if self.method == "telecine":
            return Fraction(4, 5)
        return Fraction(2) if self.is_doubled and self.changes_all else Fraction(1)

    def count(self, frames: int) -> int:
        """How many frames become of so many; with doubled stray frames it is only near."""
        if self.method == "telecine":
            return 4 * (frames // 5) + frames % 5
        return int(frames * self.growth)


AS_CALLED = Fields()
"""A progressive video, of which stray frames may be interlaced."""


@dataclass(frozen=True)
class Measured:
    """Verdicts of FFmpeg's idet over the frames of a sample.

    frames: all of them. flagged: called interlaced by the file. progressive, tff, bff: measured so;
    the rest cannot be told. carried: those of tff and bff that only a frame before them makes so,
    as idet holds on to a verdict where it can tell nothing. repeated: fields that repeat the one
    before, counted by frames. cured: of the frames that are combed no more once fields are matched,
    the share; None where nobody looked.
    """

    frames: int = 0
    flagged: int = 0
    progressive: int = 0
    tff: int = 0
    bff: int = 0
    carried: int = 0
    repeated: int = 0
    cured: float | None = None

    @property
    def combed(self) -> int:
        """Frames of two moments."""
        return self.tff + self.bff

    @property
    def combed_share(self) -> float:
        """Of the frames that can be told."""
        return self.combed / max(1, self.combed + self.progressive)

    @property
    def repeated_share(self) -> float:
        """Of all frames; 2 of 5 in film at 24 frames/s that was brought to 30."""
        return self.repeated / max(1, self.frames)

    @property
    def order(self) -> Order:
        """The order of the fields, where nearly all combed frames agree on it."""
        if self.combed < _LEAST_TOLD:
            return "auto"
        if self.tff >= _NEARLY_ALL_SHARE * self.combed:
            return "tff"
        return "bff" if self.bff >= _NEARLY_ALL_SHARE * self.combed else "auto"


_LEAST_TOLD = 4
"""Combed frames without which nothing is said of their order."""
_CLEARLY_COMBED = 12
"""Frames combed by themselves without which a video that is not called interlaced is none."""
_NEARLY_ALL_SHARE = 0.9
"""From here on frames agree: on an order, or on being called interlaced."""
_STRAY_SHARE = 0.1
"""A smaller share of combed frames is a film's few, or noise."""
_COMBED_SHARE_UNCALLED = 0.4
"""A smaller share, in a video that is not called interlaced, comes from fine horizontal lines: of
progressive clips in public test sets up to a third was measured combed."""
_ALL_COMBED_SHARE = 0.5
"""From this share of combed frames on every frame is deinterlaced."""
_UNCALLED_SHARE = 0.25
"""By which the share of combed frames exceeds that of the frames called interlaced, where a file is
not to be believed; idet errs by less."""
_TELECINE_REPEATS = 0.2
"""Fields by frames that repeat the one before: 3:2 has two in five, of which idet misses some."""
_MATCHED_SHARE = 0.9
"""Of combed frames, that are no more once the fields of film are matched."""
_FILM_RATES = (29, 31)


def may_be_film(measured: Measured, rate: Fraction) -> bool:
    """Whether a sample can be film in the 3:2 pattern, so that matching its fields is worth it."""
    low, high = _FILM_RATES
    repeats = measured.repeated_share >= _TELECINE_REPEATS
    return low <= rate <= high and repeats and measured.combed_share >= _STRAY_SHARE


def decided(measured: Measured, wish: str, *, doubled: bool, rate: Fraction) -> Fields:
    """What to do with a video of `rate` frames/s. `wish`: auto, off, bwdif or telecine."""
    if wish == "off":
        return Fields("none")
    order = measured.order
    if wish == "telecine":
        return _told(Fields("telecine", order), measured, "as was asked for", rate)
    if wish == "bwdif":
        return _told(Fields("all", order, doubled), measured, "as was asked for", rate)
    if may_be_film(measured, rate) and (measured.cured or 0) >= _MATCHED_SHARE:
        return _told(Fields("telecine", order), measured, "telecined film", rate)
    return _by_share(measured, doubled, rate)


def _by_share(measured: Measured, doubled: bool, rate: Fraction) -> Fields:
    share, flagged = measured.combed_share, measured.flagged / max(1, measured.frames)
    told = measured.combed + measured.progressive
    own = measured.combed - measured.carried
    has_order = own >= _CLEARLY_COMBED and measured.order != "auto"
    if not flagged and not (has_order and share >= _COMBED_SHARE_UNCALLED):
        return Fields("flagged", doubled=doubled)  # fine patterns look combed, of either order
    if share >= _STRAY_SHARE or (flagged and not told):
        is_mixed = 1 - _NEARLY_ALL_SHARE < flagged < _NEARLY_ALL_SHARE
        if is_mixed and not _is_combed_uncalled(measured, flagged):
            return _told(Fields("flagged", measured.order, doubled), measured, "partly", rate)
        if flagged >= _NEARLY_ALL_SHARE or share >= _ALL_COMBED_SHARE:
            return _told(Fields("all", measured.order, doubled), measured, "interlaced", rate)
        return _told(Fields("combed", measured.order, doubled), measured, "partly", rate)
    if flagged:
        text = f"called interlaced, but measured progressive ({_counts(measured)}): left alone"
        return Fields("none", found=text)
    return Fields("flagged", doubled=doubled)


def _is_combed_uncalled(measured: Measured, flagged: float) -> bool:
    """Whether also frames are combed that a file does not call interlaced while it does others.

    H.264 that codes some frames by fields and others whole calls only those of fields so, unless
    it says of each how it is shown (pic_struct).
    """
    share = measured.combed_share
    is_more = share >= max(_ALL_COMBED_SHARE, flagged + _UNCALLED_SHARE)
    return is_more and measured.order != "auto"


def _told(fields: Fields, measured: Measured, what: str, rate: Fraction) -> Fields:
    """The same with its sentence."""
    kind = {"partly": "partly interlaced"}.get(what, what)
    names = {"tff": ", top field first", "bff": ", bottom field first", "auto": ""}
    does = {
        "telecine": "fields are matched, repeated frames dropped",
        "all": "deinterlaced by bwdif",
        "combed": "frames measured interlaced are deinterlaced by bwdif",
        "flagged": "frames called interlaced are deinterlaced by bwdif",
    }[fields.method]
    speed = float(rate * fields.growth)
    text = f"{kind} ({_counts(measured)}{names[fields.order]}): {does}, to {speed:.4g} frames/s"
    return Fields(fields.method, fields.order, fields.doubled, text)


def _counts(measured: Measured) -> str:
    return f"{measured.combed} of {measured.frames} frames measured combed"
