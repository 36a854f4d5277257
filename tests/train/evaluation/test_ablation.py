"""Tests of the ablation and of the speed measurement."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gi_plugin.config import TrainSettings
from gi_plugin.train import loop
from gi_plugin.train.data.masks import center
from gi_plugin.train.evaluation import throughput
from gi_plugin.train.evaluation.ablation import ablate, network_method
from gi_plugin.train.evaluation.mask_sets import PAPER_SETS
from gi_plugin.train.evaluation.step_profile import StepProfile
from gi_plugin.train.loop import Budget
from gi_plugin.train.model.network import InpaintingNetwork, NetworkSettings
from gi_plugin.train.run_state import LAST
from tests.train.pictures import smooth_pictures

SETTINGS = TrainSettings(width=8, crop=96, batch=2, hole_smallest=20, hole_largest=40, workers=0, critic_steps=1, validation=2)
pytestmark = pytest.mark.usefixtures("small_critics")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Four smooth random pictures, large enough for an evaluation."""
    return smooth_pictures(tmp_path / "pictures", 4, (256, 256))


@pytest.mark.slow
def test_an_ablation_scores_both_settings(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each setting has its own run, a report, and a row per mask set."""
    monkeypatch.setattr(loop, "REPORT_SECONDS", math.inf)  # reports then depend on steps only, not on the speed of the machine
    monkeypatch.setattr(loop, "REPORT_STEPS", 2)
    settings = {"with": SETTINGS, "without": replace(SETTINGS, attention=False)}
    (pictures / "list.txt").write_text("0.png\n", encoding="utf-8")
    reported: list[str] = []
    rows = ablate(pictures, [pictures / "list.txt"], tmp_path / "out", settings, Budget(steps=2), lambda name, _: reported.append(name))
    assert reported == list(settings)
    assert [(row.mask_set, row.method, row.pictures) for row in rows] == [
        (mask, f"{name} (2 steps)", 1) for mask in PAPER_SETS for name in settings
    ]
    assert all((tmp_path / "out" / name / LAST).is_file() for name in settings)
    assert all(np.isfinite(row.scores.psnr) for row in rows)


def test_a_network_as_fill_method() -> None:
    """In a picture of one colour, the known pixels stay and the hole gets that colour, up to one grey level."""
    image, hole = np.full((96, 96, 3), 200, np.uint8), center(96, 32)
    filled = network_method(InpaintingNetwork(NetworkSettings(width=8)))(np.where(hole[..., None], np.uint8(0), image), hole)
    np.testing.assert_allclose(filled, image, atol=1)


def test_throughput_compares_with_the_first_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting has a speed and a profile that names what takes most of its time; the ratio of the first one is 1."""
    monkeypatch.setattr(throughput, "TURNS", 1)
    assert list(throughput.variants(SETTINGS)) == ["fp32", "bf16, channels last", "bf16, no critics"]
    rows = throughput.measure(throughput.variants(replace(SETTINGS, batch=1, critic_steps=0)), lambda _: None)
    assert [row.name for row in rows] == ["fp32", "bf16, channels last"]
    assert rows[0].ratio == 1
    assert all(row.pictures_per_second > 0 for row in rows)
    for row in rows:
        shares = [share for _, share in row.profile.operations]
        assert shares == sorted(shares, reverse=True)
        assert 0 < sum(shares) <= 1
        assert row.profile.bound.startswith(row.profile.operations[0][0])


def test_a_gpu_that_computes_half_of_the_time_waits_for_the_host() -> None:
    """The bound of a step is the host if the GPU is idle for more than a tenth of the time, else its longest operation."""
    operations = (("convolution", 0.6), ("copy", 0.4))
    assert StepProfile(operations, 0.5).bound == "the GPU waits for the host, 50% of the time"
    assert StepProfile(operations, 0.95).bound == "convolution, 60%"
