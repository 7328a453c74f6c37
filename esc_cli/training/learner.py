"""A network that learns: objective, optimiser, moving average, and their state."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from esc_cli.model import Network
from esc_cli.model.attention import set_attention_kernel
from esc_cli.training.distributed import Place, spread
from esc_cli.training.patches import Batch, to_unit
from esc_cli.training.recipe import Optimiser, Recipe

Losses = dict[str, Tensor]
"""Scalars by name, detached; "loss" is what was minimised."""

ALONE = Place()
PIXEL_LOSSES = {"l1": F.l1_loss, "l2": F.mse_loss}


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


class Learner:
    """Minimises the pixel loss. `network` is on `device`; `model` is what is called: the network
    itself, or its compiled or distributed form."""

    def __init__(
        self, network: Network, recipe: Recipe, device: torch.device, place: Place = ALONE
    ):
        self.network, self.recipe, self.device = network, recipe, device
        wish = recipe.precision
        self.bf16 = wish == "bf16" or (wish == "auto" and device.type == "cuda")
        self.model = spread(network, place, device)
        self.average = Average(network, recipe.optimiser.ema)
        if device.type == "cpu":
            set_attention_kernel(network, "math")
        self.optimiser = make_optimiser(network, recipe.optimiser, device)

    def learn(self, batch: Batch, rate: float, step: int) -> Losses:
        """One iteration at a learning rate; `step` counts those before it."""
        losses = self.losses(batch)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        losses["loss"].backward()
        if self.recipe.optimiser.clip > 0:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.optimiser.clip)
        self.optimiser.step()
        self.average.update(step)
        return {name: loss.detach() for name, loss in losses.items()}

    def losses(self, batch: Batch) -> Losses:
        """The scalars of a batch, "loss" among them."""
        lr, hr = to_unit(batch, self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            sr = self.model(lr)
        return {"loss": PIXEL_LOSSES[self.recipe.pixel_loss](sr.float(), hr)}

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
