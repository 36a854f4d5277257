"""Evaluation: seeded holes, fair inputs, and runs that go on where they stopped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gi_plugin.arrays import Bools, Bytes
from gi_plugin.errors import ConfigError
from gi_plugin.train.data import masks
from gi_plugin.train.evaluation import evaluate as evaluation
from gi_plugin.train.evaluation.baselines import baseline
from tests.train.pictures import smooth_pictures


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three pictures that can be used, one that is too small and one that is broken."""
    folder = smooth_pictures(tmp_path / "pictures", 3, (300, 260))
    Image.new("RGB", (100, 100)).save(folder / "small.png")
    (folder / "broken.png").write_bytes(b"nothing")
    return folder


def _quiet(_text: str, _number: int, _total: int) -> None:
    """Tell nobody."""


@pytest.mark.parametrize("mask_set", evaluation.MASK_SETS)
def test_holes_are_the_same_in_every_run(mask_set: str) -> None:
    """A picture's hole depends on its number and the set alone, and is as large as the set says."""
    holes = [evaluation.hole_of(mask_set, number) for number in range(8)]
    assert all(np.array_equal(hole, evaluation.hole_of(mask_set, number)) for number, hole in enumerate(holes))
    for number, hole in enumerate(holes):
        if mask_set == "center":
            assert hole[64:192, 64:192].all()
            assert hole.sum() == 128 * 128
        elif mask_set == "random":
            rows, columns = hole.any(axis=1).sum(), hole.any(axis=0).sum()
            assert 96 <= min(rows, columns) <= max(rows, columns) <= 128
        else:
            low, high = evaluation.AREA_BINS[number % len(evaluation.AREA_BINS)]
            assert low < hole.mean() <= high


def test_a_perfect_method_scores_perfectly_and_sees_no_original(pictures: Path, tmp_path: Path) -> None:
    """Methods get the picture with the hole blanked; what they do to known pixels does not count."""
    seen: list[bool] = []

    def spoil_known(image: Bytes, hole: Bools) -> Bytes:
        seen.append(bool(image[hole].any()))
        return np.zeros_like(image)

    rows = evaluation.evaluate([pictures], ["center", "random"], {"spoil": spoil_known}, tmp_path / "out", _quiet)
    assert seen == [False] * 6
    assert [(row.method, row.mask_set, row.pictures) for row in rows] == [("spoil", "center", 3), ("spoil", "random", 3)]
    assert all(0 < row.scores.ssim < 1 for row in rows)


def test_an_interrupted_run_goes_on(pictures: Path, tmp_path: Path) -> None:
    """Results that are on disk are not computed again, a line cut short is, and the rows are those of one run."""
    calls: list[str] = []

    def grey(image: Bytes, hole: Bools) -> Bytes:
        calls.append("call")
        return np.where(hole[..., None], np.uint8(128), image)

    whole = evaluation.evaluate([pictures], ["center"], {"grey": grey}, tmp_path / "whole", _quiet)
    evaluation.evaluate([pictures], ["center"], {"grey": grey}, tmp_path / "parts", _quiet, limit=3)
    with (tmp_path / "parts" / evaluation.RESULTS).open("a", encoding="utf-8") as results:
        results.write('["cut sho')
    already = len(calls)
    assert evaluation.evaluate([pictures], ["center"], {"grey": grey}, tmp_path / "parts", _quiet) == whole
    assert len(calls) - already < 3


@pytest.mark.parametrize("name", ["telea", "ns", "biharmonic"])
def test_baselines_fill_the_hole(name: str) -> None:
    """Every baseline continues a smooth picture into a hole better than its mean does."""
    ramp = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2)
    hole = masks.center(64, 16)
    filled = baseline(name)(np.where(hole[..., None], np.uint8(0), ramp), hole)
    error = np.abs(filled[hole].astype(float) - ramp[hole]).mean()
    assert error < np.abs(ramp[hole] - ramp.mean()).mean()


def test_what_does_not_exist_is_named(pictures: Path, tmp_path: Path) -> None:
    """Unknown sets, unknown baselines and data without a usable picture are errors of the settings."""
    with pytest.raises(ConfigError, match="unknown mask set 'squares'"):
        evaluation.evaluate([pictures], ["squares"], {}, tmp_path, _quiet)
    with pytest.raises(ConfigError, match="unknown baseline 'magic'"):
        baseline("magic")
    for name in ("0.png", "1.png", "2.png"):
        (pictures / name).unlink()
    with pytest.raises(ConfigError, match="no picture of at least"):
        evaluation.evaluate([pictures], ["center"], {"none": lambda image, _: image}, tmp_path, _quiet)


def test_contact_sheet_holds_every_method(pictures: Path, tmp_path: Path) -> None:
    """One row per usable picture; a column for input, each method and the original."""
    evaluation.draw_sheet([pictures], "center", {"same": lambda image, _: image}, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        step = evaluation.SIZE + evaluation.GAP
        assert sheet.size == (3 * step + evaluation.GAP, 3 * step + evaluation.CAPTION + evaluation.GAP)
