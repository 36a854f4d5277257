"""Tests of the evaluation: blanked inputs, continued runs, failures and contact sheets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gi_plugin.arrays import Bools, Bytes
from gi_plugin.errors import ConfigError, EngineError
from gi_plugin.files.sheet import CAPTION_HEIGHT, GAP
from gi_plugin.train.evaluation import evaluate as evaluation
from gi_plugin.train.evaluation.baselines import FillMethod, baseline
from gi_plugin.train.evaluation.features import FeatureNetwork
from gi_plugin.train.evaluation.mask_sets import SIZE
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


def test_unknown_sets_and_unusable_data_are_errors(pictures: Path, tmp_path: Path) -> None:
    """Unknown mask sets and data without a usable picture raise ConfigError."""
    with pytest.raises(ConfigError, match="unknown mask set 'squares'"):
        evaluation.evaluate([pictures], ["squares"], {}, tmp_path, _quiet)
    for name in ("0.png", "1.png", "2.png"):
        (pictures / name).unlink()
    with pytest.raises(ConfigError, match="no readable picture of at least 256 x 256"):
        evaluation.evaluate([pictures], ["center"], {"none": lambda image, _: image}, tmp_path, _quiet)


def test_contact_sheet_has_a_column_for_every_method(pictures: Path, tmp_path: Path) -> None:
    """The sheet has a row per usable picture, and columns for the input, each method and the original."""
    evaluation.draw_sheet([pictures], "center", {"same": lambda image, _: image}, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        step = SIZE + GAP
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


def test_a_baseline_that_fails_is_counted(pictures: Path, tmp_path: Path) -> None:
    """The run goes on, and the row has the means of the other pictures."""
    good = baseline("ns")
    masks = iter([np.s_[:, :], np.s_[:, 1:], np.s_[:, :]])  # OpenCV refuses a mask that is smaller than the picture
    methods: dict[str, FillMethod] = {
        "good": good,
        "sometimes": lambda image, hole: good(image, hole[next(masks)]),
        "never": lambda image, hole: good(image, hole[1:]),
    }
    rows = {row.method: row for row in evaluation.evaluate([pictures], ["wires"], methods, tmp_path / "out", _quiet)}
    assert [(row.pictures, row.failed) for row in rows.values()] == [(3, 0), (2, 1), (0, 3)]
    assert rows["never"].scores is None
    (pictures / "1.png").unlink()
    (others,) = evaluation.evaluate([pictures], ["wires"], {"good": good}, tmp_path / "others", _quiet)
    assert rows["sometimes"].scores == others.scores


def test_failures_are_kept(pictures: Path, tmp_path: Path) -> None:
    """A continued run does not try a failed picture again, and the file of results says why it failed."""
    calls: list[str] = []

    def fill(image: Bytes, hole: Bools) -> Bytes:
        calls.append("call")
        return baseline("ns")(image, hole[1:])

    first, again = (evaluation.evaluate([pictures], ["wires"], {"never": fill}, tmp_path / "out", _quiet) for _ in range(2))
    assert first == again
    assert len(calls) == 3
    assert "ns failed: error: OpenCV" in (tmp_path / "out" / evaluation.RESULTS).read_text(encoding="utf-8")


def test_other_errors_end_the_run(pictures: Path, tmp_path: Path) -> None:
    """Only failures of baselines are counted."""

    def broken(_image: Bytes, _hole: Bools) -> Bytes:
        raise EngineError("out of memory")

    with pytest.raises(EngineError, match="out of memory"):
        evaluation.evaluate([pictures], ["wires"], {"ours": broken}, tmp_path / "out", _quiet)


def test_a_failure_leaves_its_place_in_the_sheet_blank(pictures: Path, tmp_path: Path) -> None:
    """The sheet shows the input where a baseline failed."""
    methods: dict[str, FillMethod] = {"never": lambda image, hole: baseline("ns")(image, hole[1:])}
    evaluation.draw_sheet([pictures], "wires", methods, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        columns = np.asarray(sheet)[CAPTION_HEIGHT:].astype(int)
    first, second = (columns[:, GAP + column * (SIZE + GAP) :][:, :SIZE] for column in (0, 1))
    np.testing.assert_array_equal(first, second)
