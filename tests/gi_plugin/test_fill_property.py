"""Property test of filling a picture file: size, mode, depth and every known pixel stay the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image

from gi_plugin.arrays import Array, Bools
from gi_plugin.config import Config, EngineSettings, ModelSettings
from gi_plugin.folder_run.jobs import Job
from gi_plugin.folder_run.steps import fill_file
from gi_plugin.inpainter import Inpainter
from gi_plugin.options import Options
from tests.gi_plugin.pictures import Deep, picture

pytestmark = pytest.mark.usefixtures("small_windows")

SHALLOW = [
    *((".png", mode) for mode in ("1", "L", "LA", "P", "P index", "P bytes", "RGB", "RGBA")),
    *((".tif", mode) for mode in ("L", "P", "RGB", "RGBA", "CMYK")),
    *((".webp", "RGBA"), (".bmp", "RGB"), (".tga", "LA"), (".ppm", "L")),
]
DEEP = [
    *(Deep(".png", np.uint16, channels) for channels in (1, 3, 4)),
    *(Deep(".tif", dtype, channels) for dtype in (np.uint16, np.float32) for channels in (1, 3, 4)),
]


@pytest.fixture(scope="module")
def inpainter(small_network_file: Path, engine_cache: Path) -> Inpainter:
    """Return an inpainter with a small network: the property holds for every network."""
    return Inpainter(Config(model=ModelSettings(str(small_network_file)), engine=EngineSettings("openvino", cache=str(engine_cache))))


@st.composite
def masks(draw: st.DrawFn) -> Bools:
    """Draw a hole [H, W] of 1 to 60 pixels a side: a box or specks, with at least one known pixel."""
    height, width = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    if draw(st.booleans()):
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        hole = np.zeros((height, width), bool)
        hole[top : draw(st.integers(top, height)), left : draw(st.integers(left, width))] = True
    else:
        hole = np.random.default_rng(draw(st.integers(0, 99))).random((height, width)) < draw(st.sampled_from([0.01, 0.5, 0.99]))
    hole[draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))] = False
    return hole


def _write(path: Path, kind: tuple[str, str] | Deep, shape: tuple[int, int]) -> None:
    if isinstance(kind, Deep):
        kind.write(path, shape)
    elif path.suffix == ".webp":
        picture(kind[1], shape).save(path, lossless=True, exact=True)
    else:
        picture(kind[1], shape).save(path)


def _read(path: Path, kind: tuple[str, str] | Deep) -> tuple[str, Array, Array]:
    """Return the mode or dtype of a picture, its stored values, and its displayed values (the colours of a palette)."""
    if isinstance(kind, Deep):
        values = kind.read(path)
        return str(values.dtype), values, values
    with Image.open(path) as image:
        return image.mode, np.asarray(image), np.asarray(image.convert("RGBA"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(kind=st.sampled_from([*SHALLOW, *DEEP]), hole=masks())
def test_known_pixels_come_back(
    inpainter: Inpainter, tmp_path_factory: pytest.TempPathFactory, kind: tuple[str, str] | Deep, hole: Bools
) -> None:
    """For any picture and hole, everything outside the hole stays the same, and alpha stays the same everywhere."""
    folder, suffix = tmp_path_factory.mktemp("fill"), kind.suffix if isinstance(kind, Deep) else kind[0]
    job = Job(folder / f"source{suffix}", folder / "mask.png", folder / f"result{suffix}")
    _write(job.image, kind, (hole.shape[0], hole.shape[1]))
    Image.fromarray(hole).save(folder / "mask.png")
    fill_file(job, inpainter, Options())
    (mode, before, shown_before), (result_mode, after, shown_after) = _read(job.image, kind), _read(job.output, kind)
    assert (result_mode, after.shape, after.dtype) == (mode, before.shape, before.dtype)
    np.testing.assert_array_equal(after[~hole], before[~hole])
    if shown_after.shape[-1] == 4 and shown_after.ndim == 3:
        np.testing.assert_array_equal(shown_after[..., 3], shown_before[..., 3])
