"""One rule for ESC_OFFLINE, for weights and metrics alike."""

from __future__ import annotations

import pytest
import torch

from esc_cli.errors import WeightsError
from esc_cli.evaluation import iqa_weights
from esc_cli.files.http import Link


@pytest.mark.parametrize("value", ["1", "2", "true", "yes", "on", "anything"])
def test_whatever_it_holds_forbids_connections(monkeypatch, value):
    monkeypatch.setenv("ESC_OFFLINE", value)
    assert Link().is_offline
    assert iqa_weights.obstacle("https://localhost:1/") == "ESC_OFFLINE is set"


@pytest.mark.parametrize("value", ["", "0", "no", "off", "False", " "])
def test_nothing_and_words_for_no_allow_them(monkeypatch, value):
    monkeypatch.setenv("ESC_OFFLINE", value)
    monkeypatch.setattr(iqa_weights, "_ask", lambda _root: "asked")
    assert not Link().is_offline
    assert iqa_weights.obstacle("https://localhost:1/") == "asked"


def test_the_option_forbids_them_too(monkeypatch):
    monkeypatch.delenv("ESC_OFFLINE", raising=False)
    assert Link(offline=True).is_offline
    with iqa_weights.gated_downloads("lpips", offline=True), pytest.raises(WeightsError) as refused:
        torch.hub.download_url_to_file("https://localhost:1/lpips.pth", "no/lpips.pth")
    assert "from localhost:1: --offline forbids connections" in str(refused.value)
