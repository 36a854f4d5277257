"""The tiny network: its masks and samples, its training run, and the files that it is read from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from gi_plugin import network_file
from gi_plugin.errors import ConfigError, ModelError, TrainingError
from gi_plugin.thin import TILE, scaled
from gi_plugin.train.checkpoint import read_tensors
from gi_plugin.train.data.pictures import find_pictures
from gi_plugin.train.loop import Budget, Progress
from gi_plugin.train.run_state import LAST
from gi_plugin.train.thin import masks, samples, state
from gi_plugin.train.thin.export import export_thin
from gi_plugin.train.thin.network import ThinNetwork, ThinSettings
from gi_plugin.train.thin.run import train
from gi_plugin.train.thin.settings import ThinTrainSettings
from tests.train.pictures import smooth_pictures

SETTINGS = ThinTrainSettings(channels=4, batch=24, validation=2, validate_every=4, seed=3)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight smooth random pictures, and one that is too small."""
    folder = smooth_pictures(tmp_path_factory.mktemp("data") / "pictures", 8, (150, 128))
    smooth_pictures(folder / "small", 1, (64, 64))
    return folder


@pytest.fixture(autouse=True)
def few_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw fewer masks per run, to save time."""
    monkeypatch.setattr(samples, "MASKS", 200)


def _run(pictures: Path, folder: Path, steps: int, settings: ThinTrainSettings = SETTINGS, start: Path | None = None) -> list[Progress]:
    reports: list[Progress] = []
    reports.append(train(pictures, folder, settings, Budget(steps=steps), reports.append, start))
    return reports


@pytest.mark.parametrize("size", [TILE, 2 * TILE])
def test_masks_are_thin_and_of_many_kinds(size: int) -> None:
    """Each mask has missing and known pixels; together they cover all places and have thin and thicker parts."""
    random = np.random.default_rng(0)
    drawn = np.stack([masks.draw(random, size) for _ in range(400)])
    share = drawn.mean(axis=(1, 2))
    assert 0 < share.min() < share.max() <= masks.MOST
    assert share.std() > 0.05
    assert drawn.any(axis=0).all()


def test_samples_follow_from_seed_and_data(pictures: Path) -> None:
    """The same random numbers give the same batch, whose first fill plus correction is the original in scaled units."""
    loaded, holes = samples.load(find_pictures(pictures)), samples.draw_masks(0, TILE)
    assert len(loaded) == 8
    first, second = (samples.batch_of(np.random.default_rng(7), loaded, holes, 30) for _ in range(2))
    for one, two in zip(first, second, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)
    assert first.image.shape == (30, 3, TILE, TILE)
    missing = first.mask.bool()
    assert (first.correction.masked_select(~missing).abs() < 1e-3).all()
    assert missing.flatten(1).any(dim=1).all()


def test_a_continued_run_equals_an_uninterrupted_one(pictures: Path, tmp_path: Path) -> None:
    """Three steps and then three more give bit for bit the state of six steps."""
    _run(pictures, tmp_path / "whole", 6)
    _run(pictures, tmp_path / "parts", 6)
    stopped = tmp_path / "stopped"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gi_plugin.train.thin.run.math.cos", lambda _: 1.0)  # a constant rate, because the budgets differ
        _run(pictures, tmp_path / "constant", 6)
        _run(pictures, stopped, 3)
        _run(pictures, stopped, 6)
    for one, two in (("whole", "parts"), ("constant", "stopped")):
        first, second = (read_tensors(tmp_path / name / LAST)[0] for name in (one, two))
        assert first.keys() == second.keys()
        for name in first:
            torch.testing.assert_close(first[name], second[name], rtol=0, atol=0, msg=name)


def test_training_lowers_the_error(pictures: Path, tmp_path: Path) -> None:
    """Sixty steps on smooth pictures raise the validation PSNR above that of the first fill."""
    settings = replace(SETTINGS, channels=8, batch=64, learning_rate=5e-3, validate_every=1000, ema=0.5)
    reports = _run(pictures, tmp_path / "run", 60, settings)
    start = _run(pictures, tmp_path / "start", 1, replace(settings, learning_rate=1e-12))
    assert reports[-1].psnr is not None
    assert start[-1].psnr is not None
    assert reports[-1].psnr > start[-1].psnr + 0.5


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"batch": 0}, ConfigError, "batch = 0"),
        ({"precision": "fp64"}, ConfigError, "fp32 or bf16"),
        ({"ema": 1.0}, ConfigError, "below 1"),
        ({"validation": 8}, ConfigError, "more than the 8"),
        ({"seed": 4}, TrainingError, "started with seed = 3"),
    ],
)
def test_wrong_settings_are_named(pictures: Path, tmp_path: Path, change: dict[str, object], error: type[Exception], words: str) -> None:
    """A setting that is not allowed, or differs from the run that is continued, is an error that names it."""
    if error is TrainingError:
        _run(pictures, tmp_path, 1)
    with pytest.raises(error, match=words):
        _run(pictures, tmp_path, 2, replace(SETTINGS, **change))  # type: ignore[arg-type]


def test_the_network_file_holds_the_network(tmp_path: Path) -> None:
    """The file gives the same corrections in ONNX's reference evaluator as in PyTorch, for any number and size of tiles."""
    torch.manual_seed(0)
    network = ThinNetwork(ThinSettings(channels=6, dilations=(1, 2)))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    file = tmp_path / "thin.onnx"
    assert export_thin(network, file, {"licence": "CC0-1.0"}) < 1e-3
    read, notes = state.read_network(file)
    assert notes["licence"] == "CC0-1.0"
    random = np.random.default_rng(0)
    for count, side in ((1, 16), (5, 24)):
        tiles = scaled(random.integers(0, 255, (count, side, side, 3)), random.random((count, side, side)) < 0.2)
        image, mask = tiles.inputs()
        (found,) = ReferenceEvaluator(onnx.load(file)).run(None, {"image": image, "mask": mask})
        with torch.inference_mode():
            expected = read(torch.from_numpy(image), torch.from_numpy(mask))
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


def test_files_of_the_two_networks_are_told_apart(small_network_file: Path, pictures: Path, tmp_path: Path) -> None:
    """A file of the other network is refused by an error that says what was expected."""
    _run(pictures, tmp_path, 1)
    assert state.holds_thin_network(tmp_path / LAST)
    assert not state.holds_thin_network(small_network_file)
    export_thin(state.read_network(tmp_path / LAST)[0], tmp_path / "thin.onnx", {})
    with pytest.raises(ModelError, match="path: expected inputs"):
        network_file.load(tmp_path / "thin.onnx")
    with pytest.raises(ModelError, match="thin: expected inputs"):
        network_file.load(small_network_file, network_file.THIN)
    assert json.loads(network_file.metadata(network_file.load(tmp_path / "thin.onnx", network_file.THIN))["network"])["channels"] == 4
