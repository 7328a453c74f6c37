"""The perceptual loss: distances between features of VGG19 (Simonyan and Zisserman, 2015)."""

from __future__ import annotations

import os
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from esc_cli.errors import WeightsError

WIDTHS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""Channels and convolutions of each stage; a halving of the sides stands between."""
LAYERS = {2: 0.1, 7: 0.1, 16: 1.0, 25: 1.0, 34: 1.0}
"""Weight of the features after conv1_2, conv2_2, conv3_4, conv4_4 and conv5_4, before the ReLU, by
the number of the layer in torchvision's `vgg19().features`."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FILE = "vgg19-dcbb9e9d.pth"
ADVICE = (
    f"give --vgg FILE with torchvision's {FILE}, from https://download.pytorch.org/models/{FILE}, "
    "or put it into torch's cache"
)


def cached_file() -> Path:
    """Where torchvision keeps VGG19's weights."""
    return Path(torch.hub.get_dir()) / "checkpoints" / FILE


class Perceptual(nn.Module):
    """L1 distance between the weighted features of two pictures (B, 3, H, W) in [0, 1]."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        cin = 3
        for width, count in WIDTHS:
            for _ in range(count):
                layers += [nn.Conv2d(cin, width, 3, padding=1), nn.ReLU()]
                cin = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers[: max(LAYERS) + 1])
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)
        self.requires_grad_(False)

    def forward(self, sr: Tensor, target: Tensor) -> Tensor:
        """The loss; gradients flow to `sr` alone."""
        with torch.no_grad():
            wanted = self._features(target)
        distances = [
            LAYERS[index] * F.l1_loss(found.float(), wanted[index].float())
            for index, found in self._features(sr).items()
        ]
        return torch.stack(distances).sum()

    def _features(self, image: Tensor) -> dict[int, Tensor]:
        x, found = (image - self.mean) / self.std, {}
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in LAYERS:
                found[index] = x
        return found


def load_perceptual(path: Path | None) -> Perceptual:
    """The loss with the weights of a file, or of torchvision's cache.

    Raises WeightsError, which says how to give them, when there are none, and for a file that is
    no VGG19. No code in the file is run.
    """
    source = path or cached_file()
    if os.path.isdir(source):  # noqa: PTH112 - Path.is_dir raises in a locked folder
        raise WeightsError("is a folder, not the weights of VGG19", source, ADVICE)
    if not os.path.isfile(source):  # noqa: PTH113 - Path.is_file raises in a locked folder
        raise WeightsError("the perceptual loss needs the weights of VGG19", source, ADVICE)
    try:
        stored = torch.load(source, map_location="cpu", weights_only=True)
        loss = Perceptual()
        loss.load_state_dict({key: stored[key] for key in loss.state_dict()})
    except Exception as error:  # torch.load raises anything at all over damaged bytes
        raise WeightsError("holds no weights of VGG19", source, ADVICE) from error
    return loss.eval()
