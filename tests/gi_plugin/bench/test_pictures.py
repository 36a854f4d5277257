"""The benchmark of whole pictures: the pictures, the methods that fill them, and the command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gi_plugin import planning
from gi_plugin.bench import command, pictures
from gi_plugin.bench.pictures import BASE, CASES, GROWTH, OWN_PIXELS, PHOTOS, Case
from gi_plugin.config import Config, EngineSettings
from gi_plugin.errors import EngineError
from gi_plugin.planning.transfer_windows import plan_transfer

SMALL, TWO = Case(0.2, 1, 40), Case(0.5, 2, 40)
OTHERS = {"OpenCV Telea", "OpenCV Navier-Stokes", "scikit-image biharmonic, window"}


@pytest.fixture
def config(engine_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Settings with the engine cache that all tests share. Large windows, which are slow, are replaced by small ones."""
    monkeypatch.setattr(pictures, "LARGE", planning.SMALL)
    monkeypatch.setattr(command, "LARGE", planning.SMALL)
    return Config(engine=EngineSettings(backend="openvino", cache=str(engine_cache)))


@pytest.mark.parametrize("case", [case for case in CASES if case.megapixels <= 12], ids=str)
def test_picture_and_holes_of_a_case(case: Case) -> None:
    """The picture has 4:3 and the given size, the holes do not overlap the border or each other, and each gets one window."""
    picture = pictures.photo(case.megapixels)
    height, width, channels = picture.shape
    assert (picture.dtype, channels) == (np.uint8, 3)
    assert height * width == pytest.approx(case.megapixels * 1e6, rel=0.01)
    assert 3 * width == pytest.approx(4 * height, abs=4)
    hole = pictures.hole_of(case, picture.shape)
    assert hole.sum() == case.holes * case.side**2
    assert len(plan_transfer(hole)) == case.holes


def test_the_grain_hides_the_tiles() -> None:
    """Repeated tiles differ by noise, and the seed gives the same picture every time."""
    picture = pictures.photo(0.5).astype(int)
    difference = np.abs(picture[300:600] - picture[:300])
    assert 0 < difference.mean() < difference.max() < pictures.NOISE
    pictures.photo.cache_clear()
    np.testing.assert_array_equal(pictures.photo(0.5), picture)


def test_the_cases_are_photos_and_three_axes() -> None:
    """The cases are 1, 12 and 100 megapixels with 1 and 10 holes, and three axes along which one property grows."""
    assert {(case.megapixels, case.holes) for case in PHOTOS} == {(size, holes) for size in (1, 12, 100) for holes in (1, 10)}
    assert set(CASES) == {*PHOTOS, *(replace(BASE, **{axis: value}) for axis, values in GROWTH.items() for value in values)}
    assert len(set(CASES)) == len(CASES)
    assert all(getattr(BASE, axis) in values for axis, values in GROWTH.items())


@pytest.mark.slow
def test_every_method_has_a_row(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """One hole is filled by every method, several by OpenCV and our engine, and a case outside PHOTOS by our engine only."""
    monkeypatch.setattr(pictures, "PHOTOS", (SMALL, TWO))
    progress: list[str] = []
    alone = replace(SMALL, side=48)
    rows = pictures.measure(config, [SMALL, TWO, alone], 1, progress.append)
    ours = rows[0].method
    methods = {case: [row.method for row in rows if (row.megapixels, row.holes, row.side) == case] for case in _keys(SMALL, TWO, alone)}
    one, several, growing = methods.values()
    assert ours.startswith("openvino")
    engines = {ours, f"{ours}, {OWN_PIXELS}", "torch cpu fp32", "openvino fp32", "openvino int8"}
    optional = {"PatchMatch, window", "openvino bf16"}  # one may not be installed, the CPU may lack the other
    assert {*engines, *OTHERS} - optional == set(one) - optional
    assert several == [ours, "OpenCV Telea", "OpenCV Navier-Stokes"]
    assert growing == [ours]
    assert progress == ["0.2 megapixels, 1 holes of 40 px", "0.5 megapixels, 2 holes of 40 px", "0.2 megapixels, 1 holes of 48 px"]
    for row in rows:
        assert row.runs == 1
        assert row.windows == row.holes
        assert 0 < row.least <= row.median
        assert row.ratio > 0
        assert (row.memory is None) == (row.method != ours)
        assert row.memory is None or 20e6 < row.memory < 20e9


def _keys(*cases: Case) -> list[tuple[float, int, int]]:
    return [(case.megapixels, case.holes, case.side) for case in cases]


def test_every_other_method_fills_the_hole_and_nothing_else(config: Config) -> None:
    """Every other method leaves known pixels unchanged and replaces the missing ones."""
    picture = pictures.photo(SMALL.megapixels).copy()
    hole = pictures.hole_of(SMALL, picture.shape)
    picture[hole] = 0
    others = pictures.other_methods(config, "")
    assert others.keys() >= {"torch cpu fp32", "openvino fp32", *OTHERS}
    for fill in others.values():
        result = fill(picture, hole)
        np.testing.assert_array_equal(result[~hole], picture[~hole])
        assert (result[hole] > 0).mean() > 0.9


@pytest.mark.slow
def test_the_command_is_compared_with_the_engine(config: Config, tmp_path: Path) -> None:
    """Each format of the result has a row with the command's time and its ratios to the engine and to the engine's process."""
    settings = tmp_path / "plugin.toml"
    settings.write_text(f"[engine]\ncache = '{config.engine.cache}'\n", encoding="utf-8")
    rows = command.measure(SMALL, config, settings, 1, lambda _: None)
    assert [row.result for row in rows] == ["png", "jpg"]
    for row in rows:
        assert (row.megapixels, row.holes, row.side, row.runs) == (0.2, 1, 40, 1)
        assert row.median == row.least > 0
        assert row.ratio == row.median / row.engine
        assert row.process_ratio == row.median / row.process
        assert 0 < row.engine < row.process


def test_a_failing_command_is_an_error(config: Config, tmp_path: Path) -> None:
    """The error contains the message of the command."""
    settings = tmp_path / "plugin.toml"
    settings.write_text("[engine]\ncolour = 'red'\n", encoding="utf-8")
    with pytest.raises(EngineError, match=r"gi-plugin inpaint failed in the benchmark: error: .*colour"):
        command.measure(SMALL, config, settings, 1, lambda _: None)
