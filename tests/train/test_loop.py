"""The training run: it goes on exactly where it stopped, stops when it must, and leaves files that can be used."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gi_plugin.config import TrainSettings
from gi_plugin.errors import ConfigError, TrainingError
from gi_plugin.train import loop
from gi_plugin.train.checkpoint import read_network, read_tensors, save_network
from gi_plugin.train.loop import BEST, LAST, Budget, Progress, train

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


EVEN = replace(SETTINGS, critic_steps=0, hole_smallest=30, hole_largest=30)  # every sample misses the same number of pixels


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten smooth random pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for index in range(10):
        small = Image.fromarray(random.integers(0, 256, (6, 6, 3), np.uint8))
        small.resize((112, 96), Image.Resampling.BICUBIC).save(folder / f"{index}.png")
    return folder


def _run(pictures: Path, folder: Path, steps: int, settings: TrainSettings = SETTINGS, start: Path | None = None) -> list[Progress]:
    told: list[Progress] = []
    train(pictures, folder, settings, Budget(steps=steps), told.append, start)
    return told


@pytest.mark.parametrize("gan", ["wgan-gp", "hinge", "lsgan"])
def test_ten_steps_equal_five_and_five_more(pictures: Path, tmp_path: Path, gan: str) -> None:
    """A run that stopped and went on holds bit for bit what an uninterrupted one holds, optimisers and critics included."""
    settings = replace(SETTINGS, gan=gan)
    _run(pictures, tmp_path / "whole", 10, settings)
    _run(pictures, tmp_path / "parts", 5, settings)
    _run(pictures, tmp_path / "parts", 10, settings)
    whole, parts = (read_tensors(tmp_path / name / LAST)[0] for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())
    before, _ = read_network(tmp_path / "parts" / BEST)
    assert before.settings.width == SETTINGS.width


@pytest.mark.parametrize(
    "change",
    [
        {"critic_steps": 0},
        {"attention": False},
        {"fill": "grey"},
        {"precision": "bf16"},
        {"accumulate": 2},
        {"discount": 1.0, "free_form": 1.0, "ema": 0.0, "channels_last": False, "decay": True},
    ],
    ids=str,
)
def test_every_switch_trains(pictures: Path, tmp_path: Path, change: dict[str, object]) -> None:
    """Each option runs, changes the parameters and stays finite."""
    settings = replace(SETTINGS, **change)  # type: ignore[arg-type]
    _run(pictures, tmp_path, 2, settings)
    network, _ = read_network(tmp_path / LAST)
    untrained = Path(tmp_path / "untrained")
    _run(pictures, untrained, 1, settings)
    first, _ = read_network(untrained / LAST)
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())
    assert any(not torch.equal(value, first.state_dict()[name]) for name, value in network.state_dict().items())


def test_accumulated_parts_equal_the_whole_batch(pictures: Path, tmp_path: Path) -> None:
    """Without critics, a batch cut in two gives the same step up to rounding, when every part has as many missing pixels."""
    settings = replace(EVEN, ema=0.0)
    _run(pictures, tmp_path / "whole", 1, settings)
    _run(pictures, tmp_path / "parts", 1, replace(settings, accumulate=2))
    whole, parts = (read_tensors(tmp_path / name / LAST)[0] for name in ("whole", "parts"))
    for name in (name for name in whole if name.startswith("adam.") and name.endswith("exp_avg")):
        torch.testing.assert_close(whole[name], parts[name], rtol=1e-3, atol=1e-6)


def test_progress_counts_towards_the_budget(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports come in order, with the validation's PSNR, and a used-up budget ends at once."""
    monkeypatch.setattr(loop, "REPORT_SECONDS", math.inf)  # however slow the machine, reports come by steps
    told = _run(pictures, tmp_path, 4)
    assert [progress.step for progress in told] == [2, 4]
    assert all(progress.psnr is not None and progress.rate > 0 for progress in told)
    assert _run(pictures, tmp_path, 4) == []


def test_training_improves_the_validation(pictures: Path, tmp_path: Path) -> None:
    """Sixty steps on smooth pictures complete held-out ones better than the first ten did."""
    told = _run(pictures, tmp_path, 60, replace(SETTINGS, critic_steps=0, validate_every=10, ema=0.8))
    scores = [progress.psnr for progress in told if progress.psnr is not None]
    assert scores[-1] > scores[0] + 0.3


def test_a_minute_budget_ends_the_run(pictures: Path, tmp_path: Path) -> None:
    """The time budget counts as well as the steps."""
    position = train(pictures, tmp_path, SETTINGS, Budget(minutes=0.05), lambda _: None)
    assert 0 < position.step < 10_000
    assert position.seconds >= 3


def test_divergence_keeps_the_last_good_state(pictures: Path, tmp_path: Path) -> None:
    """A loss that is no number ends the run with a clear message, and the saved state is the one before."""
    _run(pictures, tmp_path, 1)
    good = (tmp_path / LAST).read_bytes()
    with pytest.raises(TrainingError, match="diverged at step"):
        _run(pictures, tmp_path / "new", 60, replace(SETTINGS, learning_rate=1.0, beta2=0.0, adversarial_weight=10.0))
    assert (tmp_path / LAST).read_bytes() == good


def test_a_run_with_other_settings_is_refused(pictures: Path, tmp_path: Path) -> None:
    """Continuing with a changed setting names the setting and both values."""
    _run(pictures, tmp_path, 1)
    with pytest.raises(TrainingError, match=r"learning_rate = 0.001, got 0.002"):
        _run(pictures, tmp_path, 2, replace(SETTINGS, learning_rate=2e-3))


def test_a_run_starts_from_a_trained_network(pictures: Path, tmp_path: Path) -> None:
    """The network comes from the file; one of another kind is refused."""
    _run(pictures, tmp_path / "first", 3)
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
        ({"validation": 10}, "too few"),
    ],
)
def test_settings_that_do_not_fit_are_named(pictures: Path, tmp_path: Path, change: dict[str, int], text: str) -> None:
    """Contradictions between settings and data are found before the first step."""
    with pytest.raises(ConfigError, match=text):
        _run(pictures, tmp_path, 1, replace(SETTINGS, **change))  # type: ignore[arg-type]


@pytest.mark.slow
def test_two_processes_train_one_network(pictures: Path, tmp_path: Path) -> None:
    """Under torchrun two processes take the halves of every batch: the result is that of one process, up to rounding."""
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
    one, two = (read_tensors(tmp_path / name / LAST)[0] for name in ("one", "two"))
    for name in (name for name in one if name.startswith("adam.") and name.endswith("exp_avg")):
        torch.testing.assert_close(one[name], two[name], rtol=1e-2, atol=1e-5)
