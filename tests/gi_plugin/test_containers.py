"""Data as hosts have it: each kind gives the pixels that the numpy array gives, and comes back as its own kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import dask.array
import numpy as np
import pytest
import tifffile
import torch
import xarray
from PIL import Image

from gi_plugin.arrays import Array
from gi_plugin.config import Config, EngineSettings, HookSettings, ModelSettings
from gi_plugin.errors import ImageError, MaskWarning
from gi_plugin.inpainter import Inpainter
from gi_plugin.planning.overlap import required_overlap
from tests.gi_plugin.windows import small_windows

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.integers(0, 256, (12, 14, 3)).astype(np.uint8).repeat(5, 0).repeat(5, 1)
MASK = np.zeros(IMAGE.shape[:2], bool)
MASK[20:30, 20:35] = True


@pytest.fixture(scope="module")
def fill(small_network_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inpainter]:
    engine = EngineSettings(backend="openvino", precision="fp32", threads=1, cache=str(tmp_path_factory.mktemp("cache")))
    with small_windows():
        inpainter = Inpainter(Config(model=ModelSettings(str(small_network_file)), engine=engine))
        yield inpainter
        inpainter.close()


@pytest.fixture(scope="module")
def expected(fill: Inpainter) -> Array:
    return fill(IMAGE, MASK)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "CMYK", "1"])
def test_pillow(fill: Inpainter, mode: str) -> None:
    """The result is a picture of the same mode and profile, known pixels stay, and the mask may be a picture of any mode."""
    picture = Image.fromarray(IMAGE).convert(mode)
    picture.info["icc_profile"] = b"profile"
    before = picture.tobytes()
    results = [fill(picture, Image.fromarray(MASK).convert(kind)) for kind in ("1", "L", "P", "RGB")] if mode == "RGB" else []
    results.append(fill(picture, Image.fromarray(MASK)))
    for result in results:
        assert (result.mode, result.size, result.info["icc_profile"]) == (mode, picture.size, b"profile")
        np.testing.assert_array_equal(np.asarray(result)[~MASK], np.asarray(picture)[~MASK])
    if mode == "RGB":
        np.testing.assert_array_equal(np.asarray(results[0]), fill(IMAGE, MASK))
    assert picture.tobytes() == before


def test_a_path_is_read(fill: Inpainter, expected: Array, tmp_path: Path) -> None:
    """Paths of a picture and a mask, as text or as `Path`, give the array of the filled picture, in the depth of its file."""
    Image.fromarray(IMAGE).save(tmp_path / "photo.png")
    Image.fromarray(MASK).save(tmp_path / "mask.png")
    for image, mask in (
        (tmp_path / "photo.png", tmp_path / "mask.png"),
        (str(tmp_path / "photo.png"), MASK),
        (IMAGE, str(tmp_path / "mask.png")),
    ):
        np.testing.assert_array_equal(fill(image, mask), expected)
    deep = IMAGE[..., 0].astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "deep.tif", deep)
    result = fill(tmp_path / "deep.tif", MASK, channel_axis=None)
    assert result.dtype == np.uint16
    np.testing.assert_array_equal(result[~MASK], deep[~MASK])


def test_a_path_that_cannot_be_read_is_named(fill: Inpainter, tmp_path: Path) -> None:
    """A missing file, and one that is larger than the setting allows, are errors that name it."""
    with pytest.raises(ImageError, match=r"missing\.png: there is no such file"):
        fill(tmp_path / "missing.png", MASK)
    Image.fromarray(IMAGE).save(tmp_path / "photo.png")
    small = Inpainter(replace(fill.config, hook=HookSettings(max_pixels=100)))
    with pytest.raises(ImageError, match=r"photo\.png: .*the limit is 100 in all"):
        small(tmp_path / "photo.png", MASK)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint8])
def test_torch(fill: Inpainter, dtype: torch.dtype) -> None:
    """Tensors CxHxW with a mask 1xHxW come back as tensors of the same dtype; known pixels stay."""
    pixels = torch.from_numpy(np.moveaxis(IMAGE, -1, 0).copy())
    tensor = pixels if dtype == torch.uint8 else (pixels / 255).to(dtype)
    result = fill(tensor, torch.from_numpy(MASK)[None])
    assert (result.dtype, result.shape) == (dtype, tensor.shape)
    assert torch.equal(result[:, ~MASK], tensor[:, ~MASK])
    if dtype == torch.float32:
        numpy = fill(np.moveaxis(tensor.numpy(), 0, -1), MASK)
        np.testing.assert_array_equal(np.moveaxis(result.numpy(), 0, -1), numpy)


def test_a_tensor_may_have_no_channels_or_last_ones(fill: Inpainter, expected: Array) -> None:
    """HxW is taken as it is; HxWxC needs the axis."""
    np.testing.assert_array_equal(fill(torch.from_numpy(IMAGE), torch.from_numpy(MASK), channel_axis=2).numpy(), expected)
    grey = fill(torch.from_numpy(IMAGE[..., 0].copy()), torch.from_numpy(MASK))
    np.testing.assert_array_equal(grey.numpy(), fill(IMAGE[..., 0], MASK))


def test_a_batch_of_tensors_is_an_error(fill: Inpainter) -> None:
    """A batch has four dimensions, which the message states."""
    with pytest.raises(ImageError, match=r"shape \(2, 3, 8, 8\)"):
        fill(torch.zeros(2, 3, 8, 8), torch.zeros(8, 8))


def test_a_batch_comes_from_a_data_loader(fill: Inpainter, expected: Array) -> None:
    """A transform of a data set fills samples as the loader asks for them."""

    class Photos(torch.utils.data.Dataset[torch.Tensor]):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, number: int) -> torch.Tensor:
            filled: torch.Tensor = fill(torch.from_numpy(np.moveaxis(IMAGE, -1, 0).copy()), torch.from_numpy(MASK)[None])
            return filled

    batches = list(torch.utils.data.DataLoader(Photos(), batch_size=2))
    assert [batch.shape for batch in batches] == [(2, 3, *MASK.shape)] * 2
    np.testing.assert_array_equal(np.moveaxis(batches[1][1].numpy(), 0, -1), expected)


def test_opencv(fill: Inpainter, expected: Array) -> None:
    """A picture with blue first gives the same pixels in its own order, with and without alpha."""
    bgr = cv2.cvtColor(IMAGE, cv2.COLOR_RGB2BGR)
    np.testing.assert_array_equal(fill(bgr, MASK, channel_order="bgr"), cv2.cvtColor(expected, cv2.COLOR_RGB2BGR))
    bgra = np.dstack([bgr, IMAGE[..., 0]])
    np.testing.assert_array_equal(
        fill(bgra, MASK, channel_order="bgr"), np.dstack([cv2.cvtColor(expected, cv2.COLOR_RGB2BGR), IMAGE[..., 0]])
    )


def test_channels_first_with_a_mask_of_one_channel(fill: Inpainter, expected: Array) -> None:
    """An array CxHxW may come with a mask 1xHxW."""
    np.testing.assert_array_equal(fill(np.moveaxis(IMAGE, -1, 0), MASK[None], channel_axis=0), np.moveaxis(expected, -1, 0))


def test_masked_arrays(fill: Inpainter, expected: Array) -> None:
    """The masked pixels of a masked array are filled; `nomask` means that no others are missing."""
    masked = np.ma.masked_array(IMAGE, MASK[..., None].repeat(3, axis=2))
    for mask in (masked.mask[..., 0], np.ma.nomask):
        np.testing.assert_array_equal(fill(masked, mask), expected)
    with pytest.warns(MaskWarning, match="nothing"):
        np.testing.assert_array_equal(fill(np.ma.masked_array(IMAGE), np.ma.nomask), IMAGE)


@pytest.mark.parametrize("dims", [("y", "x", "band"), ("band", "y", "x")])
def test_xarray(fill: Inpainter, expected: Array, dims: tuple[str, ...]) -> None:
    """A `DataArray` comes back with its dimensions, coordinates and attributes, wherever its channels stand."""
    array = xarray.DataArray(IMAGE, dims=("y", "x", "band"), coords={"band": ["r", "g", "b"]}, attrs={"crs": "local"}).transpose(*dims)
    result = fill(array, xarray.DataArray(MASK, dims=("y", "x")))
    assert (result.dims, result.attrs, list(result.band.values)) == (dims, {"crs": "local"}, ["r", "g", "b"])
    np.testing.assert_array_equal(result.transpose("y", "x", "band").values, expected)


@pytest.mark.parametrize("detail", ["transfer", "network"])
def test_dask_chunks_with_the_required_overlap_equal_the_whole(fill: Inpainter, detail: Any) -> None:
    """Chunks that overlap by `required_overlap` pixels give the result of the whole picture, wherever they are cut."""
    image = np.random.default_rng(1).integers(0, 256, (384, 576, 3)).astype(np.uint8)
    mask = np.zeros(image.shape[:2], bool)
    for top, left in ((10, 20), (186, 125), (190, 300), (198, 312), (370, 380)):
        mask[top : top + 12, left : left + 16] = True
    mask[90:93, 180:200] = mask[189:195, 30] = mask[192, 330] = True  # thin ones: across two chunks, and near a thick one
    depth = required_overlap(mask, detail=detail)
    pictures = dask.array.from_array(image, chunks=(192, 192, 3))
    holes = dask.array.from_array(mask, chunks=(192, 192))

    def fill_chunk(pixels: Array, hole: Array) -> Array:
        return fill(pixels, hole[..., 0], detail=detail)

    filled = dask.array.map_overlap(
        fill_chunk, pictures, holes[..., None], depth={0: depth, 1: depth, 2: 0}, boundary="none", dtype=image.dtype, allow_rechunk=False
    )
    np.testing.assert_array_equal(filled.compute(scheduler="synchronous"), fill(image, mask, detail=detail))
