"""Thin holes are filled by the tiny network: what is written, what stays, and which engines are opened."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from skimage import data
from skimage.restoration import inpaint_biharmonic

from gi_plugin.arrays import Array, Bools, Floats
from gi_plugin.bench.overhead import IdleEngine
from gi_plugin.config import Config, Detail, EngineSettings
from gi_plugin.engines import Engine
from gi_plugin.errors import EngineError, ImageError
from gi_plugin.inpainter import Inpainter
from gi_plugin.options import Options

PHOTO = data.chelsea()  # [300, 451, 3] uint8
OPENVINO = EngineSettings(backend="openvino", precision="fp32", threads=1)


def _never(_config: Config, _window: int) -> Engine:
    raise AssertionError("the large network was opened")


class _Corrections:
    """An engine that returns one value everywhere, in batches of three."""

    batch, backend = 3, "constant"

    def __init__(self, value: float = 0.0) -> None:
        self.value, self.tiles = value, 0

    def __call__(self, image: Floats, mask: Floats) -> Floats:
        assert len(image) == len(mask) <= self.batch
        self.tiles += len(image)
        return np.full_like(image, self.value)

    def close(self) -> None:
        """Nothing to release."""


@pytest.fixture(scope="module")
def inpainter() -> Iterator[Inpainter]:
    """The packaged tiny network; the large one must not be opened."""
    made = Inpainter(Config(engine=OPENVINO), _never)
    yield made
    made.close()


def _specks(shape: tuple[int, ...], share: float = 0.004, seed: int = 0) -> Bools:
    hole = np.random.default_rng(seed).random(shape[:2]) < share
    hole[1:, :] |= hole[:-1, :]
    return hole


@pytest.mark.parametrize(
    ("image", "limit"),
    [
        (PHOTO, 12.0),
        (PHOTO[..., 0], 12.0),
        (PHOTO.astype(np.uint16) * 257, 12.0 * 257),
        (PHOTO.astype(np.float32) / 255, 12.0 / 255),
        (np.dstack([PHOTO, np.arange(451 * 300, dtype=np.uint32).reshape(300, 451).astype(np.uint8)]), 12.0),
    ],
    ids=["uint8", "grey", "uint16", "float", "alpha"],
)
def test_only_missing_pixels_change(inpainter: Inpainter, image: Array, limit: float) -> None:
    """Every type and channel count: known pixels and alpha stay, specks come close to the original."""
    hole = _specks(image.shape)
    filled = inpainter(np.where(hole.reshape(hole.shape + (1,) * (image.ndim - 2)), image.dtype.type(0), image), hole)
    np.testing.assert_array_equal(filled[~hole], image[~hole])
    colours = np.s_[hole] if image.ndim == 2 else np.s_[hole, :3]
    assert np.abs(filled[colours].astype(float) - image[colours]).mean() < limit
    assert filled.dtype == image.dtype


def test_alpha_is_carried_through(inpainter: Inpainter) -> None:
    """The alpha channel inside a thin hole is that of the input."""
    image = np.dstack([PHOTO, np.full(PHOTO.shape[:2], 77, np.uint8)])
    np.testing.assert_array_equal(inpainter(image, _specks(image.shape))[..., 3], image[..., 3])


@pytest.mark.filterwarnings("ignore::gi_plugin.errors.MaskWarning")  # the hole may be empty, or most of a tiny picture
@settings(deadline=None, max_examples=25)
@given(height=st.integers(2, 40), width=st.integers(1, 40), seed=st.integers(0, 2**31))
def test_a_constant_picture_of_any_size_stays_constant(height: int, width: int, seed: int) -> None:
    """Pictures of any size, also smaller than a tile: every pixel of the hole is written, none outside it."""
    hole = np.random.default_rng(seed).random((height, width)) < 0.2
    hole[0], hole[-1, 0] = False, True
    image = np.full((height, width, 3), (10, 20, 30), np.uint8)
    engine = _Corrections(1.0)
    filled = Inpainter(Config(), _never, lambda _config: engine)(np.where(hole[..., None], np.uint8(0), image), hole)
    np.testing.assert_array_equal(filled, image)


def test_neutral_pixels_stay_neutral(inpainter: Inpainter) -> None:
    """A grey picture in three channels is filled with grey."""
    grey = np.repeat(PHOTO[..., 1:2], 3, axis=2)
    filled = inpainter(grey, _specks(grey.shape))
    np.testing.assert_array_equal(filled.min(axis=2), filled.max(axis=2))


def test_work_follows_the_missing_pixels() -> None:
    """The number of tiles depends on the specks, not on the size of the picture."""
    counts = []
    for side in (64, 1024):
        engine, hole = _Corrections(), np.zeros((side, side), np.bool_)
        hole[16:18, 8:10] = hole[40:41, 40:60] = True
        Inpainter(Config(), _never, lambda _config, engine=engine: engine)(np.zeros((side, side), np.uint8), hole)
        counts.append(engine.tiles)
    assert counts == [4, 4]  # one speck, and a line that crosses three squares


def test_a_moved_picture_gives_the_same_fill(inpainter: Inpainter) -> None:
    """A fill does not depend on what else is in the picture: a part with all its tiles gives the same pixels."""
    hole = _specks(PHOTO.shape)
    hole[:32] = hole[-32:] = False
    hole[:, :32] = hole[:, -32:] = False
    whole, part = inpainter(PHOTO, hole), np.s_[8:-8, 16:-16]
    np.testing.assert_array_equal(inpainter(PHOTO[part], hole[part])[hole[part]], whole[part][hole[part]])


def test_a_planned_hole_fills_many_frames(inpainter: Inpainter) -> None:
    """A map of dead pixels is planned once and used for every frame of its size."""
    hole = _specks(PHOTO.shape)
    planned = inpainter.plan(hole, PHOTO.shape[:2], Options())
    for frame in (PHOTO, PHOTO[::-1].copy(), PHOTO[..., 0]):
        np.testing.assert_array_equal(inpainter.run(frame, planned, Options()).image, inpainter(frame, hole))


def test_dead_pixels_of_a_sixteen_bit_ramp(inpainter: Inpainter) -> None:
    """On a smooth ramp of 1000 to 1100 counts, dead pixels come out closer to the truth than with the biharmonic equation."""
    truth = np.linspace(1000, 1100, 200)[None, :] + np.linspace(0, 9, 96)[:, None]
    hole = _specks(truth.shape, 0.01)
    counts = np.rint(truth).astype(np.uint16)
    broken = np.where(hole, np.uint16(65535), counts)
    ours = inpainter(broken, hole)
    theirs = np.rint(inpaint_biharmonic(np.where(hole, 0, counts / 65535), hole) * 65535)
    np.testing.assert_array_equal(ours[~hole], counts[~hole])
    errors = [np.abs(result[hole] - truth[hole]).mean() for result in (ours.astype(float), theirs)]
    assert errors[0] < errors[1]


def test_thick_and_thin_holes_meet_in_one_picture() -> None:
    """Thin holes are known when the large network fills the thick one; both are filled."""
    inpainter = Inpainter(Config(engine=OPENVINO))
    hole = _specks(PHOTO.shape)
    hole[100:150, 100:160] = True
    blank = np.where(hole[..., None], np.uint8(0), PHOTO)
    filled = inpainter(blank, hole)
    alone = Inpainter(Config(engine=OPENVINO), _never)(np.where(hole[:72, :, None], np.uint8(0), PHOTO[:72]), hole[:72])
    np.testing.assert_array_equal(filled[:56], alone[:56])  # tiles that do not see the thick hole
    assert filled[100:150, 100:160].any(axis=2).all()


def test_values_that_are_not_finite_are_an_error() -> None:
    """An engine that returns NaN raises an error instead of writing nonsense."""
    broken = Inpainter(Config(), _never, lambda _config: _Corrections(np.nan))
    with pytest.raises(EngineError, match="not numbers"):
        broken(PHOTO, _specks(PHOTO.shape))


def test_pixels_without_data_do_not_count(inpainter: Inpainter) -> None:
    """A float map with an unknown region of -3.4e38 is filled from its real values, also beside that region."""
    terrain = np.linspace(300, 340, 64, dtype=np.float32)[None, :] + np.zeros((64, 1), np.float32)
    terrain[:, 40:] = np.finfo(np.float32).min
    hole = np.zeros(terrain.shape, np.bool_)
    hole[10:50:4, 37:40] = True
    filled = inpainter(np.where(hole, np.float32(0), terrain), hole)
    expected = np.linspace(300, 340, 64)[37:40]
    np.testing.assert_allclose(filled[hole].reshape(-1, 3), np.broadcast_to(expected, (10, 3)), atol=2)
    np.testing.assert_array_equal(filled[~hole], terrain[~hole])


@pytest.mark.parametrize("shape", [(300, 451), (40, 451), (9, 11)])
@pytest.mark.parametrize("detail", ["transfer", "network"])
def test_values_that_no_fill_reads_may_be_nan(shape: tuple[int, int], detail: Detail) -> None:
    """NaN outside of what the plan says is read is kept, and changes neither thin nor thick fills; NaN next to the hole is an error."""
    hole = np.zeros(shape, np.bool_)
    hole[0, :2] = hole[-1, -2:] = hole[3:17, 20:40] = True
    inpainter = Inpainter(Config(), lambda _, window: IdleEngine(window), lambda _: _Corrections(0.1))
    image = PHOTO[: shape[0], : shape[1]] / np.float32(255)
    planned = inpainter.plan(hole, shape, Options(detail=detail))
    unread = np.ones(shape, np.bool_)
    for top, left, bottom, right in planned.read():
        unread[top:bottom, left:right] = False
    assert unread.any() == (shape == (300, 451) or (detail == "transfer" and shape == (40, 451)))
    holed = np.where(unread[..., None], np.float32(np.nan), image)
    expected = np.where(unread[..., None], holed, inpainter(image, hole, detail=detail))
    np.testing.assert_array_equal(inpainter(holed, hole, detail=detail), expected)
    holed[0, 2] = np.nan
    with pytest.raises(ImageError, match="NaN or infinite values outside the hole"):
        inpainter(holed, hole, detail=detail)
