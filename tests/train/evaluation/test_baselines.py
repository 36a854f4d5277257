"""Tests of the other methods: what they fill, what they take, and how they fail."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from gi_plugin.errors import ConfigError, MissingDependency
from gi_plugin.train.data import masks
from gi_plugin.train.evaluation.baselines import BaselineFailed, baseline

CONTRIB = hasattr(cv2, "xphoto")
needs_contrib = pytest.mark.skipif(not CONTRIB, reason="needs opencv-contrib-python-headless")
RAMP = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2)
HOLE = masks.center(64, 16)


@pytest.mark.parametrize(
    "name", ["telea", "ns", "biharmonic", pytest.param("fsr", marks=needs_contrib), pytest.param("shiftmap", marks=needs_contrib)]
)
def test_baselines_fill_the_hole(name: str) -> None:
    """Every baseline continues a smooth ramp into a hole with a smaller error than the mean of the picture, and keeps the rest."""
    filled = baseline(name)(np.where(HOLE[..., None], np.uint8(0), RAMP), HOLE)
    assert (filled.shape, filled.dtype) == (RAMP.shape, np.uint8)
    error = np.abs(filled.astype(float) - RAMP)
    assert error[HOLE].mean() < np.abs(RAMP[HOLE] - RAMP.mean()).mean()
    assert error[~HOLE].max() <= 4  # the two of OpenCV's contrib compute in other colours


@pytest.mark.parametrize("name", ["telea", "ns"])
def test_opencvs_methods_take_grey_pictures_of_16_bits(name: str) -> None:
    """A frame of a sensor keeps its dtype, and a dead pixel gets a value like those of its neighbours, 3 px wide."""
    frame = np.repeat(np.arange(1000, 1064, dtype=np.uint16)[None], 64, axis=0)
    hole = np.zeros((64, 64), np.bool_)
    hole[30, 30] = True
    filled = baseline(name)(np.where(hole, np.uint16(0), frame), hole)
    assert filled.dtype == np.uint16
    assert 1027 <= filled[30, 30] <= 1033


def test_a_failure_names_the_method_and_the_error() -> None:
    """Whatever the package raises is one type of error."""
    with pytest.raises(BaselineFailed, match="biharmonic failed: ValueError: "):
        baseline("biharmonic")(RAMP, HOLE[1:])


def test_an_unknown_baseline_is_an_error() -> None:
    """The message names the methods."""
    with pytest.raises(ConfigError, match="unknown baseline 'magic': expected one of telea, ns, fsr, shiftmap, biharmonic, patchmatch"):
        baseline("magic")


@pytest.mark.skipif(CONTRIB, reason="needs OpenCV without its contrib")
@pytest.mark.parametrize("name", ["fsr", "shiftmap"])
def test_without_contrib_the_error_names_the_package(name: str) -> None:
    """The error says what to install."""
    with pytest.raises(MissingDependency, match="pip install opencv-contrib-python-headless"):
        baseline(name)
