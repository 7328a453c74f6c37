"""A network that learns: objective, optimiser, moving average, and their state."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from esc_cli.engine.precision import bf16_is_faster
from esc_cli.model import Network
from esc_cli.model.attention import set_attention_kernel
from esc_cli.model.config import MATH
from esc_cli.training.distributed import Place, spread
from esc_cli.training.losses import PIXEL_LOSSES, restoration_loss
from esc_cli.training.patches import PairBatch
from esc_cli.training.recipe import Optimiser, Recipe

B = TypeVar("B")
Losses = dict[str, Tensor]
"""Scalars by name, detached; "loss" is what was minimised."""

ALONE = Place()


class Average:
    """Exponential moving average of a network's parameters, in a network of its own."""

    def __init__(self, network: Network, decay: float):
        self.decay = decay
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._own: list[Tensor] = list(self.network.parameters())
        self._followed: list[Tensor] = list(network.parameters())

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the network; over the first iterations faster, as there is less past."""
        decay = min(self.decay, (step + 1) / (step + 10))
        torch._foreach_lerp_(self._own, self._followed, 1 - decay)


def make_optimiser(network: nn.Module, how: Optimiser, device: torch.device) -> torch.optim.AdamW:
    """AdamW, its update fused where torch has a kernel for it."""
    return torch.optim.AdamW(
        network.parameters(),
        lr=how.learning_rate,
        betas=how.betas,
        weight_decay=how.weight_decay,
        fused=device.type in ("cpu", "cuda"),
    )


class Learner(ABC, Generic[B]):
    """Learns from batches of one kind. `network` is on `device`; `model` is what is called: the
    network itself, or its distributed form."""

    def __init__(
        self, network: Network, recipe: Recipe, device: torch.device, place: Place = ALONE
    ):
        self.network, self.recipe, self.device, self.place = network, recipe, device, place
        self.pixel_loss = PIXEL_LOSSES[recipe.pixel_loss]
        wish = recipe.precision
        self.bf16 = wish == "bf16" or (wish == "auto" and bf16_is_faster(device))
        if device.type == "cuda":
            network.to(memory_format=torch.channels_last)
        self.average = Average(network, recipe.optimiser.ema)
        if device.type == "cpu":
            set_attention_kernel(network, MATH.name)
        self.model = spread(self.called(), place, device)
        self.optimiser = make_optimiser(network, recipe.optimiser, device)

    def called(self) -> nn.Module:
        """The network as it is called."""
        return self.network

    def autocast(self) -> torch.autocast:
        """The precision of the network's computations."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    @abstractmethod
    def losses(self, batch: B) -> Losses:
        """The scalars of a batch, "loss" among them."""

    def learn(self, batch: B, factor: float, step: int) -> Losses:
        """One iteration at a share of the highest learning rate; `step` counts those before it."""
        losses = self.losses(batch)
        self.descend(losses["loss"], factor)
        self.average.update(step)
        return {name: loss.detach() for name, loss in losses.items()}

    def descend(self, loss: Tensor, factor: float) -> None:
        """Move the network's weights against the gradient."""
        how = self.recipe.optimiser
        for group in self.optimiser.param_groups:
            group["lr"] = how.learning_rate * factor
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if how.clip > 0:
            nn.utils.clip_grad_norm_(self.network.parameters(), how.clip)
        self.optimiser.step()

    def magnitudes(self) -> dict[str, float]:
        """Norms that are no numbers when a weight is none."""
        norms = torch._foreach_norm([weight.detach() for weight in self.network.parameters()])
        return {"the norm of the weights": float(torch.stack(norms).sum())}

    def state(self) -> dict[str, Any]:
        """Everything to go on from; tensors are not copied."""
        return {
            "params": self.network.state_dict(),
            "params_ema": self.average.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`. Raises KeyError, RuntimeError or ValueError for another's."""
        self.network.load_state_dict(state["params"])
        self.average.network.load_state_dict(state["params_ema"])
        self.optimiser.load_state_dict(state["optimiser"])


class PixelLearner(Learner[PairBatch]):
    """Minimises the pixel loss of upscaled patches, and that of their frequencies if asked."""

    def losses(self, batch: PairBatch) -> Losses:
        """The scalars of a batch, "loss" among them."""
        pairs = batch.pairs(self.device)
        with self.autocast():
            sr = self.model(pairs.lr)
        return {"loss": restoration_loss(self.recipe)(sr.float(), pairs.target)}
