"""Tests of a session on a rented machine: state in parts, continuation, checks before the clock, and the end in time."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from gi_plugin.config import TrainSettings
from gi_plugin.errors import ConfigError, ModelError
from gi_plugin.train import loop
from gi_plugin.train.checkpoint import save_network
from gi_plugin.train.loop import Budget, TrainingRun
from gi_plugin.train.model.network import InpaintingNetwork, NetworkSettings
from gi_plugin.train.rented import session
from gi_plugin.train.rented.parts import PartedState, read_parts
from gi_plugin.train.rented.session import RECIPE, check
from gi_plugin.train.run_state import tensors_of
from tests.train.pictures import smooth_pictures

SETTINGS = TrainSettings(
    width=8,
    crop=96,
    batch=2,
    hole_smallest=20,
    hole_largest=40,
    workers=0,
    critic="patch",
    gan="bce",
    critic_steps=1,
    critic_warmup=1,
    feature_weight=0.5,
    balance=True,
    validation=2,
)

pytestmark = pytest.mark.usefixtures("small_critics")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six smooth random pictures."""
    return smooth_pictures(tmp_path_factory.mktemp("data") / "pictures", 6, (112, 96))


def _run(pictures: Path, folder: Path, steps: int, start: Path | None = None) -> TrainingRun:
    run = TrainingRun(pictures, folder, SETTINGS, Budget(steps=steps), lambda _: None, state=PartedState(0.1, start))
    run.run()
    return run


def test_parts_hold_the_whole_state_in_half_the_precision(pictures: Path, tmp_path: Path) -> None:
    """Parts keep to their size; parameters come back as fp16, moments as bf16, everything else unchanged, in a new run's trainer."""
    first = _run(pictures, tmp_path / "first", 2)
    files = sorted((tmp_path / "first").glob("parts/step-0000002/part-*"))
    assert len(files) > 1
    assert max(file.stat().st_size for file in files) <= 100_000
    second = TrainingRun(pictures, tmp_path / "second", SETTINGS, Budget(), lambda _: None, state=PartedState(1, tmp_path / "first"))
    assert (second.position.step, second.position.sample, second.position.seconds) == (2, first.position.sample, 0)
    assert second.warmup == 0
    expected, restored = tensors_of(first.trainer), tensors_of(second.trainer)
    assert restored.keys() == expected.keys()
    for name, value in expected.items():
        kind = torch.bfloat16 if "exp_avg" in name else torch.float16 if name.startswith(("network", "average", "critics")) else value.dtype
        assert torch.equal(restored[name], value.to(kind).to(value.dtype)), name


def test_only_the_newest_state_is_kept(pictures: Path, tmp_path: Path) -> None:
    """A later state replaces the earlier one; a session whose folder has a state continues from that, not from its start."""
    _run(pictures, tmp_path / "start", 1)
    _run(pictures, tmp_path / "run", 2, tmp_path / "start")
    assert [folder.name for folder in (tmp_path / "run" / "parts").iterdir()] == ["step-0000002"]
    assert _run(pictures, tmp_path / "run", 2, tmp_path / "start").position.step == 2


def test_a_missing_part_is_an_error(pictures: Path, tmp_path: Path) -> None:
    """If a part was not copied, reading raises ModelError that counts the parts; so does a folder without parts."""
    _run(pictures, tmp_path, 1)
    next(tmp_path.glob("parts/*/part-2-*")).unlink()
    with pytest.raises(ModelError, match=r"found (\d+) of \d+ files"):
        read_parts(tmp_path)
    with pytest.raises(ModelError, match="found 0 of 1 files"):
        read_parts(tmp_path / "nothing")


def test_parts_smaller_than_a_tensor_are_an_error(pictures: Path, tmp_path: Path) -> None:
    """A limit below the size of one tensor raises ConfigError that names the tensor."""
    run = TrainingRun(pictures, tmp_path, SETTINGS, Budget(), lambda _: None, state=PartedState(0.001))
    with pytest.raises(ConfigError, match=r"the largest tensor, .* has 0\.0 MB"):
        run.save()


def test_a_session_ends_in_time_and_leaves_its_files(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session trains, takes no longer than its minutes, and leaves parts, a JSON with its figures, and a sheet of four columns."""
    clock = SimpleNamespace(monotonic=itertools.count(0.0, 0.1).__next__)  # gains 0.1 s at each look
    for module in (loop, session):
        monkeypatch.setattr(module, "time", clock)
    network = InpaintingNetwork(NetworkSettings(width=8))
    save_network(network, tmp_path / "start.safetensors", {})
    settings = replace(SETTINGS, validation=3)
    done = session.train_for(0.15, pictures, tmp_path / "out", settings, 1, lambda _: None, tmp_path / "start.safetensors")
    assert 5 < done["seconds"] <= 9
    assert done == json.loads((tmp_path / "out" / "session.json").read_text(encoding="utf-8"))
    assert done["steps"] > 0
    assert math.isfinite(done["psnr_after"])
    assert done["parts"] == {file.name: file.stat().st_size for file in (tmp_path / "out").glob("parts/*/*")}
    pixels = np.asarray(Image.open(tmp_path / "out" / "sheet.png"))
    assert pixels.shape[1] > 4 * 96
    assert pixels.shape[0] > 3 * 96


def test_too_few_minutes_are_an_error(pictures: Path, tmp_path: Path) -> None:
    """If preparing and saving would use up the minutes, the session ends before training with the time that they need."""
    with pytest.raises(ConfigError, match=r"0.01 minutes are too few: to prepare and to save takes \d+ s"):
        session.train_for(0.01, pictures, tmp_path, SETTINGS, 1, lambda _: None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_session_without_a_gpu_is_refused(pictures: Path, tmp_path: Path) -> None:
    """Without a CUDA GPU the check raises ConfigError; with `cpu` it passes."""
    with pytest.raises(ConfigError, match="finds no CUDA GPU"):
        check(pictures, None, tmp_path / "out", SETTINGS, cpu=False)
    check(pictures, None, tmp_path / "out", SETTINGS, cpu=True)


@pytest.mark.parametrize(
    ("start", "change", "text"),
    [
        ("nothing.onnx", {}, "no such checkpoint"),
        (".", {}, "found 0 of 1 files"),
        (None, {"gan": "wgan-gp"}, "expected a gan other than"),
    ],
)
def test_what_is_missing_is_found_before_the_clock(
    pictures: Path, tmp_path: Path, start: str | None, change: dict[str, object], text: str
) -> None:
    """A start that cannot be read and settings that do not fit raise an error in the check."""
    settings = replace(SETTINGS, **change)  # type: ignore[arg-type]
    with pytest.raises((ConfigError, ModelError), match=text):
        check(pictures, None if start is None else tmp_path / start, tmp_path, settings, cpu=True)


def test_the_recipe_fits_together(pictures: Path, tmp_path: Path) -> None:
    """The settings of a session without a settings file pass the check."""
    check(pictures, None, tmp_path, replace(TrainSettings(), **RECIPE), cpu=True)
