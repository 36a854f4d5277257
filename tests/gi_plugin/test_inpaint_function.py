"""`gi_plugin.inpaint`: what its callers meet beyond the contract of the arrays."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import gi_plugin
from gi_plugin.arrays import Array, Bools, Floats, Matches
from gi_plugin.config import Config
from gi_plugin.engines import open_engine
from gi_plugin.errors import EngineError, ImageError
from gi_plugin.inpainter import Inpainter
from gi_plugin.inputs.masks import check_mask
from gi_plugin.options import Options

SHAPE = (30, 40)
HOLE = np.zeros(SHAPE, np.bool_)
HOLE[8:14, 10:20] = True


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines of these tests stay out of the user's cache."""
    monkeypatch.setenv("GI_PLUGIN_CACHE", str(tmp_path_factory.getbasetemp() / "engines"))


@pytest.mark.parametrize(
    "mask",
    [HOLE * 1.02 - 0.01, HOLE.astype(np.uint8), HOLE.astype(np.int64) * 255, HOLE * np.uint16(65535), HOLE[..., None]],
    ids=["overshooting float", "0 and 1", "0 and 255", "0 and 65535", "a channel"],
)
def test_masks_of_every_range_mean_the_same(mask: Bools) -> None:
    """A resized float mask may leave [0, 1] by a little; integers are judged by their own range."""
    np.testing.assert_array_equal(check_mask(mask, SHAPE), HOLE)


@pytest.mark.parametrize(("mask", "largest"), [(HOLE * 100.0, "100"), (HOLE * 0.3, "0.3")])
def test_a_mask_of_which_nothing_counts_is_refused(mask: Bools, largest: str) -> None:
    """Percent, or a faint mask: an unchanged picture would hide the mistake."""
    with pytest.raises(ImageError, match=f"marks nothing as missing: its largest value is {largest},"):
        check_mask(mask, SHAPE)


def test_it_is_called_like_scikit_image() -> None:
    """The keywords of `inpaint_biharmonic` are taken."""
    image = np.full((*SHAPE, 3), 120, np.uint8)
    filled = gi_plugin.inpaint(image, HOLE, split_into_regions=True, channel_axis=-1)
    np.testing.assert_allclose(filled, image, atol=6)


def test_a_grey_picture_stays_grey() -> None:
    """A black-and-white photo kept as RGB gets no tint: it is filled as the same photo with one channel; colours are kept."""
    grey = np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)
    filled = gi_plugin.inpaint(np.repeat(grey[..., None], 3, axis=2), HOLE)
    np.testing.assert_array_equal(filled, np.repeat(gi_plugin.inpaint(grey, HOLE)[..., None], 3, axis=2))
    brown = gi_plugin.inpaint(np.full((*SHAPE, 3), [150, 90, 40], np.uint8), HOLE)[HOLE]
    assert (brown[:, 0] > brown[:, 2] + 50).all()


def test_holes_that_share_a_view_are_run_once() -> None:
    """Sixteen small holes of a small image cost one run of the engine, and each is filled."""
    image, inside = np.full((240, 240), 90, np.uint8), np.arange(240) % 60 < 12
    hole = inside[:, None] & inside[None, :]
    engine, calls = open_engine(Config(), 256), []

    class Counting:
        batch, window, backend, close = engine.batch, engine.window, engine.backend, engine.close

        def __call__(self, image: Floats, mask: Floats) -> tuple[Floats, Matches]:
            calls.append(len(image))
            return engine(image, mask)

    result = Inpainter(Config(), lambda _config, _window: Counting()).run(np.where(hole, np.uint8(255), image), hole, Options())
    assert calls == [1]
    assert len(result.pieces) > 1
    np.testing.assert_allclose(result.image, image, atol=6)


@pytest.mark.parametrize(("keyword", "message"), [("dilat", "did you mean 'dilate'"), ("colour", "expected one of")])
@pytest.mark.parametrize("call", [gi_plugin.inpaint, Inpainter(Config())])
def test_a_misspelt_option_names_the_nearest(call: Callable[..., Array], keyword: str, message: str) -> None:
    """Python's own message does not say which options there are."""
    with pytest.raises(TypeError, match=message):
        call(np.zeros(SHAPE), HOLE, **{keyword: 1})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_worker_is_told_instead_of_hanging(tmp_path: Path) -> None:
    """A host that fills a picture and then forks: the child gets an error that says what to do."""
    image = np.full((*SHAPE, 3), 120, np.uint8)
    gi_plugin.inpaint(image, HOLE)
    with warnings.catch_warnings(action="ignore"):  # Python warns of any fork of a process with threads
        child = os.fork()
    if child == 0:
        try:
            gi_plugin.inpaint(image, HOLE)
        except EngineError as error:
            (tmp_path / "answer").write_text(str(error), encoding="utf-8")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert "'spawn' or 'forkserver'" in (tmp_path / "answer").read_text(encoding="utf-8")
