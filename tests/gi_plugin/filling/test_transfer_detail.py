"""Holes filled with pixels of the picture: sources, options and sharpness over all windows of a picture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from skimage import data
from skimage.filters import gaussian

from gi_plugin.arrays import Array, Bools
from gi_plugin.config import Config, EngineSettings
from gi_plugin.errors import ConfigError, ImageError
from gi_plugin.filling import transfer_detail
from gi_plugin.inpainter import Inpainter, Inpainting
from gi_plugin.options import Options

PHOTO = data.chelsea()  # [300, 451, 3] uint8


@pytest.fixture(scope="module")
def inpainter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inpainter]:
    """An inpainter for all tests; it opens one engine per window size."""
    made = Inpainter(Config(engine=EngineSettings(backend="openvino", threads=2, cache=str(tmp_path_factory.mktemp("cache")))))
    yield made
    made.close()


def _hole(*boxes: tuple[int, int, int, int], shape: tuple[int, ...] = PHOTO.shape) -> Bools:
    hole = np.zeros(shape[:2], np.bool_)
    for top, left, bottom, right in boxes:
        hole[top:bottom, left:right] = True
    return hole


HOLES = {
    "one": _hole((100, 150, 150, 210)),
    "at the corner": _hole((0, 0, 40, 60)),
    "thick": _hole((60, 100, 220, 300)),
    "neighbours": _hole((100, 100, 140, 150), (100, 160, 140, 210), (160, 120, 200, 380)),
    "long": _hole((140, 5, 160, 445)),
}


def _sources(filled: Inpainting) -> Array:
    """Row and column [K, 2] of the source of every missing pixel that has one."""
    found = []
    for piece in filled.pieces:
        assert piece.sources is not None
        found.append(piece.sources[piece.sources[..., 0] >= 0])
    return np.concatenate(found)


@pytest.mark.parametrize("largest", [3600, 300])
@pytest.mark.parametrize("name", HOLES)
def test_every_pixel_has_a_known_source(inpainter: Inpainter, name: str, largest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each missing pixel has a source: a known pixel of the picture, never one that an earlier window filled.

    This also holds if the search runs at reduced size.
    """
    monkeypatch.setattr(transfer_detail, "LARGEST", largest)
    hole = HOLES[name]
    filled = inpainter.run(PHOTO, hole, Options())
    sources = _sources(filled)
    assert len(sources) >= hole.sum()
    assert not hole[tuple(sources.T)].any()
    np.testing.assert_array_equal(filled.image[~hole], PHOTO[~hole])


@pytest.mark.parametrize("name", HOLES)
def test_nothing_missing_is_read(inpainter: Inpainter, name: str) -> None:
    """The result does not depend on the values in the hole."""
    hole = HOLES[name]
    poisoned = np.where(hole[..., None], np.uint8(255), PHOTO)
    np.testing.assert_array_equal(inpainter(poisoned, hole), inpainter(np.where(hole[..., None], np.uint8(0), PHOTO), hole))


def test_pixels_come_from_the_named_region(inpainter: Inpainter) -> None:
    """With `sources`, no pixel outside the mask is copied, and colours that exist only there do not appear in the hole."""
    hole, region = _hole((100, 150, 150, 210)), _hole((80, 60, 250, 300))
    picture = np.where(region[..., None], PHOTO // 4 + 90, np.array([255, 0, 255], np.uint8))
    filled = inpainter.run(picture, hole, Options(sources=region))
    assert region[tuple(_sources(filled).T)].all()
    assert (filled.image[hole].max(axis=0) <= picture[region].max(axis=0) + 8).all()


def test_a_search_at_reduced_size_copies_pixels_of_the_full_size(inpainter: Inpainter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fill is as sharp as its surroundings although the search ran on a quarter of the pixels; a constant picture stays constant."""
    monkeypatch.setattr(transfer_detail, "LARGEST", 200)
    gravel, hole = data.gravel(), np.zeros((512, 512), np.bool_)
    hole[150:370, 140:360] = True
    filled = inpainter.run(gravel, hole, Options())
    high = np.abs(filled.image - gaussian(filled.image.astype(float), 1.5))
    assert 0.8 < high[hole].mean() / high[~hole].mean() < 1.2
    flat = np.full((512, 512), 90, np.uint8)
    np.testing.assert_allclose(inpainter(flat, hole), flat, atol=1)


def test_without_sources_the_networks_pixels_stay(inpainter: Inpainter) -> None:
    """If the mask of sources is empty, or every patch has a missing pixel, the hole gets the network's pixels."""
    hole = _hole((100, 150, 150, 210))
    empty = inpainter.run(PHOTO, hole, Options(sources=np.zeros(hole.shape, np.bool_)))
    assert [piece.sources for piece in empty.pieces] == [None]
    np.testing.assert_allclose(empty.image[hole], inpainter(PHOTO, hole, detail="network")[hole], atol=1)
    barred = hole.copy()  # the bars touch the thick part, and so are no thin holes
    barred[::4] = barred[:, ::4] = True
    assert {piece.sources is None for piece in inpainter.run(PHOTO, barred, Options()).pieces} == {True}


def test_detail_network_takes_the_networks_pixels(inpainter: Inpainter) -> None:
    """`detail` chooses the source of the pixels: the network's own are new, those of the transfer come from the picture."""
    hole = HOLES["thick"]
    network, transfer = (inpainter.run(PHOTO, hole, options) for options in (Options(detail="network"), Options(detail="transfer")))
    assert (network.image[hole] != transfer.image[hole]).any()
    assert {piece.sources is None for piece in network.pieces} == {True}
    assert {piece.sources is None for piece in transfer.pieces} == {False}


def test_the_seed_chooses_among_results(inpainter: Inpainter) -> None:
    """The same seed gives the same result, and another seed gives another result."""
    hole = HOLES["thick"]
    first, again, other = (inpainter(PHOTO, hole, seed=seed) for seed in (0, 0, 7))
    np.testing.assert_array_equal(first, again)
    assert (first[hole] != other[hole]).any()


def test_threads_do_not_change_the_result(inpainter: Inpainter) -> None:
    """With the same output of the network, one thread and two threads give the same result."""
    hole = HOLES["neighbours"]
    alone = Inpainter(Config(engine=EngineSettings(backend="openvino", threads=1, cache=inpainter.config.engine.cache)))
    alone_engine = alone.engine
    two = Inpainter(inpainter.config, lambda _config, window: alone_engine(window))
    np.testing.assert_array_equal(alone(PHOTO, hole), two(PHOTO, hole))
    alone.close()


@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64"])
def test_deep_pictures_are_filled_alike(inpainter: Inpainter, dtype: str) -> None:
    """A picture with more than 8 bits gets about the same fill as its 8-bit copy; the search amplifies rounding differences."""
    hole = HOLES["one"]
    scale = 257 if dtype == "uint16" else 1 / 255
    deep = (PHOTO * np.float64(scale)).astype(dtype)
    difference = np.abs(inpainter(deep, hole)[hole] / scale - inpainter(PHOTO, hole)[hole])
    assert np.median(difference) < 4


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"detail": "both"}, ConfigError, "option detail = 'both': expected 'transfer' or 'network'"),
        ({"seed": -1}, ConfigError, "option seed = -1: expected a whole number"),
        ({"seed": 1.5}, ConfigError, "option seed = 1.5"),
        ({"seed": True}, ConfigError, "option seed = True"),
        ({"sources": "left half"}, ConfigError, "expected a mask, as a numpy array"),
        ({"sources": np.ones((4, 4))}, ImageError, r"sources: mask has shape \(4, 4\)"),
    ],
)
def test_wrong_options_are_named(inpainter: Inpainter, options: dict[str, object], error: type[Exception], message: str) -> None:
    """The message names the given value and the expected one."""
    with pytest.raises(error, match=message):
        inpainter.run(PHOTO, HOLES["one"], Options.of(options))


@pytest.mark.parametrize("sigma", [0, 5, 10, 20])
def test_grain_and_sharpness_are_those_of_the_picture(inpainter: Inpainter, sigma: int) -> None:
    """In five real photos, with noise and without, a fill has about as much energy of high frequencies as its surroundings."""
    ratios = []
    for photo in (data.astronaut(), data.chelsea(), data.coffee(), data.rocket(), data.camera()):
        noisy = photo + np.random.default_rng(0).normal(0, sigma, photo.shape)
        picture = np.rint(noisy.clip(0, 255)).astype(np.uint8)
        top, left = picture.shape[0] // 2 - 60, picture.shape[1] // 2 - 70
        hole = _hole((top, left, top + 120, left + 140), shape=picture.shape)
        ring = _hole((top - 40, left - 40, top + 160, left + 180), shape=picture.shape) & ~hole
        high = _high(inpainter(picture, hole))
        ratios.append(high[hole].mean() / high[ring].mean())
    assert 0.7 < np.mean(ratios) < 1.3


def _high(picture: Array) -> Array:
    """Absolute difference [H, W] between the grey picture and its blur of 1.5 px."""
    grey = picture.astype(float).mean(axis=2) if picture.ndim == 3 else picture.astype(float)
    return np.abs(grey - gaussian(grey, 1.5))
