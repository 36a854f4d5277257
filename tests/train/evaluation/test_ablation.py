"""Tests of the ablation and of the speed measurement."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
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
from tests.gi_plugin.command import Cli, Result
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


@pytest.fixture
def speeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Return a function that runs `gi-plugin throughput` with a small network and no settings of the user."""
    (tmp_path / "plugin.toml").touch()
    small = ("width=8", "crop=96", "hole_smallest=20", "hole_largest=40")
    words = ("throughput", "--config", str(tmp_path / "plugin.toml"), *(word for text in small for word in ("--set", text)))
    return partial(Cli(monkeypatch, capsys), *words)


def test_throughput_prints_and_writes_its_rows(speeds: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row is a line on stderr when it is first measured; JSON, also in the file, has speeds, ratios and what takes the time."""
    monkeypatch.setattr(throughput, "TURNS", 2)
    file = tmp_path / "new" / "speeds.json"
    code, out, lines = speeds("--set", "batch=1", "--set", "critic_steps=0", "-o", str(file), "--json")
    rows = json.loads(out)
    assert code == 0
    assert json.loads(file.read_text(encoding="utf-8")) == rows
    assert [(row["name"], row["turns"]) for row in rows] == [("fp32", 2), ("bf16, channels last", 2)]
    assert [line.partition(": ")[0] for line in lines if "pictures/s" in line] == [row["name"] for row in rows]
    for row in rows:
        assert row["preparation"] > 0
        assert row["ratio"] == pytest.approx(row["pictures_per_second"] / rows[0]["pictures_per_second"])
        shares = [share for _, share in row["profile"]["operations"]]
        assert shares == sorted(shares, reverse=True)
        assert 0 < sum(shares) <= 1
        assert row["bound"].startswith(row["profile"]["operations"][0][0])


@pytest.mark.skipif(sys.platform == "win32", reason="has no interval timer")
def test_throughput_ends_in_time(speeds: Callable[..., Result], tmp_path: Path) -> None:
    """If the minutes are over within the first setting, the command ends with an error that says so, and writes no file."""
    slow = ("--set", "batch=64", "--set", "critic_steps=100", "--minutes", "0.01")
    code, _, lines = speeds(*slow, "-o", str(tmp_path / "speeds.json"))
    assert code == 2
    assert lines == ["error: no setting was measured in 0.01 minutes: allow more, or try --set compile=off"]
    assert not (tmp_path / "speeds.json").exists()


def test_a_row_comes_before_the_next_setting_is_prepared() -> None:
    """Throughput: the first setting's row is there although the second setting cannot run; the network of a setting is accelerated."""
    assert list(throughput.variants(SETTINGS)) == ["fp32", "bf16, channels last", "bf16, no critics"]
    settings = {"first": replace(SETTINGS, batch=1, critic_steps=0), "second": replace(SETTINGS, accumulate=0)}
    accelerated: list[InpaintingNetwork] = []
    rows = throughput.measure(settings, lambda _: None, accelerated.append)
    first = next(rows)
    assert (first.name, first.turns, first.ratio) == ("first", 1, 1)
    assert len(accelerated) == 1
    with pytest.raises(RuntimeError, match="chunks"):
        next(rows)


def test_a_gpu_that_computes_half_of_the_time_waits_for_the_host() -> None:
    """The bound of a step is the host if the GPU is idle for more than a tenth of the time, else its longest operation."""
    operations = (("convolution", 0.6), ("copy", 0.4))
    assert StepProfile(operations, 0.5).bound == "the GPU waits for the host, 50% of the time"
    assert StepProfile(operations, 0.95).bound == "convolution, 60%"
