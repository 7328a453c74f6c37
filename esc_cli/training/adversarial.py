"""Learning against a critic: pixel, perceptual and adversarial losses together."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from esc_cli.model import Network
from esc_cli.training.discriminator import Critic
from esc_cli.training.distributed import Place, spread
from esc_cli.training.learner import Learner, Losses
from esc_cli.training.patches import PairBatch, Pairs
from esc_cli.training.perceptual import Perceptual
from esc_cli.training.recipe import Recipe


def judged(logits: Tensor, real: bool) -> Tensor:
    """The critic's error, or the network's when it wants its pictures to pass as real."""
    logits = logits.float()
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


class AdversarialLearner(Learner[PairBatch]):
    """The network against a critic; both learn from the same batch.

    Pixel and perceptual losses compare with the target, which may be sharpened; to the critic
    the plain HR is what is real, as in Real-ESRGAN.
    """

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        device: torch.device,
        place: Place,
        perceptual: Perceptual,
    ):
        super().__init__(network, recipe, device, place)
        self.perceptual = perceptual.to(device)
        self.critic = Critic(recipe.adversarial.critic_width).to(device)
        self.judge = spread(self.critic, place, device)
        self.critic_optimiser = torch.optim.AdamW(
            self.critic.parameters(),
            lr=recipe.adversarial.critic_learning_rate,
            betas=recipe.optimiser.betas,
            weight_decay=recipe.optimiser.weight_decay,
        )

    def learn(self, batch: PairBatch, factor: float, step: int) -> Losses:
        """One iteration: first the network, then the critic on what the network made."""
        pairs = batch.pairs(self.device)
        losses, sr = self._own_losses(pairs)
        self.descend(losses["loss"], factor)
        self.average.update(step)
        critic = self._teach_critic(pairs.hr, sr.detach(), factor)
        return {name: loss.detach() for name, loss in (losses | critic).items()}

    def losses(self, batch: PairBatch) -> Losses:
        """The scalars of a batch, "loss" among them."""
        return self._own_losses(batch.pairs(self.device))[0]

    def _own_losses(self, pairs: Pairs) -> tuple[Losses, Tensor]:
        weights = self.recipe.adversarial
        self.critic.requires_grad_(False)
        with self.autocast():
            sr = self.model(pairs.lr).float()
            perceptual = self.perceptual(sr, pairs.target)
            fooled = judged(self.critic(sr), real=True)
        losses = {
            "pixel": weights.pixel * self.pixel_loss(sr, pairs.target),
            "perceptual": weights.perceptual * perceptual,
            "adversarial": weights.adversarial * fooled,
        }
        return {"loss": torch.stack(list(losses.values())).sum(), **losses}, sr

    def _teach_critic(self, hr: Tensor, sr: Tensor, factor: float) -> Losses:
        self.critic.requires_grad_(True)
        for group in self.critic_optimiser.param_groups:
            group["lr"] = self.recipe.adversarial.critic_learning_rate * factor
        self.critic_optimiser.zero_grad(set_to_none=True)
        errors = {}
        for name, pictures in (("critic on real", hr), ("critic on made", sr)):
            with self.autocast():
                error = judged(self.judge(pictures), real=pictures is hr)
            error.backward()
            errors[name] = error
        self.critic_optimiser.step()
        return errors

    def magnitudes(self) -> dict[str, float]:
        """Norms that are no numbers when a weight is none, of network and critic."""
        weights = [weight.detach() for weight in self.critic.parameters()]
        norm = float(torch.stack(torch._foreach_norm(weights)).sum())
        return {**super().magnitudes(), "the norm of the critic's weights": norm}

    def state(self) -> dict[str, Any]:
        """Everything to go on from; tensors are not copied."""
        critic = {
            "critic": self.critic.state_dict(),
            "critic_optimiser": self.critic_optimiser.state_dict(),
        }
        return {**super().state(), **critic}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`. Raises KeyError, RuntimeError or ValueError for another's."""
        super().restore(state)
        self.critic.load_state_dict(state["critic"])
        self.critic_optimiser.load_state_dict(state["critic_optimiser"])
