"""Comparison of `gi_plugin.inpaint` with `skimage.restoration.inpaint_biharmonic`: the same calls to both functions.

Our function differs on purpose:

- Its result has the dtype and range of the image; theirs is float. A pipeline keeps its dtype, and known pixels stay exact.
- Channels are last by default; theirs has no channels by default. The network was trained on pictures.
- It rejects one or more than three dimensions, channels other than 1, 3 and 4, and integers other than uint8 and uint16. The network was
  trained on pictures, and a wrong guess of the range would give a wrong picture.
- Floats outside [0, 1] need `data_range`, because the network reads a fixed range. NaN in known pixels is rejected; theirs spreads it.
- Masks may be pictures (HxWx1, colours), and a value counts above half of the mask's range, because masks come from lossy files. A mask in
  which no value counts (labels 0 and 2, only faint values) is rejected; theirs counts every non-zero value.
- Every error about arrays is a ValueError; theirs raises AttributeError for a list. A masked array is a TypeError in theirs; ours uses its
  data, and the hole is what `mask` says.
- `split_into_regions` has no effect: separate holes always get separate windows.
- The fill is not clipped to the range of the known pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from skimage import data, img_as_float
from skimage.metrics import normalized_root_mse
from skimage.restoration import inpaint_biharmonic

import gi_plugin
from gi_plugin.arrays import Array

GREY = np.tile(np.linspace(0, 1, 40), (30, 1))  # [30, 40]
COLOUR = np.stack([GREY, GREY[:, ::-1], GREY / 2], axis=2)
MASK = np.zeros(GREY.shape, np.bool_)
MASK[8:14, 10:20] = MASK[20, 25:33] = True
FIVE = np.tile(np.square(np.linspace(0, 1, 5)), (5, 1))  # the picture in the example of scikit-image's documentation
CORNER = np.triu(np.ones((5, 5), np.bool_), 2)

Call = tuple[Array, Array, dict[str, Any]]
ALIKE: dict[str, Call] = {  # calls that both accept: image, mask, keywords
    "grey": (GREY, MASK, {}),
    "grey, no channels": (GREY, MASK, {"channel_axis": None}),
    "the documentation's example": (FIVE, CORNER, {}),
    "channels last": (COLOUR, MASK, {"channel_axis": -1}),
    "channels at 2": (COLOUR, MASK, {"channel_axis": 2}),
    "channels at -2": (np.moveaxis(COLOUR, -1, 1), MASK, {"channel_axis": -2}),
    "channels at 1": (np.moveaxis(COLOUR, -1, 1), MASK, {"channel_axis": 1}),
    "channels first": (np.moveaxis(COLOUR, -1, 0), MASK, {"channel_axis": 0}),
    "one channel": (COLOUR[..., :1], MASK, {"channel_axis": -1}),
    "four channels, all known": (np.dstack((COLOUR, GREY)), MASK & False, {"channel_axis": -1}),
    "by regions": (COLOUR, MASK, {"channel_axis": -1, "split_into_regions": True}),
    "as a whole": (COLOUR, MASK, {"channel_axis": -1, "split_into_regions": False}),
    "Fortran order": (np.asfortranarray(COLOUR), np.asfortranarray(MASK), {"channel_axis": -1}),
    "float32": (GREY.astype(np.float32), MASK, {}),
    "mask of 0 and 1": (GREY, MASK.astype(np.uint8), {}),
    "mask of 0 and 255": (GREY, MASK * np.uint8(255), {}),
    "mask of floats": (GREY, MASK.astype(float), {}),
    "mask of int64": (GREY, MASK.astype(np.int64), {}),
    "no hole": (GREY, MASK & False, {}),
    "labels 0 and 2": (GREY, MASK * np.uint8(2), {}),
    "NaN in the hole": (np.where(MASK, np.nan, GREY), MASK, {}),
}
DTYPES = [("uint8", "float64"), ("uint16", "float64"), ("float16", "float32"), ("float32", "float32"), ("float64", "float64")]

Error = type[BaseException]
REFUSED: dict[str, tuple[Call, Error, Error]] = {  # calls that both reject: call, their error, ours
    "no dimension": ((np.zeros(()), np.zeros(()), {}), ValueError, ValueError),
    "shapes differ": ((np.zeros((2, 2)), np.zeros((4, 1)), {}), ValueError, ValueError),
    "sides swapped": ((GREY, MASK.T, {}), ValueError, ValueError),
    "channels without an axis": ((COLOUR, MASK, {"channel_axis": None}), ValueError, ValueError),
    "an axis that is not there": ((COLOUR, MASK, {"channel_axis": 5}), ValueError, ValueError),
    "nothing known": ((GREY, MASK | True, {}), ValueError, ValueError),
    "no pixel": ((GREY[:0], MASK[:0], {}), ValueError, ValueError),
    "complex": ((GREY + 0j, MASK, {}), ValueError, ValueError),
    "objects": ((GREY.astype(object), MASK, {}), ValueError, ValueError),
    "a list": ((GREY.tolist(), MASK, {}), AttributeError, ValueError),
    "a list as mask": ((GREY, MASK.tolist(), {}), AttributeError, ValueError),
    "no mask": ((GREY, None, {}), AttributeError, ValueError),  # type: ignore[arg-type]  # wrong on purpose
    "an unknown keyword": ((GREY, MASK, {"multichannel": True}), TypeError, TypeError),
}
ONLY_THEIRS: dict[str, tuple[Call, str]] = {  # calls that only theirs accepts: call, our message
    "one dimension": ((GREY[0], MASK[10], {}), "expected HxW"),
    "a volume": ((np.stack([GREY] * 3), np.stack([MASK] * 3), {"channel_axis": None}), "expected HxW"),
    "two channels": ((COLOUR[..., :2], MASK, {"channel_axis": -1}), "HxWx1, HxWx3 or HxWx4"),
    "five channels": ((np.dstack((COLOUR, COLOUR[..., :2])), MASK, {"channel_axis": -1}), "HxWx1, HxWx3 or HxWx4"),
    "int64": (((GREY * 255).astype(np.int64), MASK, {}), "convert it with astype"),
    "bool": ((GREY > 0.5, MASK, {}), "convert it with astype"),
    "NaN outside of the hole": ((np.where(GREY > 0.9, np.nan, GREY), MASK, {}), "NaN or infinite"),
    "a faint mask": ((GREY, MASK * 0.2, {}), "marks nothing as missing"),
    "a negative mask": ((GREY, MASK * -1, {}), "values from -1 to 0"),
}
ONLY_OURS: dict[str, tuple[Call, Error]] = {  # calls that only ours accepts: call, their error
    "channels last by default": ((COLOUR, MASK, {}), ValueError),
    "a mask with a channel": ((GREY, MASK[..., None], {}), ValueError),
    "a mask in colours": ((COLOUR, np.stack([MASK] * 3, axis=2), {"channel_axis": -1}), ValueError),
    "a view with steps": ((COLOUR[:, ::2], MASK[:, ::2], {"channel_axis": -1}), ValueError),
    "a masked array": ((np.ma.array(GREY, mask=MASK), MASK, {}), TypeError),
}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the engines of these tests out of the user's cache."""
    monkeypatch.setenv("GI_PLUGIN_CACHE", str(tmp_path_factory.getbasetemp() / "engines"))


def _known(result: Array, mask: Array, axis: int | None) -> Array:
    """Return the known pixels, channels last."""
    known: Array = (result if axis is None or result.ndim == 2 else np.moveaxis(result, axis, -1))[mask == 0]
    return known


@pytest.mark.filterwarnings("ignore::gi_plugin.errors.MaskWarning")  # a mask may mark nothing
@pytest.mark.parametrize("name", ALIKE)
def test_both_accept_the_call(name: str) -> None:
    """Both return the same shape, dtype and known pixels; our fill is in the picture's range, and the arguments are unchanged."""
    image, mask, keywords = ALIKE[name]
    before = image.copy(), mask.copy()
    theirs, ours = inpaint_biharmonic(image, mask, **keywords), gi_plugin.inpaint(image, mask, **keywords)
    assert (ours.shape, ours.dtype, type(ours)) == (theirs.shape, theirs.dtype, np.ndarray)
    axis = keywords.get("channel_axis")
    np.testing.assert_array_equal(_known(ours, mask, axis), _known(theirs, mask, axis))
    assert ours.min() >= 0
    assert ours.max() <= 1
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(mask, before[1])
    assert not np.shares_memory(ours, image)


@pytest.mark.parametrize(("dtype", "theirs"), DTYPES)
def test_the_result_has_the_images_dtype_where_theirs_is_float(dtype: str, theirs: str) -> None:
    """Our result keeps the image's dtype; converted to float, its known pixels equal those of theirs."""
    image = (COLOUR * (np.iinfo(dtype).max if dtype.startswith("u") else 1)).astype(dtype)
    expected, result = inpaint_biharmonic(image, MASK, channel_axis=-1), gi_plugin.inpaint(image, MASK, channel_axis=-1)
    assert (result.dtype, expected.dtype) == (np.dtype(dtype), np.dtype(theirs))
    np.testing.assert_array_equal(img_as_float(result)[~MASK].astype(theirs), expected[~MASK])


@pytest.mark.parametrize("name", REFUSED)
def test_both_reject_the_call(name: str) -> None:
    """Both raise an error; every error of ours about arrays is an `ImageError`, which is a ValueError."""
    (image, mask, keywords), theirs, ours = REFUSED[name]
    with pytest.raises(theirs):
        inpaint_biharmonic(image, mask, **keywords)
    with pytest.raises(ours) as caught:
        gi_plugin.inpaint(image, mask, **keywords)
    assert isinstance(caught.value, gi_plugin.ImageError) == (ours is ValueError)


@pytest.mark.parametrize("name", ONLY_THEIRS)
def test_only_theirs_accepts_the_call(name: str) -> None:
    """Our function raises an error that says what to do (the reasons are in this file's docstring)."""
    (image, mask, keywords), text = ONLY_THEIRS[name]
    assert inpaint_biharmonic(image, mask, **keywords).shape == image.shape
    with pytest.raises(gi_plugin.ImageError, match=text):
        gi_plugin.inpaint(image, mask, **keywords)


@pytest.mark.parametrize("name", ONLY_OURS)
def test_only_ours_accepts_the_call(name: str) -> None:
    """Our function accepts pictures and masks in the form in which files hold them, and returns the image's shape."""
    (image, mask, keywords), theirs = ONLY_OURS[name]
    with pytest.raises(theirs):
        inpaint_biharmonic(image, mask, **keywords)
    result = gi_plugin.inpaint(image, mask, **keywords)
    assert (result.shape, type(result)) == (image.shape, np.ndarray)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("low", [0, -1000])
def test_another_range_is_found(low: float, given: bool) -> None:
    """With and without `data_range`, our result has the same known pixels as theirs, and a fill inside the range."""
    image = GREY * 255 + low
    ours = gi_plugin.inpaint(image, MASK, data_range=(low, low + 255) if given else None)
    np.testing.assert_array_equal(ours[~MASK], inpaint_biharmonic(image, MASK)[~MASK])
    assert image.min() <= ours.min() <= ours.max() <= image.max()


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_damaged_photo_is_repaired_alike(dtype: type, order: Any, axis: int, split: bool) -> None:  # a table
    """Both functions remove nine tenths of the error of scratches, a spot and specks, for every layout in memory."""
    photo = img_as_float(data.astronaut())[60:188, 150:278].astype(dtype)
    mask = np.zeros(photo.shape[:2], np.bool_)
    mask[10:118:27, 8:120] = mask[60:72, 30:44] = True
    mask[np.random.default_rng(0).integers(0, 128, 60), np.random.default_rng(1).integers(0, 128, 60)] = True
    damaged = np.where(mask[..., None], dtype(0), photo)
    given = np.asarray(np.moveaxis(damaged, -1, axis), order=order)
    calls: list[Callable[..., Array]] = [inpaint_biharmonic, gi_plugin.inpaint]
    for call in calls:
        result = call(given, mask, channel_axis=axis, split_into_regions=split)
        assert (result.shape, result.dtype) == (given.shape, np.dtype(dtype))
        repaired = np.moveaxis(result, axis, -1)
        assert normalized_root_mse(photo, repaired) < 0.1 * normalized_root_mse(photo, damaged)
