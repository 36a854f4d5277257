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
from gi_plugin.errors import ConfigError, GiError, ModelError, TrainingError
from gi_plugin.train import loop
from gi_plugin.train.checkpoint import save_network
from gi_plugin.train.consistency import check_together
from gi_plugin.train.loop import Budget, TrainingRun
from gi_plugin.train.model.compiled import check_compiler
from gi_plugin.train.model.network import InpaintingNetwork, NetworkSettings
from gi_plugin.train.rented import session
from gi_plugin.train.rented.checks import check
from gi_plugin.train.rented.parts import PartedState, read_average, read_parts
from gi_plugin.train.rented.session import RECIPE
from gi_plugin.train.run_state import tensors_of
from gi_plugin.train.shortage import shortage_explained
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


def test_the_averaged_network_is_read_from_parts(pictures: Path, tmp_path: Path) -> None:
    """Parts hold the averaged network of the last step, in fp16, with the notes of the run."""
    average = _run(pictures, tmp_path, 2).trainer.average
    network, notes = read_average(tmp_path)
    assert notes["training"].startswith("2 steps of 2 pictures")
    for name, value in network.state_dict().items():
        assert torch.equal(value, average.state_dict()[name].half().float()), name


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
    with pytest.raises(ModelError, match="contains no parts/step-"):
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


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # TensorBoard writes its curves in a thread
@pytest.mark.parametrize(
    ("limit", "kept", "text"),
    [(150_000, 2, "the state of step 2 is saved"), (20_000, 1, "the state of step 2 cannot be saved .* was saved before is kept")],
)
def test_a_full_disk_loses_no_state_without_a_word(pictures: Path, tmp_path: Path, limit: int, kept: int, text: str) -> None:
    """If files cannot be written, the run ends with TrainingError; it saves the state if that can be written, else the older one stays."""
    resource = pytest.importorskip("resource")
    _run(pictures, tmp_path, 1)
    run = TrainingRun(pictures, tmp_path, SETTINGS, Budget(steps=2), lambda _: None, state=PartedState(0.1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))  # largest size of a file in bytes
    try:
        with pytest.raises(TrainingError, match=text):
            run.run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [folder.name for folder in (tmp_path / "parts").iterdir()] == [f"step-000000{kept}"]
    again = TrainingRun(pictures, tmp_path, SETTINGS, Budget(), lambda _: None, state=PartedState(0.1))
    assert again.position.step == kept


def test_too_few_minutes_are_an_error(pictures: Path, tmp_path: Path) -> None:
    """If preparing and saving would use up the minutes, the session ends before training with the time that they need."""
    with pytest.raises(ConfigError, match=r"0.01 minutes are too few: to prepare and to save takes \d+ s"):
        session.train_for(0.01, pictures, tmp_path, SETTINGS, 1, lambda _: None)


@pytest.fixture
def earlier(pictures: Path, tmp_path: Path) -> Path:
    """The folder of an earlier session, with a network file and three broken pictures beside its parts."""
    folder = tmp_path / "earlier"
    TrainingRun(pictures, folder, SETTINGS, Budget(), lambda _: None, state=PartedState(1)).save()
    save_network(InpaintingNetwork(NetworkSettings(width=8)), folder / "network.safetensors", {})
    (folder / "broken").mkdir()
    for name in "abc":
        (folder / "broken" / f"{name}.png").write_bytes(b"not a picture")
    return folder


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_session_without_a_gpu_is_refused(pictures: Path, earlier: Path, tmp_path: Path) -> None:
    """Without a CUDA GPU the check raises ConfigError; with `cpu` it passes, also from a network file and from parts."""
    with pytest.raises(ConfigError, match="finds no CUDA GPU"):
        check(pictures, None, tmp_path, SETTINGS, 1, cpu=False)
    for start in (None, earlier, earlier / "network.safetensors"):
        check(pictures, start, tmp_path, SETTINGS, 1, cpu=True)


@pytest.mark.parametrize(
    ("start", "change", "text"),
    [
        ("nothing.onnx", {}, "no such checkpoint"),
        ("broken", {}, "contains no parts/step-"),
        ("network.safetensors", {"width": 16}, r"contains a network of width = 8, .* but \[train\] has width = 16"),
        (".", {"width": 16}, "saved with width = 8 instead of 16;"),
        (".", {"critic": "paper", "feature_weight": 0.0}, "saved with critic = 'patch' instead of 'paper'"),
        (None, {"gan": "wgan-gp"}, "expected a gan other than"),
        (None, {"validation": 6}, "too few pictures: got 6"),
        (None, {"crop": 128}, r"broken or smaller than 128 px, the last one is .*\.png"),
    ],
)
def test_what_does_not_fit_is_found_before_the_clock(
    pictures: Path, earlier: Path, tmp_path: Path, start: str | None, change: dict[str, object], text: str
) -> None:
    """A start or pictures that cannot be used, or do not fit the settings, raise an error of one line in the check."""
    settings = replace(SETTINGS, **change)  # type: ignore[arg-type]
    with pytest.raises(GiError, match=text) as caught:
        check(pictures, None if start is None else earlier / start, tmp_path / "new", settings, 1, cpu=True)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_broken_pictures_and_small_parts_are_found_before_the_clock(pictures: Path, earlier: Path, tmp_path: Path) -> None:
    """Broken pictures raise an error that names one, and so do parts that are too small for a tensor, or a folder that is a file."""
    with pytest.raises(ConfigError, match=r"in a row are broken .*[abc]\.png"):
        check(earlier / "broken", None, tmp_path, SETTINGS, 1, cpu=True)
    with pytest.raises(ConfigError, match="the largest tensor"):
        check(pictures, None, tmp_path, SETTINGS, 0.001, cpu=True)
    with pytest.raises(OSError, match=r"network\.safetensors"):
        check(pictures, None, earlier / "network.safetensors", SETTINGS, 1, cpu=True)


def test_a_compiler_that_fails_is_found_before_the_clock() -> None:
    """If compiling one function fails, ConfigError says why, in one line, and how to do without; a compiler that works is no error."""

    def failing(*_: object) -> None:
        raise RuntimeError("Failed to find C compiler.\nPlease set CC.")

    with pytest.raises(ConfigError, match=r"\(RuntimeError: Failed to find C compiler\.\);.*compile=off$"):
        check_compiler(torch.device("cpu"), failing)
    check_compiler(torch.device("cpu"), "eager")


def test_a_lack_of_memory_is_one_line() -> None:
    """If memory runs out, TrainingError names the settings to lower; other errors stay as they are."""
    with pytest.raises(TrainingError, match=r"batch = 2 and crop = 96 .* lower batch or crop"), shortage_explained(SETTINGS):
        torch.empty(2**60, dtype=torch.uint8)
    with pytest.raises(TrainingError, match="CUDA out of memory"), shortage_explained(SETTINGS):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
    with pytest.raises(RuntimeError, match="shapes"), shortage_explained(SETTINGS):
        raise RuntimeError("shapes differ")


def test_the_recipe_fits_together() -> None:
    """The settings of a session without a settings file fit together."""
    check_together(replace(TrainSettings(), **RECIPE), 1)
