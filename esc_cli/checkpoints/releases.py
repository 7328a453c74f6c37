"""The checkpoints that the authors of ESC published: what each is, and where it is. No torch.

Code and weights are under the MIT licence, https://github.com/dslisleedh/ESC; so is the code of
ESC-RIB, https://github.com/dslisleedh/SST.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from esc_cli.errors import UsageError
from esc_cli.model.config import FLASHBIAS_RANK, NetworkConfig, variant_config

MIRROR = "ESC_WEIGHTS_URL"
"""Environment variable: another base address (https) with the same file names below it."""

BASE = "https://github.com/dslisleedh/ESC/releases/download/1.0.0/"
SOURCE = "https://github.com/dslisleedh/ESC, release 1.0.0"
LICENCE = "MIT"
RIB_SOURCE = "https://github.com/dslisleedh/SST"
RIB_PAGE = "https://huggingface.co/collections/dslisleedh/sst"
"""Where its README says that the files of ESC-RIB are; their own addresses stand nowhere there."""


@dataclass(frozen=True)
class Release:
    """A published checkpoint of one scale.

    `model` is the name that stands for it at all its scales; with `default`, so does the bare name
    of its variant. `sha256` is the published digest, "" where none was published. `page`: where
    people find a file whose own address is not known; "" where it is.
    """

    model: str
    file: str
    variant: str
    scale: int
    trained_on: str
    sha256: str = ""
    flashbias: bool = False
    default: bool = True
    source: str = SOURCE
    page: str = ""

    @property
    def by_hand(self) -> bool:
        """Whether only a person can fetch the file: its address is known on a mirror alone."""
        return bool(self.page) and not os.environ.get(MIRROR)

    @property
    def licence(self) -> str:
        """That of the weights, "" where none is known."""
        return "" if self.page else LICENCE

    @property
    def name(self) -> str:
        """The name of this one file, such as esc-div2k-x2."""
        return self.file.rpartition(".")[0].lower().replace("_", "-")

    @property
    def names(self) -> frozenset[str]:
        """Everything that it is called."""
        return frozenset({self.model, self.name} | ({self.variant} if self.default else set()))

    @property
    def purpose(self) -> str:
        """What it is for, in a few words."""
        return _PURPOSES[self.model]

    @property
    def config(self) -> NetworkConfig:
        """The network that the file must hold."""
        config = variant_config(self.variant, self.scale)
        return replace(config, flashbias_rank=FLASHBIAS_RANK) if self.flashbias else config

    @property
    def url(self) -> str:
        """Where the file is, on the mirror if there is one, or its page where only that is known.

        Raises UsageError for a mirror that is not https.
        """
        if self.by_hand:
            return self.page
        base = os.environ.get(MIRROR) or BASE
        if not base.startswith("https://"):
            raise UsageError(f"{MIRROR}={base}: not https", advice="give an address with https://")
        if not _is_address(base):
            raise UsageError(f"{MIRROR}={base}: no address", advice="such as https://host/folder")
        return f"{base.rstrip('/')}/{self.file}"


def _is_address(base: str) -> bool:
    try:
        parts = urlsplit(base)
        return bool((parts.hostname or "").encode("idna")) and parts.port != 0
    except ValueError:  # a port or a name that cannot be
        return False


def _classic(model: str, stem: str, default: bool = True) -> tuple[Release, ...]:
    variant, _, trained_on = model.partition("@")
    return tuple(
        Release(
            model,
            f"{stem}_X{scale}.pth",
            variant,
            scale,
            trained_on.upper() or "DIV2K",
            default=default,
        )
        for scale in (2, 3, 4)
    )


_PURPOSES = {
    "esc@div2k": "clean pictures",
    "esc@dflip": "clean pictures; learned from more",
    "esc@flashbias": "clean pictures; quicker attention",
    "esc-light": "clean pictures; less work than esc",
    "esc-fp": "clean pictures; fewer parameters",
    "esc-rib": "clean pictures; larger windows than esc",
    "esc-xl": "clean pictures; slow and faithful",
    "esc-xl@pretrained": "training; what esc-xl began from",
    "esc-real@gan": "photographs; invents texture",
    "esc-real@mse": "photographs; invents nothing",
    "esc-real@flashbias": "photographs; invents texture",
}
_REAL = "DF2K+OST, degraded as for Real-ESRGAN"

RELEASES = (
    *_classic("esc@div2k", "ESC_DIV2K"),
    *_classic("esc@dflip", "ESC_DFLIP", default=False),
    Release(
        "esc@flashbias",
        "ESC_DIV2K_FB_R48_X2.pth",
        "esc",
        2,
        "DIV2K",
        flashbias=True,
        default=False,
    ),
    *_classic("esc-light", "ESC_light"),
    *_classic("esc-fp", "ESC_FP"),
    *(
        Release(
            "esc-rib",
            f"ESCRIB_DFLIP_X{scale}.pth",
            "esc-rib",
            scale,
            "DFLIP",
            source=RIB_SOURCE,
            page=RIB_PAGE,
        )
        for scale in (2, 3, 4)
    ),
    *(
        Release("esc-xl", f"ESC_XL_DF2K_X{scale}_FT.pth", "esc-xl", scale, "DF2K, fine-tuned")
        for scale in (2, 3, 4)
    ),
    Release(
        "esc-xl@pretrained",
        "ESC_XL_DF2K_X2_PT.pth",
        "esc-xl",
        2,
        "DF2K, before fine-tuning",
        default=False,
    ),
    Release(
        "esc-real@gan",
        "ESC_Real_X4_GAN.pth",
        "esc-real",
        4,
        f"{_REAL}; perceptual",
        "d6932bd01e29c9335f5f678b0e9b31ede906a42244887ab8888b1d39a8667f2d",
    ),
    Release(
        "esc-real@mse",
        "ESC_Real_X4_MSE.pth",
        "esc-real",
        4,
        f"{_REAL}; fidelity",
        "ba22ae75b5f77382b1046e68634f58a53fc7ff5ffa46714133bfba30811ad943",
        default=False,
    ),
    Release(
        "esc-real@flashbias",
        "ESC_Real_FB_R48_GAN_X4.pth",
        "esc-real",
        4,
        f"{_REAL}; perceptual",
        flashbias=True,
        default=False,
    ),
)
"""All of them. Where a variant has several, the first is the default."""


def release_of_file(file_name: str) -> Release | None:
    """The release whose file has this name, whatever its suffix."""
    stem = file_name.rpartition(".")[0]
    return next((one for one in RELEASES if one.file.rpartition(".")[0] == stem), None)
