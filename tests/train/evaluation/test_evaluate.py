"""Tests of the evaluation: seeded holes, blanked inputs, continued runs, baselines and contact sheets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gi_plugin.arrays import Bools, Bytes
from gi_plugin.errors import ConfigError
from gi_plugin.files.sheet import CAPTION_HEIGHT, GAP
from gi_plugin.train.data import masks
from gi_plugin.train.evaluation import evaluate as evaluation
from gi_plugin.train.evaluation.baselines import FillMethod, baseline
from gi_plugin.train.evaluation.features import FeatureNetwork
from tests.train.pictures import smooth_pictures


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three usable pictures, one that is too small and one that is broken."""
    folder = smooth_pictures(tmp_path / "pictures", 3, (300, 260))
    Image.new("RGB", (100, 100)).save(folder / "small.png")
    (folder / "broken.png").write_bytes(b"nothing")
    return folder


def _quiet(_text: str, _number: int, _total: int) -> None:
    """Ignore the progress."""


@pytest.mark.parametrize("mask_set", evaluation.MASK_SETS)
def test_holes_are_the_same_in_every_run(mask_set: str) -> None:
    """A hole depends only on mask set and number, and its size is in the range of the set."""
    holes = [evaluation.hole_of(mask_set, number) for number in range(8)]
    assert all(np.array_equal(hole, evaluation.hole_of(mask_set, number)) for number, hole in enumerate(holes))
    for number, hole in enumerate(holes):
        assert hole.shape == (evaluation.MASK_SETS[mask_set],) * 2
        if mask_set == "center512":
            assert hole[144:368, 144:368].all()
            assert hole.sum() == 224 * 224
        elif mask_set == "center":
            assert hole[64:192, 64:192].all()
            assert hole.sum() == 128 * 128
        elif mask_set == "random":
            rows, columns = hole.any(axis=1).sum(), hole.any(axis=0).sum()
            assert 96 <= min(rows, columns) <= max(rows, columns) <= 128
        else:
            low, high = evaluation.AREA_BINS[number % len(evaluation.AREA_BINS)]
            assert low < hole.mean() <= high


def test_methods_do_not_see_the_original_and_cannot_change_known_pixels(pictures: Path, tmp_path: Path) -> None:
    """Methods get the picture with a blanked hole, and the scores ignore their changes of known pixels."""
    seen: list[bool] = []

    def spoil_known(image: Bytes, hole: Bools) -> Bytes:
        seen.append(bool(image[hole].any()))
        return np.zeros_like(image)

    methods: dict[str, FillMethod] = {"spoil": spoil_known, "keep": lambda image, _: image}  # both leave black in the hole
    rows = evaluation.evaluate([pictures], ["center", "random"], methods, tmp_path / "out", _quiet)
    assert seen == [False] * 6
    assert [(row.method, row.mask_set, row.pictures) for row in rows] == [
        (method, mask_set, 3) for mask_set in ("center", "random") for method in methods
    ]
    assert [row.scores for row in rows if row.method == "spoil"] == [row.scores for row in rows if row.method == "keep"]
    assert all(0 < row.scores.ssim < 1 for row in rows)


def test_an_interrupted_run_continues(pictures: Path, tmp_path: Path) -> None:
    """Results on disk are not computed again, a truncated line is ignored, and the rows equal those of a single run."""
    calls: list[str] = []

    def grey(image: Bytes, hole: Bools) -> Bytes:
        calls.append("call")
        return np.where(hole[..., None], np.uint8(128), image)

    whole = evaluation.evaluate([pictures], ["center"], {"grey": grey}, tmp_path / "whole", _quiet)
    evaluation.evaluate([pictures], ["center"], {"grey": grey}, tmp_path / "parts", _quiet, limit=2)
    with (tmp_path / "parts" / evaluation.RESULTS).open("a", encoding="utf-8") as results:
        results.write('["truncat')
    already = len(calls)
    assert evaluation.evaluate([pictures], ["center"], {"grey": grey}, tmp_path / "parts", _quiet) == whole
    assert len(calls) - already == 1


@pytest.mark.parametrize("name", ["telea", "ns", "biharmonic"])
def test_baselines_fill_the_hole(name: str) -> None:
    """Every baseline continues a smooth ramp into a hole with a smaller error than the mean of the picture."""
    ramp = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2)
    hole = masks.center(64, 16)
    filled = baseline(name)(np.where(hole[..., None], np.uint8(0), ramp), hole)
    error = np.abs(filled[hole].astype(float) - ramp[hole]).mean()
    assert error < np.abs(ramp[hole] - ramp.mean()).mean()


def test_unknown_names_and_unusable_data_are_errors(pictures: Path, tmp_path: Path) -> None:
    """Unknown mask sets, unknown baselines and data without a usable picture raise ConfigError."""
    with pytest.raises(ConfigError, match="unknown mask set 'squares'"):
        evaluation.evaluate([pictures], ["squares"], {}, tmp_path, _quiet)
    with pytest.raises(ConfigError, match="unknown baseline 'magic'"):
        baseline("magic")
    for name in ("0.png", "1.png", "2.png"):
        (pictures / name).unlink()
    with pytest.raises(ConfigError, match="no readable picture of at least 256 x 256"):
        evaluation.evaluate([pictures], ["center"], {"none": lambda image, _: image}, tmp_path, _quiet)


def test_contact_sheet_has_a_column_for_every_method(pictures: Path, tmp_path: Path) -> None:
    """The sheet has a row per usable picture, and columns for the input, each method and the original."""
    evaluation.draw_sheet([pictures], "center", {"same": lambda image, _: image}, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        step = evaluation.SIZE + GAP
        assert sheet.size == (3 * step + GAP, 3 * step + CAPTION_HEIGHT)


def test_the_judge_adds_two_columns(pictures: Path, tmp_path: Path) -> None:
    """Feature and kernel distance come from an independent network, survive a continued run, and prefer the original."""
    pytest.importorskip("efficientnet_lite_pytorch", reason="needs gi-plugin[judge]")
    judge = FeatureNetwork()
    methods: dict[str, FillMethod] = {"grey": lambda image, hole: np.where(hole[..., None], np.uint8(128), image)}
    first, again = (evaluation.evaluate([pictures], ["center"], methods, tmp_path / "out", _quiet, judge=judge) for _ in range(2))
    assert first == again
    assert first[0].feature_distance is not None
    assert first[0].feature_distance > 0


def test_pictures_that_are_too_small_for_a_set_are_left_out(pictures: Path, tmp_path: Path) -> None:
    """A set of 512 px takes the pictures that are large enough, and leaves the others to the sets of 256 px."""
    Image.fromarray(np.full((512, 600, 3), 90, np.uint8)).save(pictures / "large.png")
    methods: dict[str, FillMethod] = {"keep": lambda image, _: image}
    rows = evaluation.evaluate([pictures], ["center", "center512"], methods, tmp_path / "out", _quiet)
    assert [(row.mask_set, row.pictures) for row in rows] == [("center", 4), ("center512", 1)]
