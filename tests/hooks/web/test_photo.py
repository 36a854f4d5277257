"""Photo processing of the web page, without the page: all kinds of files, several rounds, and errors."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

import gi_plugin
from gi_plugin import attention_map, files
from gi_plugin.arrays import Array, Bools
from gi_plugin.config import Config, Detail, HookSettings
from gi_plugin.errors import ImageError
from gi_plugin.hooks.web import photo as web_photo
from gi_plugin.hooks.web.photo import MAX_SIDE, Photo
from gi_plugin.inpainter import Inpainter
from gi_plugin.options import Options
from gi_plugin.shared import default_inpainter
from tests.hooks.pictures import picture

LIMIT = 10**6
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
IMAGE, MASK = picture()
KINDS = {  # name of the file: its pixels
    "rgb.png": IMAGE,
    "grey.png": IMAGE[..., 0],
    "alpha.png": np.dstack([IMAGE, np.full(MASK.shape, 200, np.uint8)]),
    "deep.tif": IMAGE.astype(np.uint16) * 257,
    "float.tif": (IMAGE[..., 0] / 255).astype(np.float32),
    "lossless.webp": IMAGE,
}


def _layer(mask: Bools) -> Image.Image:
    """A painted layer as the editor sends it: coloured where it was painted, transparent elsewhere."""
    layer = np.zeros((*mask.shape, 4), np.uint8)
    layer[mask] = (255, 45, 85, 255)
    return Image.fromarray(layer)


def _saved(pixels: Array, path: Path) -> Photo:
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels)
    else:
        Image.fromarray(pixels).save(path, lossless=True)
    return Photo(path, path.name)


def _opened(path: Path) -> Image.Image:
    """Read a picture with Pillow and close its file."""
    with Image.open(path) as image:
        image.load()
        return image


def _fill(photo: Photo, folder: Path, mask: Bools = MASK) -> web_photo.FilledPhoto:
    return web_photo.fill(photo, [_layer(mask)], default_inpainter(), folder)


@pytest.mark.parametrize("name", KINDS)
def test_a_photo_is_filled_as_the_python_call_fills_it(tmp_path: Path, name: str) -> None:
    """The download has the photo's format, depth and known pixels; its hole equals that of `gi_plugin.inpaint` with the downloaded mask."""
    photo = _saved(KINDS[name], tmp_path / name)
    result = _fill(photo, tmp_path / "out")
    mask = files.read_mask(result.mask, LIMIT)
    np.testing.assert_array_equal(mask > 0, MASK)
    filled = files.read_picture(result.download, LIMIT).pixels
    assert (result.download.suffix, filled.dtype) == (photo.path.suffix, KINDS[name].dtype)
    np.testing.assert_array_equal(filled, gi_plugin.inpaint(KINDS[name], mask))
    assert result.report.startswith(f"Filled {MASK.sum()} pixels in ")
    assert result.shown.size == result.sources.size == (MASK.shape[1], MASK.shape[0])


@pytest.mark.parametrize("detail", ["transfer", "network"])
def test_a_panel_shows_where_the_pixels_came_from(tmp_path: Path, detail: Detail) -> None:
    """The panel shows the sources of the pixels; if the network made them, it shows where the network looked."""
    result = web_photo.fill(_saved(IMAGE, tmp_path / "rgb.png"), [_layer(MASK)], default_inpainter(), tmp_path, detail=detail, seed=2)
    inpainting = default_inpainter().run(IMAGE, MASK, Options(detail=detail, seed=2))
    np.testing.assert_array_equal(np.asarray(_opened(result.download)), inpainting.image)
    draw = attention_map.draw_sources if detail == "transfer" else attention_map.draw_attention
    np.testing.assert_array_equal(np.asarray(result.sources), draw(inpainting))


@pytest.mark.parametrize("name", KINDS)
def test_a_photo_is_shown_in_8_bits(tmp_path: Path, name: str) -> None:
    """The shown picture equals the photo in 8 bits, for every depth."""
    shown = web_photo.show(_saved(KINDS[name], tmp_path / name), LIMIT)
    expected = KINDS["grey.png" if KINDS[name].ndim == 2 else "rgb.png"]
    difference = np.asarray(shown)[..., : expected.shape[2] if expected.ndim == 3 else None].astype(int) - expected
    assert np.abs(difference).max() <= 1


def test_several_rounds_on_a_jpeg_lose_nothing_in_between(tmp_path: Path) -> None:
    """The second round starts from the exact result of the first; every download is a JPEG, and the report says that it is lossy."""
    Image.fromarray(IMAGE).save(tmp_path / "photo.jpg", quality=90)
    before = files.read_picture(tmp_path / "photo.jpg", LIMIT).pixels
    first = _fill(Photo(tmp_path / "photo.jpg", "photo.jpg"), tmp_path)
    second = _fill(first.photo, tmp_path, ~MASK[::-1] & (np.arange(MASK.shape[1]) < 4))
    again = np.asarray(_opened(second.mask)) > 0
    exact = files.read_picture(second.photo.path, LIMIT).pixels
    np.testing.assert_array_equal(exact[~MASK & ~again], before[~MASK & ~again])
    np.testing.assert_array_equal(exact, gi_plugin.inpaint(gi_plugin.inpaint(before, MASK), again))
    for result in (first, second):
        assert result.download.name == "photo-filled.jpg"
        assert _opened(result.download).format == "JPEG"
        assert "lossy" in result.report
    assert np.abs(np.asarray(_opened(second.download)).astype(int) - exact).mean() < 3


def test_a_large_photo_is_painted_on_reduced(tmp_path: Path) -> None:
    """The painting is scaled up to the photo: the painted part is filled and the rest stays unchanged."""
    height, width = 64, 2 * MAX_SIDE
    pixels = np.random.default_rng(0).integers(0, 255, (height, width), dtype=np.uint8)
    photo = _saved(pixels, tmp_path / "wide.png")
    shown = web_photo.show(photo, LIMIT)
    assert shown.size == (MAX_SIDE, height // 2)
    painted = np.zeros((height // 2, MAX_SIDE), bool)
    painted[5:9, 700:710] = True
    result = _fill(photo, tmp_path, painted)
    mask = np.asarray(_opened(result.mask)) > 0
    np.testing.assert_array_equal(np.argwhere(mask).min(axis=0), (10, 1400))
    np.testing.assert_array_equal(np.argwhere(mask).max(axis=0), (17, 1419))
    assert mask.sum() == 4 * painted.sum()
    np.testing.assert_array_equal(np.asarray(_opened(result.download)), gi_plugin.inpaint(pixels, mask))
    assert result.shown.size == shown.size


def test_a_turned_photo_is_painted_upright(tmp_path: Path) -> None:
    """A photo with an EXIF orientation is shown, filled and written upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(IMAGE).rotate(90, expand=True).save(tmp_path / "turned.png", exif=exif)
    photo = Photo(tmp_path / "turned.png", "turned.png")
    np.testing.assert_array_equal(np.asarray(web_photo.show(photo, LIMIT)), IMAGE)
    np.testing.assert_array_equal(np.asarray(_opened(_fill(photo, tmp_path).download)), gi_plugin.inpaint(IMAGE, MASK))


@pytest.mark.parametrize(("mode", "shown_with"), [("RGB", SRGB), ("CMYK", None)])
def test_the_colour_profile_goes_where_it_belongs(tmp_path: Path, mode: str, shown_with: bytes | None) -> None:
    """The result keeps the photo's colour profile; the shown picture has it only if its pixels are in that colour space."""
    profile = SRGB[:16] + mode.ljust(4).encode() + SRGB[20:]
    Image.fromarray(IMAGE).convert(mode).save(tmp_path / "photo.tif", icc_profile=profile)
    photo = Photo(tmp_path / "photo.tif", "photo.tif")
    assert web_photo.show(photo, LIMIT).info.get("icc_profile") == shown_with
    assert _opened(_fill(photo, tmp_path).download).info["icc_profile"] == profile


def test_a_file_with_a_wrong_suffix_is_downloaded_as_png(tmp_path: Path) -> None:
    """A transparent PNG named .jpg cannot be stored as JPEG, so the download is a PNG."""
    content = io.BytesIO()
    Image.fromarray(KINDS["alpha.png"]).save(content, "PNG")
    (tmp_path / "photo.jpg").write_bytes(content.getvalue())
    result = _fill(Photo(tmp_path / "photo.jpg", "photo.jpg"), tmp_path)
    assert result.download.name == "photo-filled.png"
    assert "lossy" not in result.report


def _broken(folder: Path) -> Photo:
    (folder / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n, and no more")
    return Photo(folder / "photo.png", "photo.png")


@pytest.mark.parametrize(
    ("prepare", "mask", "message"),
    [
        (_broken, MASK, "photo.png: cannot be read as a picture"),
        (
            lambda folder: _saved(np.zeros((1001, 1000), np.uint8), folder / "huge.png"),
            MASK,
            "huge.png: has 1000 x 1001 pixels, the limit is",
        ),
        (lambda folder: Photo(folder / "gone.png", "gone.png"), MASK, "gone.png is no longer on the server"),
        (lambda folder: _saved(IMAGE, folder / "photo.png"), ~MASK & MASK, "nothing is painted"),
        (lambda folder: _saved(IMAGE, folder / "photo.png"), MASK | ~MASK, "mask marks every pixel as missing"),
        (lambda folder: _saved(IMAGE, folder / "photo.png"), MASK[:-1], "the painting has 80 x 63 pixels, expected 80 x 64"),
    ],
    ids=["broken", "too large", "gone", "nothing painted", "all painted", "another size"],
)
def test_unusable_photos_and_paintings_are_refused(tmp_path: Path, prepare: Callable[[Path], Photo], mask: Bools, message: str) -> None:
    """The error states the reason and the uploaded file's name, but no folder of the server."""
    inpainter = Inpainter(Config(hook=HookSettings(max_pixels=LIMIT)))
    with pytest.raises(ImageError) as caught:
        web_photo.fill(prepare(tmp_path), [_layer(mask)], inpainter, tmp_path / "out")
    assert str(caught.value).startswith(message)
    assert str(tmp_path) not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_write_errors_name_the_file_without_its_folder(tmp_path: Path) -> None:
    """If the result cannot be written, the error names the download, but no folder of the server."""
    (tmp_path / "out").touch()
    with pytest.raises(ImageError) as caught:
        _fill(_saved(IMAGE, tmp_path / "rgb.png"), tmp_path / "out")
    assert str(caught.value) == "rgb-filled.png: cannot be written: Not a directory"


def test_an_unknown_suffix_is_refused_without_the_folder(tmp_path: Path) -> None:
    """A photo of floats whose suffix names no format is refused by the name of its result; no folder of the server is in the message."""
    tifffile.imwrite(tmp_path / "photo.xyz", IMAGE.astype(np.float32) / 255, photometric="rgb")
    with pytest.raises(ImageError) as caught:
        _fill(Photo(tmp_path / "photo.xyz", "photo.xyz"), tmp_path / "out")
    assert str(caught.value) == "photo-filled.png: cannot hold float32 pixels without loss; use .tif"


def test_an_error_text_that_contains_the_path_stays_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the name of the file is set: text of a decoder that happens to contain a short path is not rewritten."""
    monkeypatch.chdir(tmp_path)
    Path("a").write_bytes(b"no picture")
    with pytest.raises(ImageError) as caught:
        web_photo.show(Photo(Path("a"), "holiday.png"), LIMIT)
    assert str(caught.value) == "holiday.png: cannot be read as a picture: unknown format, or the file is damaged"
