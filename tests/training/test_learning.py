"""The learners: losses fall, averages follow, and each goes on from its state bit for bit."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from esc_cli.errors import WeightsError
from esc_cli.model import build
from esc_cli.model.attention import WindowAttention, math_attention, sdpa_attention
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.train.options import DEFAULT_INTERVALS, TrainOptions
from esc_cli.tasks.train.run import TrainTask
from esc_cli.training.discriminator import Critic
from esc_cli.training.events import Logged
from esc_cli.training.folder import RunFolder, read_checkpoint
from esc_cli.training.learner import Average, PixelLearner
from esc_cli.training.losses import frequency_l1
from esc_cli.training.patches import Batch
from esc_cli.training.perceptual import LAYERS, Perceptual, load_perceptual
from esc_cli.training.recipe import changes, load_recipe

CPU = torch.device("cpu")
TINY = {
    "points": ["data.patch=12", "points.count=30"],
    "real": ["variant=esc-tiny", "data.patch=8", "real.context=4", "adversarial.critic_width=4"],
}


@pytest.fixture
def batch():
    torch.manual_seed(1)
    hr = torch.nn.functional.interpolate(torch.rand(2, 3, 8, 8), (32, 32), mode="bicubic")
    pixels = (hr.clamp(0, 1) * 255).to(torch.uint8)
    return Batch(pixels[..., ::2, ::2].contiguous(), pixels)


@pytest.fixture
def small(recipe):
    return load_recipe(str(recipe))


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    torch.save(Perceptual().state_dict(), path)
    return path


def learner_of(recipe):
    torch.manual_seed(0)
    return PixelLearner(build(recipe.variant, recipe.scale), recipe, CPU)


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting", ["precision=fp32", "precision=bf16", "pixel_loss=l2", "frequency_weight=0.05"]
)
def test_the_loss_falls(recipe, batch, setting):
    learner = learner_of(load_recipe(str(recipe), changes({}, [setting])))
    losses = [float(learner.learn(batch, 1.0, step)["loss"]) for step in range(25)]
    assert losses[-1] < 0.6 * losses[0]


def test_the_loss_of_frequencies_is_that_of_the_transforms_as_numpy_computes_them():
    torch.manual_seed(0)
    sr, target = torch.rand(2, 2, 3, 10, 12)
    transforms = (np.fft.rfft2(tensor.double().numpy()) for tensor in (sr, target))
    difference = np.subtract(*transforms)
    wanted = (np.abs(difference.real).mean() + np.abs(difference.imag).mean()) / 2
    assert frequency_l1(sr, target).item() == pytest.approx(wanted, rel=1e-5)


def test_the_loss_of_frequencies_is_added_with_its_weight(recipe, batch):
    losses = [
        learner_of(load_recipe(str(recipe), changes({}, [setting]))).losses(batch)["loss"].item()
        for setting in ("frequency_weight=0", "frequency_weight=0.1", "frequency_weight=0.2")
    ]
    assert losses[0] < losses[1] < losses[2]
    assert losses[2] - losses[1] == pytest.approx(losses[1] - losses[0], rel=1e-2)


def test_bf16_is_taken_where_the_processor_multiplies_it(recipe):
    flags = torch.cpu.get_capabilities()
    able = bool(flags.get("avx512_bf16") or flags.get("amx_bf16"))
    assert learner_of(load_recipe(str(recipe))).bf16 == able
    assert not learner_of(load_recipe(str(recipe), changes({}, ["precision=fp32"]))).bf16


def test_bf16_computes_nearly_the_same_loss(recipe, batch):
    losses = [
        learner_of(load_recipe(str(recipe), changes({}, [setting]))).losses(batch)["loss"].item()
        for setting in ("precision=fp32", "precision=bf16")
    ]
    assert losses[1] != losses[0]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def test_clipping_limits_the_gradient(recipe, batch):
    settings = changes({}, ["optimiser.clip=1e-3"])
    learner = learner_of(load_recipe(str(recipe), settings))
    learner.learn(batch, 0.0, 0)
    norms = [weight.grad.norm() for weight in learner.network.parameters()]
    assert float(torch.stack(norms).norm()) == pytest.approx(1e-3, rel=1e-3)


def test_the_average_follows_with_its_decay():
    network = build("esc-tiny", 2)
    average = Average(network, 0.75)
    before = copy.deepcopy(average.network.state_dict())
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(1)
    average.update(1000)
    for key, value in average.network.state_dict().items():
        assert torch.allclose(value, before[key] + 0.25, atol=1e-6), key


def test_the_attention_of_training_on_a_cpu_is_the_same():
    torch.manual_seed(0)
    attention = WindowAttention(8, 4, 2)
    q, k, v = torch.randn(3, 5, 2, 16, 4)
    table = attention.relative_position_bias * 100
    found, wanted = (f(q, k, v, table, 4) for f in (math_attention, sdpa_attention))
    assert torch.allclose(found, wanted, atol=1e-6)


def run_to(recipe, pictures, out, iterations, vgg, resume=None):
    changed = load_recipe(
        recipe.name, changes({"schedule.iterations": iterations}, recipe.settings)
    )
    vgg = vgg if recipe.name == "esc-real-gan" else None
    options = TrainOptions(
        changed, pictures, out, resume=resume, vgg=vgg, intervals=replace(DEFAULT_INTERVALS, log=1)
    )
    return [event for event in TrainTask(options, Stop()).run() if isinstance(event, Logged)]


class Small:
    def __init__(self, name):
        self.name = name
        kind = "points" if name == "esc-lte" else "real"
        self.settings = ["data.batch=2", "schedule.warmup=0", *TINY[kind]]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["esc-lte", "esc-real-mse", "esc-real-gan"])
def test_a_run_in_two_parts_is_the_run_in_one(pictures, vgg, tmp_path, name):
    recipe, parts, whole = Small(name), tmp_path / "parts", tmp_path / "whole"
    run_to(recipe, pictures, parts, 1, vgg)
    rest = run_to(recipe, pictures, parts, 2, vgg, resume="auto")
    logged = run_to(recipe, pictures, whole, 2, vgg)
    assert [event.losses for event in rest] == [event.losses for event in logged[1:]]
    states = [read_checkpoint(RunFolder(out).newest()) for out in (parts, whole)]
    for part in ("params", "params_ema", "critic"):
        if part in states[0]:
            for key, value in states[0][part].items():
                assert torch.equal(value, states[1][part][key]), key
    expected = {"loss", "pixel", "perceptual", "adversarial", "critic on real", "critic on made"}
    assert set(logged[0].losses) == (expected if name == "esc-real-gan" else {"loss"})
    assert all(math.isfinite(value) for value in logged[0].losses.values())
    if name == "esc-real-gan":
        losses = logged[0].losses
        parts = losses["pixel"] + losses["perceptual"] + losses["adversarial"]
        assert losses["loss"] == pytest.approx(parts, rel=1e-5)
        assert losses["adversarial"] == pytest.approx(0.1 * math.log(2), rel=0.3)


def test_the_critic_sees_every_pixel_and_is_normalised():
    torch.manual_seed(0)
    critic = Critic(4)
    picture = torch.rand(1, 3, 32, 24)
    assert critic(picture).shape == (1, 1, 32, 24)
    for _ in range(40):  # each pass brings the estimate of the largest singular value closer
        critic(picture)
    weight = critic.down[0].weight.detach().flatten(1)
    assert float(torch.linalg.matrix_norm(weight, 2)) == pytest.approx(1, abs=0.05)


def test_without_weights_of_vgg_it_is_said_how_to_give_them(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match=r"--vgg FILE.*vgg19-dcbb9e9d\.pth"):
        load_perceptual(None)
    (tmp_path / "other.pth").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match=r"other\.pth: holds no weights of VGG19"):
        load_perceptual(tmp_path / "other.pth")


def test_the_perceptual_loss_is_zero_for_equal_pictures_and_trains_nothing(vgg):
    loss = load_perceptual(vgg)
    picture = torch.rand(1, 3, 32, 32)
    assert float(loss(picture, picture)) == 0
    other = torch.rand(1, 3, 32, 32, requires_grad=True)
    loss(other, picture).backward()
    assert other.grad is not None
    assert all(weight.grad is None for weight in loss.parameters())


@pytest.mark.slow
def test_the_perceptual_layers_are_those_of_torchvision(vgg):
    models = pytest.importorskip("torchvision.models")
    features = models.vgg19(weights=None).features
    state = torch.load(vgg, weights_only=True)
    used = max(LAYERS) + 1
    features[:used].load_state_dict({k.removeprefix("features."): v for k, v in state.items()})
    own = load_perceptual(vgg)
    picture = torch.rand(1, 3, 32, 32)
    x = (picture - own.mean) / own.std
    for index, layer in enumerate(features[:used]):
        x = layer(x.clone())
        if index in LAYERS:
            assert torch.allclose(own._features(picture)[index], x, atol=1e-5)
