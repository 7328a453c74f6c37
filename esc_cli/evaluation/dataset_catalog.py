"""The benchmark sets that esc knows: those that it can fetch, and where to get the others."""

from __future__ import annotations

from dataclasses import dataclass

from esc_cli.errors import UsageError

MIRROR = "ESC_DATA_URL"
"""Environment variable: another base address (https) with the same paths below it."""

BASE = "https://huggingface.co/datasets/eugenesiow/"


@dataclass(frozen=True)
class Fetchable:
    """A set of `pictures` HR files in one .tar.gz of about `archive_mb`, 0 where nobody says.

    `md5` is the published one, "" where none was: then the first download is taken on trust (TLS,
    number of pictures) and its sha256 is recorded.
    """

    name: str
    pictures: int
    licence: str
    cite: str
    archive_mb: float = 0.0
    md5: str = ""

    @property
    def path(self) -> str:
        """The archive below the base address."""
        return f"{self.name}/resolve/main/data/{self.name}_HR.tar.gz"


@dataclass(frozen=True)
class Elsewhere:
    """A set that esc never downloads: `address` and `note` say how to get it."""

    name: str
    pictures: int | None
    address: str
    note: str


_NO_LICENCE = "no licence stated; research use"

FETCHABLE = (
    Fetchable(
        "Set5",
        5,
        _NO_LICENCE,
        "Bevilacqua et al., Low-Complexity Single-Image Super-Resolution based on Nonnegative "
        "Neighbor Embedding, BMVC 2012",
        archive_mb=0.9,
    ),
    Fetchable(
        "Set14",
        14,
        _NO_LICENCE,
        "Zeyde et al., On Single Image Scale-Up Using Sparse-Representations, "
        "Curves and Surfaces 2010",
    ),
    Fetchable(
        "BSD100",
        100,
        "Berkeley segmentation data: non-commercial research and education",
        "Martin et al., A Database of Human Segmented Natural Images, ICCV 2001",
    ),
    Fetchable(
        "Urban100",
        100,
        "CC BY 4.0 according to its page",
        "Huang et al., Single Image Super-Resolution from Transformed Self-Exemplars, CVPR 2015",
        archive_mb=135.0,
        md5="65d9d84a34b72c6f7ca1e26a12df1e4c",
    ),
)

ELSEWHERE = (
    Elsewhere(
        "Manga109",
        109,
        "http://www.manga109.org/en/",
        "only with the owners' permission: ask for it there",
    ),
    Elsewhere(
        "RealSR",
        None,
        "https://github.com/csjcai/RealSR",
        "LR and HR of real cameras; links in the readme",
    ),
    Elsewhere(
        "DRealSR",
        None,
        "https://github.com/xiezw5/"
        "Component-Divide-and-Conquer-for-Real-World-Image-Super-Resolution",
        "LR and HR of real cameras; links in the readme",
    ),
    Elsewhere(
        "RealLQ250",
        250,
        "https://github.com/shallowdream204/DreamClear",
        "LR only, for esc eval --no-reference; link in the readme",
    ),
    Elsewhere(
        "RealSRSet",
        20,
        "https://github.com/cszn/BSRGAN/tree/main/testsets/RealSRSet",
        "LR only, for esc eval --no-reference",
    ),
)

_ALIASES = {"b100": "bsd100", "bsds100": "bsd100"}


def find_fetchable(name: str) -> Fetchable:
    """The set of that name, without regard to case; B100 is BSD100.

    Raises UsageError for other names; for a set that is known, with where to get it.
    """
    wanted = _ALIASES.get(name.lower(), name.lower())
    for record in FETCHABLE:
        if record.name.lower() == wanted:
            return record
    for other in ELSEWHERE:
        if other.name.lower() == wanted:
            what = f"{other.name} cannot be pulled: {other.note}"
            raise UsageError(what, advice=f"see {other.address}")
    names = ", ".join(record.name for record in FETCHABLE)
    raise UsageError(f"no dataset {name!r}", advice=f"these can be pulled: {names}")


def address(record: Fetchable, base: str = "") -> str:
    """Where the archive is, below `base` ("" is the usual one). Raises UsageError if not https."""
    base = base or BASE
    if not base.startswith("https://"):
        raise UsageError(f"{MIRROR}={base}: not https", advice="give an address with https://")
    return f"{base.rstrip('/')}/{record.path}"
