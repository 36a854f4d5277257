"""Tests of the training run: exact continuation, budgets, divergence, and the files that it writes."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from gi_plugin.config import TrainSettings
from gi_plugin.errors import ConfigError, TrainingError
from gi_plugin.train import loop
from gi_plugin.train.checkpoint import read_network, read_tensors, save_network
from gi_plugin.train.data import bank, resident
from gi_plugin.train.data.pictures import Batch
from gi_plugin.train.loop import BEST, Budget, Progress, train
from gi_plugin.train.model.network import InpaintingNetwork, NetworkSettings
from gi_plugin.train.run_state import LAST, check_unchanged
from gi_plugin.train.step import Trainer
from tests.train.pictures import smooth_pictures

SETTINGS = TrainSettings(
    width=8,
    crop=96,
    batch=2,
    hole_smallest=20,
    hole_largest=40,
    workers=0,
    critic_steps=1,
    critic_warmup=1,
    learning_rate=1e-3,
    validation=2,
    validate_every=2,
)
EVEN = replace(SETTINGS, critic_steps=0, hole_smallest=30, hole_largest=30)  # every sample has the same number of missing pixels


pytestmark = pytest.mark.usefixtures("small_critics")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten smooth random pictures."""
    return smooth_pictures(tmp_path_factory.mktemp("data") / "pictures", 10, (112, 96))


@pytest.fixture(scope="module")
def large_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three smooth random pictures with room for crops of several sizes."""
    return smooth_pictures(tmp_path_factory.mktemp("large") / "pictures", 3, (184, 160))


def _run(pictures: Path, folder: Path, steps: int, settings: TrainSettings = SETTINGS, start: Path | None = None) -> list[Progress]:
    reports: list[Progress] = []
    train(pictures, folder, settings, Budget(steps=steps), reports.append, start)
    return reports


def _state(folder: Path) -> dict[str, Tensor]:
    return read_tensors(folder / LAST)[0]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"gan": "hinge", "pictures": "device"},
        {"gan": "lsgan", "texture_weight": 0.5},
        {"critic": "patch", "gan": "relativistic", "r1": 1.0, "r1_every": 2, "feature_weight": 1.0, "balance": True, "hole_ramp": 5},
    ],
    ids=str,
)
def test_six_steps_equal_three_and_three_more(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, object]
) -> None:
    """A run that is continued has bit for bit the state of an uninterrupted one, including optimisers and critics."""
    for module in (bank, resident):
        monkeypatch.setattr(module, "SIZE", 8)  # masks in the bank
    settings = replace(SETTINGS, **change, validate_every=3)  # type: ignore[arg-type]
    _run(pictures, tmp_path / "whole", 6, settings)
    _run(pictures, tmp_path / "parts", 3, settings)
    _run(pictures, tmp_path / "parts", 6, settings)
    whole, parts = (_state(tmp_path / name) for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())
    best, _ = read_network(tmp_path / "parts" / BEST)
    assert best.settings.width == SETTINGS.width


def test_mixed_crops_train_and_continue(large_pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With crops of several sizes, from pictures on the device, three steps equal two and one more bit for bit."""
    for module in (bank, resident):
        monkeypatch.setattr(module, "SIZE", 4)
    change = {
        "critic_steps": 0,
        "crop": 160,
        "mixed_scales": True,
        "mixed_crops": True,
        "pictures": "device",
        "low_weight": 1.0,
        "validation": 1,
    }
    settings = replace(SETTINGS, **change, validate_every=2)  # type: ignore[arg-type]
    _run(large_pictures, tmp_path / "whole", 3, settings)
    _run(large_pictures, tmp_path / "parts", 2, settings)
    _run(large_pictures, tmp_path / "parts", 3, settings)
    whole, parts = (_state(tmp_path / name) for name in ("whole", "parts"))
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())


@pytest.mark.parametrize(
    "change",
    [
        {"critic_steps": 0},
        {"attention": False},
        {"fill": "grey"},
        {"precision": "bf16"},
        {"accumulate": 2},
        {"critic": "patch", "gan": "hinge"},
        {"critic_steps": 0, "attention_weight": 1.0, "blobs": 0.5, "shapes": 0.5},
        {"discount": 1.0, "free_form": 1.0, "ema": 0.0, "channels_last": False, "decay": True},
    ],
    ids=str,
)
def test_every_switch_trains(pictures: Path, tmp_path: Path, change: dict[str, object]) -> None:
    """With each option, a step changes the parameters, and they stay finite."""
    settings = replace(SETTINGS, **change)  # type: ignore[arg-type]
    _run(pictures, tmp_path, 1, settings)
    first, _ = read_network(tmp_path / LAST)
    _run(pictures, tmp_path, 2, settings)
    second, _ = read_network(tmp_path / LAST)
    assert all(torch.isfinite(value).all() for value in second.state_dict().values())
    assert any(not torch.equal(value, first.state_dict()[name]) for name, value in second.state_dict().items())


def test_accumulated_parts_equal_the_whole_batch(pictures: Path, tmp_path: Path) -> None:
    """Without critics, two half batches with as many missing pixels each give the step of the whole batch, up to rounding."""
    settings = replace(EVEN, ema=0.0)
    _run(pictures, tmp_path / "whole", 1, settings)
    _run(pictures, tmp_path / "parts", 1, replace(settings, accumulate=2))
    whole, parts = (_state(tmp_path / name) for name in ("whole", "parts"))
    for name in (name for name in whole if name.startswith("adam.") and name.endswith("exp_avg")):
        torch.testing.assert_close(whole[name], parts[name], rtol=1e-3, atol=1e-6)


def test_progress_counts_towards_the_budget(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports come in order, with the PSNR of the validation; a continued run with a used budget makes no step."""
    monkeypatch.setattr(loop, "REPORT_SECONDS", math.inf)  # reports then depend on steps only, not on the speed of the machine
    reports = _run(pictures, tmp_path, 4)
    assert [progress.step for progress in reports] == [2, 4]
    assert [progress.share for progress in reports] == [0.25, 0.75]  # before the step
    assert all(progress.psnr is not None and progress.rate > 0 for progress in reports)
    assert _run(pictures, tmp_path, 4) == []


def test_training_improves_the_validation(pictures: Path, tmp_path: Path) -> None:
    """On smooth pictures, the PSNR on validation pictures rises by more than 0.3 dB from step 10 to step 40."""
    reports = _run(pictures, tmp_path, 40, replace(SETTINGS, critic_steps=0, validate_every=10, ema=0.8))
    scores = [progress.psnr for progress in reports if progress.psnr is not None]
    assert scores[-1] > scores[0] + 0.3


def test_a_minute_budget_ends_the_run(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run ends when its minutes are used; time before a continuation counts."""
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=itertools.count().__next__))  # a clock that gains 1 s at each look
    position = train(pictures, tmp_path, SETTINGS, Budget(minutes=0.5), lambda _: None)
    assert 0 < position.step < 30
    assert 30 <= position.seconds < 60
    continued = train(pictures, tmp_path, SETTINGS, Budget(minutes=0.5), lambda _: None)
    assert continued.step == position.step


def test_warming_up_the_critics_leaves_time_to_train(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long warm-up of the critics ends after a quarter of the minutes."""
    save_network(InpaintingNetwork(NetworkSettings(width=8)), tmp_path / "start.safetensors", {})
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=itertools.count().__next__))  # a clock that gains 1 s at each look
    settings = replace(SETTINGS, critic_warmup=1000)
    position = train(pictures, tmp_path / "run", settings, Budget(minutes=0.5), lambda _: None, tmp_path / "start.safetensors")
    assert position.step > 0


def test_divergence_keeps_the_last_good_state(pictures: Path, tmp_path: Path) -> None:
    """If the loss explodes, the run ends with an error, and the saved state is unchanged."""
    settings = replace(SETTINGS, learning_rate=1.0, beta2=0.0, adversarial_weight=10.0)
    _run(pictures, tmp_path, 1, settings)
    good = (tmp_path / LAST).read_bytes()
    with pytest.raises(TrainingError, match="diverged at step"):
        _run(pictures, tmp_path, 60, settings)
    assert (tmp_path / LAST).read_bytes() == good


@pytest.mark.parametrize(("values", "step"), [([math.nan], 1), ([-math.inf], 1), ([1.0, 10.1], 2), ([-1.0, 9.9, -11.0], 3)], ids=str)
def test_a_loss_of_ten_times_its_mean_is_divergence(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: list[float], step: int
) -> None:
    """NaN, infinity, and a loss above ten times the running mean of absolute losses end the run at that step."""
    coming = iter(values)

    def next_loss(_trainer: Trainer, _batch: Batch) -> dict[str, Tensor]:
        return {"loss": torch.tensor(next(coming))}

    monkeypatch.setattr(Trainer, "generator_step", next_loss)
    with pytest.raises(TrainingError, match=f"diverged at step {step} "):
        _run(pictures, tmp_path, 60, replace(SETTINGS, critic_steps=0, validate_every=100))


def test_a_run_with_other_settings_is_refused(pictures: Path, tmp_path: Path) -> None:
    """Continuing a run with another setting raises TrainingError that names the setting and both values."""
    _run(pictures, tmp_path, 1)
    with pytest.raises(TrainingError, match=r"learning_rate = 0.001, got 0.002"):
        _run(pictures, tmp_path, 2, replace(SETTINGS, learning_rate=2e-3))


def test_a_setting_that_is_newer_than_the_run_had_its_default(tmp_path: Path) -> None:
    """A state without a setting can be continued with the setting's default, and with no other value."""
    saved = {key: value for key, value in asdict(SETTINGS).items() if key != "r1_every"}
    check_unchanged(saved, SETTINGS, tmp_path)
    with pytest.raises(TrainingError, match="r1_every = 1, got 3"):
        check_unchanged(saved, replace(SETTINGS, r1_every=3), tmp_path)


def test_a_run_starts_from_a_trained_network(pictures: Path, tmp_path: Path) -> None:
    """A new run takes network and licence from a file; a network with other settings raises ConfigError."""
    _run(pictures, tmp_path / "first", 1)
    network, _ = read_network(tmp_path / "first" / LAST)
    save_network(network, tmp_path / "start.safetensors", {"licence": "CC0-1.0"})
    _run(pictures, tmp_path / "second", 1, replace(SETTINGS, learning_rate=1e-8), tmp_path / "start.safetensors")
    continued, notes = read_network(tmp_path / "second" / LAST)
    assert notes["licence"] == "CC0-1.0"
    for name, value in network.state_dict().items():
        torch.testing.assert_close(continued.state_dict()[name], value, rtol=0, atol=1e-6)
    with pytest.raises(ConfigError, match="contains a network of"):
        _run(pictures, tmp_path / "third", 1, replace(SETTINGS, width=16), tmp_path / "start.safetensors")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"hole_largest": 100}, "smallest <= largest <= crop"),
        ({"batch": 3, "accumulate": 2}, "multiple of processes x accumulate"),
        ({"validation": 10}, "too few pictures: got 10"),
        ({"free_form": 0.5, "blobs": 0.4, "shapes": 0.2}, "expected a sum of at most 1"),
        ({"critic": "patch"}, "expected a gan other than 'wgan-gp'"),
        ({"feature_weight": 1.0}, "feature_weight: expected critic = 'patch'"),
        ({"r1": 1.0}, "r1: expected a gan other than"),
        ({"r1_every": 2}, "r1_every: expected r1 above 0"),
        ({"mixed_crops": True}, "mixed_crops: expected critic = 'patch'"),
        ({"critic_steps": 0, "mixed_crops": True}, "expected crop of at least 160"),
        ({"attention_weight": 1.0, "attention": False}, "attention_weight: expected attention = true"),
    ],
)
def test_settings_that_do_not_fit_are_errors(pictures: Path, tmp_path: Path, change: dict[str, object], text: str) -> None:
    """Settings that do not fit each other or the data raise ConfigError before the first step."""
    with pytest.raises(ConfigError, match=text):
        _run(pictures, tmp_path, 1, replace(SETTINGS, **change))  # type: ignore[arg-type]


@pytest.mark.slow
def test_two_processes_train_one_network(pictures: Path, tmp_path: Path) -> None:
    """Under torchrun, each of two processes takes half of every batch; the result equals that of one process, up to rounding."""
    script = tmp_path / "run.py"
    script.write_text(
        "from pathlib import Path\nfrom gi_plugin.config import TrainSettings\nfrom gi_plugin.train.loop import Budget, train\n"
        f"train(Path({str(pictures)!r}), Path({str(tmp_path / 'two')!r}), {EVEN!r}, "
        "Budget(steps=2), lambda _: None)\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=29533", str(script)]
    subprocess.run(command, check=True, timeout=300, capture_output=True)
    _run(pictures, tmp_path / "one", 2, EVEN)
    one, two = (_state(tmp_path / name) for name in ("one", "two"))
    for name in (name for name in one if name.startswith("adam.") and name.endswith("exp_avg")):
        torch.testing.assert_close(one[name], two[name], rtol=1e-2, atol=1e-5)
