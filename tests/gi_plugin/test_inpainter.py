"""The contract of `Inpainter`, kept by the packaged network on the embedded engine."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import gi_plugin
from gi_plugin.arrays import Array, Bools
from gi_plugin.config import CACHE_VARIABLE, Config, EngineSettings, HookSettings, ModelSettings
from gi_plugin.errors import ConfigError, ImageError, MaskWarning, ModelError
from gi_plugin.inpainter import Inpainter
from gi_plugin.options import Options
from gi_plugin.shared import close_default_inpainter
from tests.gi_plugin.windows import small_windows

ENGINE = EngineSettings(backend="openvino", threads=1)
DTYPES = ["uint8", "uint16", "float16", "float32", "float64"]
AXES = {"HxW": None, "HxWx1": -1, "HxWx3": -1, "HxWx4": 2, "1xHxW": 0, "3xHxW": 0, "4xHxW": -3}


@pytest.fixture(scope="module")
def fill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inpainter]:
    """An inpainter on OpenVINO with a cache of its own, shared so that each engine is compiled once."""
    inpainter = Inpainter(Config(engine=replace(ENGINE, cache=str(tmp_path_factory.mktemp("cache")))))
    yield inpainter
    inpainter.close()


@pytest.fixture(scope="module")
def quick_fill(small_network_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inpainter]:
    """Return an inpainter with a small network, for behaviour that does not depend on the network."""
    engine = replace(ENGINE, cache=str(tmp_path_factory.mktemp("cache")))
    inpainter = Inpainter(Config(model=ModelSettings(str(small_network_file)), engine=engine))
    yield inpainter
    inpainter.close()


@pytest.fixture
def never() -> Inpainter:
    """An inpainter that fails as soon as an engine is opened."""
    return Inpainter(Config(model=ModelSettings("/no/such/network.onnx", thin="/no/such/network.onnx"), engine=ENGINE))


def _values(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Array:
    generator = np.random.default_rng(seed)
    if dtype.startswith("uint"):
        return generator.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)
    return generator.random(shape).astype(dtype)


def _image(layout: str, dtype: str, height: int, width: int, seed: int) -> tuple[Array, Array]:
    """A random image in a layout, and a view of it as HxWxC."""
    channels = 1 if layout == "HxW" else int(layout.strip("xHW"))
    shape = (channels, height, width) if AXES[layout] in (0, -3) else (height, width, channels)
    image = _values(shape[:2] if layout == "HxW" else shape, dtype, seed)
    return image, image[..., None] if layout == "HxW" else np.moveaxis(image, AXES[layout] or 0, -1)


def _box(shape: tuple[int, int], top: int, left: int, bottom: int, right: int) -> Bools:
    mask = np.zeros(shape, np.bool_)
    mask[top:bottom, left:right] = True
    return mask


@st.composite
def masks(draw: st.DrawFn) -> Bools:
    """A mask of 1 to 300 px a side with a known pixel: a box, strokes, dots, or all but one pixel."""
    height, width = draw(st.integers(1, 300)), draw(st.integers(1, 300))
    row, column = st.integers(0, height - 1), st.integers(0, width - 1)
    mask = _box((height, width), top := draw(row), left := draw(column), top + draw(st.integers(1, 60)), left + draw(st.integers(1, 60)))
    match draw(st.sampled_from(["box", "stroke", "dots", "all but one"])):
        case "stroke":
            mask[top, left : left + 60] = True
        case "dots":
            mask[draw(row), draw(column)] = mask[draw(row), draw(column)] = True
        case "all but one":
            mask[:] = True
    mask[draw(row), draw(column)] = False
    return mask


@pytest.mark.filterwarnings("ignore::gi_plugin.errors.MaskWarning")  # a mask may mark nothing, or nearly all
@settings(max_examples=25, deadline=None)
@given(mask=masks(), layout=st.sampled_from(sorted(AXES)), dtype=st.sampled_from(DTYPES), seed=st.integers(0, 99))
def test_the_contract_holds(quick_fill: Inpainter, mask: Bools, layout: str, dtype: str, seed: int) -> None:
    """The result is a new array of the same shape and dtype; known pixels and alpha are bit-identical; inputs stay; calls repeat."""
    image, pixels = _image(layout, dtype, mask.shape[0], mask.shape[1], seed)
    if dtype.startswith("float"):
        pixels[mask, :3] = np.nan  # ignored
    before, mask_before = image.tobytes(), mask.copy()
    with small_windows():
        result, again = (quick_fill(image, mask, channel_axis=AXES[layout]) for _ in range(2))
    assert (image.tobytes(), result.shape, result.dtype) == (before, image.shape, image.dtype)
    assert not np.shares_memory(result, image)
    np.testing.assert_array_equal(mask, mask_before)
    found = result[..., None] if layout == "HxW" else np.moveaxis(result, AXES[layout] or 0, -1)
    assert found[~mask].tobytes() == pixels[~mask].tobytes()
    assert found[..., 3:].tobytes() == pixels[..., 3:].tobytes()
    if dtype.startswith("float"):
        assert np.isfinite(result).all()
        assert 0 <= result.min() <= result.max() <= 1
    assert again.tobytes() == result.tobytes()


@pytest.mark.parametrize("layout", sorted(AXES))
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_an_empty_mask_gives_a_copy_and_opens_no_engine(never: Inpainter, layout: str, dtype: str) -> None:
    """Nothing to do is done without a network; only a hole asks for one."""
    image, _ = _image(layout, dtype, 9, 7, 0)
    with pytest.warns(MaskWarning, match="marks nothing as missing"):
        result = never(image, np.zeros((9, 7), np.uint8), channel_axis=AXES[layout])
    assert not np.shares_memory(result, image)
    assert (result.dtype, result.tobytes()) == (image.dtype, image.tobytes())
    with pytest.raises(ModelError, match=r"/no/such/network\.onnx"):
        never(image, _box((9, 7), 0, 0, 2, 2), channel_axis=AXES[layout])


def test_an_unknown_option_names_the_nearest() -> None:
    """The mapping of a hook call may hold anything; what is no option is an error."""
    with pytest.raises(ConfigError, match="unknown option 'dilatation': did you mean 'dilate'"):
        Options.of({"dilatation": 3})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dilate": -1}, "option dilate = -1: expected 0 or more pixels"),
        ({"dilate": 1.5}, "option dilate = 1.5: expected"),
        ({"dilate": "3"}, "option dilate = '3': expected"),
        ({"channel_axis": "last"}, "option channel_axis = 'last': expected a whole number"),
        ({"data_range": 255}, r"option data_range = 255: expected two numbers, \(lowest, highest\)"),
        ({"data_range": ("0", "1")}, "option data_range = "),
        ({"mask_alpha": "yes"}, "option mask_alpha = 'yes': expected True or False"),
    ],
)
def test_a_wrong_option_is_named(never: Inpainter, options: dict[str, Any], message: str) -> None:
    """The message says what was given and what is expected, before anything is computed."""
    with pytest.raises(ConfigError, match=message):
        never(np.zeros((9, 9)), _box((9, 9), 0, 0, 2, 2), **options)


BAD = _values((9, 9, 3), "float64")
BAD[5, 5, 1] = np.nan


@pytest.mark.parametrize(
    ("image", "mask", "options", "message"),
    [
        (BAD, _box((9, 9), 0, 0, 2, 2), {}, "NaN or infinite values outside the hole"),
        (255 * _values((9, 9, 3), "float32"), _box((9, 9), 0, 0, 2, 2), {"data_range": (0, 1)}, r"far outside data_range=\(0, 1\)"),
        (np.ma.masked_less(_values((9, 9), "float32"), 9), _box((9, 9), 0, 0, 2, 2), {}, "masked pixels cover the whole image"),
        (np.zeros((9, 9, 3), np.int32), _box((9, 9), 0, 0, 2, 2), {}, "dtype int32"),
        (_values((9, 9, 3), "uint8"), _box((9, 8), 0, 0, 2, 2), {}, r"mask has shape \(9, 8\)"),
        (_values((9, 9, 3), "uint8"), np.ones((9, 9), np.bool_), {}, "every pixel as missing"),
        (_values((9, 9, 3), "uint8"), _box((9, 9), 0, 0, 2, 2), {"dilate": 8}, "covers the whole image once it is dilated"),
        (_values((9, 9, 3), "uint8"), _box((9, 9), 0, 0, 2, 2), {"data_range": (0, 256)}, "uint8 holds values from 0 to 255 only"),
        (_values((9, 9, 3), "uint8"), _box((9, 9), 0, 0, 2, 2), {"mask_alpha": True}, "expected a mask with 4 channels"),
        (np.broadcast_to(np.uint8(0), (20_000, 30_000)), np.broadcast_to(np.False_, (20_000, 30_000)), {}, "600000000 pixels.*max_pixels"),
    ],
)
def test_an_unusable_input_is_refused_before_an_engine_is_opened(
    never: Inpainter, image: Array, mask: Array, options: dict[str, Any], message: str
) -> None:
    """Wrong images and masks are found first."""
    with pytest.raises(ImageError, match=message):
        never(image, mask, **options)


@pytest.mark.parametrize(
    ("image", "options", "tolerance"),
    [
        (np.full((300, 280, 3), [200, 50, 30], np.uint8), {}, 25),
        (np.full((90, 120), 40_000, ">u2"), {}, 6500),
        (np.full((100, 90, 1), 0.25, np.float16), {}, 0.1),
        (np.full((90, 100, 4), [-40.0, 10.0, 60.0, 7.0]), {"data_range": (-50.0, 150.0)}, 20),
    ],
)
def test_one_colour_stays_that_colour(fill: Inpainter, image: Array, options: dict[str, Any], tolerance: float) -> None:
    """A plain picture is filled with its colour to a tenth of the range, whatever dtype, byte order and range."""
    rows, columns = image.shape[:2]
    mask = _box((rows, columns), rows // 4, columns // 4, rows * 3 // 4, columns * 3 // 4)
    blank = image.copy()
    blank.reshape(rows, columns, -1)[mask, :3] = 0
    result = fill(blank, mask, **options)
    assert result.dtype == image.dtype
    assert abs(result.astype(float) - image).max() <= tolerance


@pytest.mark.parametrize("layout", ["reversed", "strided", "Fortran", "read-only"])
def test_the_memory_layout_does_not_matter(fill: Inpainter, layout: str) -> None:
    """Views and read-only arrays are filled like their contiguous copies."""
    image, mask = _values((60, 50, 3), "uint8"), _box((60, 50), 20, 10, 40, 30)
    expected = fill(image, mask)
    if layout == "reversed":
        image, mask = np.flip(np.flip(image).copy()), np.flip(np.flip(mask).copy())
    elif layout == "strided":
        image, mask = np.repeat(image, 2, axis=1)[:, ::2], np.repeat(mask, 3, axis=0)[::3]
    elif layout == "Fortran":
        image, mask = np.asfortranarray(image), np.asfortranarray(mask)
    image.flags.writeable = mask.flags.writeable = False
    result = fill(image, mask)
    np.testing.assert_array_equal(result, expected)
    assert result.flags.writeable


def test_the_function_is_the_inpainter_of_the_process(fill: Inpainter, monkeypatch: pytest.MonkeyPatch) -> None:
    """`gi_plugin.inpaint` takes what scikit-image's inpainting takes, and the options by name."""
    monkeypatch.setenv(CACHE_VARIABLE, fill.config.engine.cache)
    image, mask, options = _values((3, 60, 50), "float32"), _box((60, 50), 20, 10, 40, 30), {"channel_axis": 0, "dilate": 1}
    np.testing.assert_allclose(gi_plugin.inpaint(image, mask, **options), fill(image, mask, **options), atol=0.02)
    close_default_inpainter()


def test_a_fill_at_full_size_comes_after_a_reduced_one(fill: Inpainter) -> None:
    """A small hole in the bounding box of a large one gets the fill of its own window."""
    mask = _box((700, 640), 100, 100, 600, 400) | _box((700, 640), 500, 100, 600, 600) | _box((700, 640), 200, 500, 220, 520)
    windows = [piece.window for piece in fill.run(_values((700, 640), "uint8"), mask, Options(detail="network")).pieces]
    assert [(window.size, window.scale) for window in windows] == [(512, 2), (256, 1)]
    assert windows[1].own == (200, 500, 220, 520)


@pytest.mark.filterwarnings("ignore::gi_plugin.errors.MaskWarning")  # most is missing
def test_a_dense_hole_is_filled_from_what_is_between(fill: Inpainter) -> None:
    """Of a ramp with 7 of 10 pixels missing, a reduced window knows nearly every cell: the ramp comes back, in all its rows."""
    ramp = np.repeat(np.linspace(0, 1, 600)[:, None], 600, axis=1)
    mask = np.random.default_rng(0).random((600, 600)) < 0.7
    error = np.where(mask, abs(fill(np.where(mask, 0, ramp), mask) - ramp), np.nan)
    assert np.nanmedian(error, axis=1).max() < 0.01


@pytest.mark.parametrize("mask", [_box((80, 90), 30, 30, 42, 43), np.zeros((80, 90), np.bool_)], ids=["hole", "no hole"])
def test_masked_pixels_are_missing(fill: Inpainter, mask: Bools) -> None:
    """The masked pixels of a masked array are filled like the hole, whatever they hold; one without a mask is an ordinary array."""
    image = _values((80, 90, 3), "float32")
    holed = image.copy()
    holed[5:9, 60:70, 1] = np.nan
    both = mask.copy()
    both[5:9, 60:70] = True
    result = fill(np.ma.masked_invalid(holed), mask)
    assert type(result) is np.ndarray
    np.testing.assert_array_equal(result, fill(holed, both))
    if mask.any():
        np.testing.assert_array_equal(fill(np.ma.array(image, mask=np.ma.nomask), mask), fill(image, mask))


def test_a_mask_may_be_inverted(fill: Inpainter) -> None:
    """With `invert_mask`, zero is missing; a mask that was probably meant so causes a warning that names the option."""
    image, hole = _values((80, 90, 3), "uint8"), _box((80, 90), 30, 30, 42, 43)
    np.testing.assert_array_equal(fill(image, ~hole, invert_mask=True), fill(image, hole))
    with pytest.warns(MaskWarning, match="98 % of the picture as missing: if black and white are swapped, use invert_mask=True"):
        fill(image, ~hole)


@pytest.mark.parametrize("scale", [16, 4096])  # powers of two, with which no number is rounded
def test_the_range_of_the_values_does_not_matter(fill: Inpainter, scale: float) -> None:
    """A picture in other units, and with a large offset, is filled with the same contrasts: its values keep their digits."""
    image, hole, offset = np.rint(_values((80, 90, 3), "float64") * 256) / 256, _box((80, 90), 30, 30, 42, 43), 2.0**23
    found = fill(image * scale + offset, hole, data_range=(offset, offset + scale))
    np.testing.assert_allclose((found - offset) / scale, fill(image, hole), atol=1e-6)
    alone = fill((image * 200 + 1000).astype(np.uint16), hole)[hole]
    assert alone.min() >= 1000
    assert alone.max() <= 1200
    assert alone.std() > 5


def test_dilation_refills_what_surrounds_the_hole(fill: Inpainter) -> None:
    """The hole grows by the option, else by the setting; further out nothing changes."""
    image = _values((80, 90, 3), "uint8")
    grown = fill(image, _box((80, 90), 30, 30, 42, 43))
    by_setting = Inpainter(Config(hook=HookSettings(dilate=2), engine=ENGINE))
    np.testing.assert_array_equal(fill(image, _box((80, 90), 32, 32, 40, 41), dilate=2), grown)
    np.testing.assert_array_equal(by_setting(image, _box((80, 90), 32, 32, 40, 41)), grown)
    np.testing.assert_array_equal(by_setting(image, _box((80, 90), 30, 30, 42, 43), dilate=0), grown)
    by_setting.close()


def test_threads_get_what_they_get_alone(fill: Inpainter) -> None:
    """Eight threads with different images share one inpainter without mixing them up."""
    images = [_values((40 + 9 * index, 60, 3), "uint8", seed=index) for index in range(8)]
    jobs = [(image, _box((40 + 9 * index, 60), 3 * index, 10, 3 * index + 20, 30)) for index, image in enumerate(images)]
    alone = [fill(*job) for job in jobs]
    fill.close()  # so that they also open the engine together
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda job: fill(*job), jobs))
    assert [result.tobytes() for result in together] == [result.tobytes() for result in alone]


def test_a_batch_gives_what_single_windows_give() -> None:
    """In fp32, three holes in batches of two are filled as one by one, up to rounding."""
    image, mask = _values((700, 700, 3), "float32"), np.zeros((700, 700), np.bool_)
    for start in (100, 300, 500):
        mask[start : start + 30, start : start + 40] = True
    fp32 = replace(ENGINE, precision="fp32")
    batched, alone = Inpainter(Config(engine=replace(fp32, batch=2))), Inpainter(Config(engine=fp32))
    result = batched.run(image, mask, Options(detail="network"))
    assert len(result.pieces) == 3
    assert all(piece.matches.shape == (32 * 32,) for piece in result.pieces)
    np.testing.assert_array_equal(result.hole, mask)
    np.testing.assert_allclose(result.image, alone(image, mask, detail="network"), atol=1e-3)
    batched.close()
    alone.close()
