"""Photos of the web page, without the page: all kinds of files, several rounds, and errors."""

from __future__ import annotations

import io
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

if find_spec("starlette") is None:
    pytest.skip("starlette is not installed: pip install 'gi-plugin[web]'", allow_module_level=True)

import gi_plugin
from gi_plugin import attention_map, files
from gi_plugin.arrays import Array, Bools, Bytes
from gi_plugin.config import Detail
from gi_plugin.errors import ImageError
from gi_plugin.hooks.web.photos import rounds
from gi_plugin.hooks.web.photos.painting import Painting, mask_file, painting_of_file, read_painting
from gi_plugin.hooks.web.photos.reading import PhotoReader
from gi_plugin.hooks.web.photos.rounds import FilledVersion
from gi_plugin.hooks.web.photos.stored import StoredPhoto
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


def _painting(mask: Bools) -> Painting:
    """A painting of the size of the photo."""
    return Painting(mask, 0, 0, mask.shape[1], mask.shape[0])


def _stored(folder: Path, name: str, content: Array | bytes = IMAGE, quality: int | None = None) -> StoredPhoto:
    """A photo that was uploaded under a name."""
    folder.mkdir(exist_ok=True)
    photo = StoredPhoto(folder, name)
    if isinstance(content, bytes):
        photo.path.write_bytes(content)
    elif photo.path.suffix == ".tif":
        tifffile.imwrite(photo.path, content)
    else:
        Image.fromarray(content).save(photo.path, **({"lossless": True} if quality is None else {"quality": quality}))
    return photo


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _fill(photo: StoredPhoto, mask: Bools = MASK, version: int = 0, options: Options = Options()) -> FilledVersion:  # noqa: B008  # frozen
    return rounds.fill(photo, version, _painting(mask), PhotoReader(LIMIT), default_inpainter(), options)


def _download(photo: StoredPhoto, version: int = 1, *, lossless: bool = False) -> Path:
    return rounds.download(photo, version, PhotoReader(LIMIT), photo.folder / "out", lossless=lossless)


def _pixels(path: Path) -> Bytes:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("name", KINDS)
def test_a_photo_is_filled_as_the_python_call_fills_it(tmp_path: Path, name: str) -> None:
    """The download has the photo's format, depth and known pixels; its hole equals that of `gi_plugin.inpaint`."""
    photo = _stored(tmp_path / "photo", name, KINDS[name])
    found = _fill(photo)
    download = _download(photo)
    filled = files.read_picture(download, LIMIT).pixels
    assert (download.name, filled.dtype) == (f"{Path(name).stem}-filled{Path(name).suffix}", KINDS[name].dtype)
    np.testing.assert_array_equal(filled, gi_plugin.inpaint(KINDS[name], MASK))
    assert (found.version, found.filled) == (1, MASK.sum())


@pytest.mark.parametrize("name", KINDS)
def test_the_page_shows_the_fill_over_the_photo(tmp_path: Path, name: str) -> None:
    """The picture of a version, laid over the photo's preview at its place, is the preview of the result, in 8 bits."""
    photo = _stored(tmp_path / "photo", name, KINDS[name])
    found = _fill(photo)
    rows, columns = found.box.slices
    patch = np.asarray(Image.open(photo.picture(1, "patch")).convert("RGBA"))
    result = _stored(tmp_path / "result", name, _download(photo).read_bytes())
    before, after = (
        np.array(Image.open(io.BytesIO(rounds.preview(one, PhotoReader(LIMIT), *MASK.shape[::-1]))).convert("RGB"))
        for one in (photo, result)
    )
    np.copyto(before[rows, columns], patch[..., :3], where=patch[..., 3:] > 0)
    assert np.abs(before.astype(int) - after).max() <= 1
    assert (patch[..., 3] > 0).sum() > MASK.sum()


@pytest.mark.parametrize("detail", ["transfer", "network"])
def test_a_picture_shows_where_the_pixels_came_from(tmp_path: Path, detail: Detail) -> None:
    """In the hole it shows the sources of the pixels; if the network made them, it shows where the network looked."""
    photo = _stored(tmp_path / "photo", "rgb.png")
    found = _fill(photo, options=Options(detail=detail, seed=2))
    inpainting = default_inpainter().run(IMAGE, MASK, Options(detail=detail, seed=2))
    draw = attention_map.draw_sources if detail == "transfer" else attention_map.draw_attention
    shown = np.asarray(Image.open(photo.picture(1, "sources")))
    traced = shown[..., 3] > 0
    assert found.traced
    assert traced.sum() == MASK.sum()
    np.testing.assert_array_equal(shown[traced, :3], draw(inpainting)[found.box.slices][traced])


@pytest.mark.parametrize(
    ("name", "content", "alike"),
    [
        ("rgb.png", IMAGE, True),
        ("alpha.png", KINDS["alpha.png"], True),
        ("photo.webp", IMAGE, True),
        ("deep.tif", KINDS["deep.tif"], False),
        ("rgb.tif", IMAGE, False),
        ("cmyk.jpg", _encoded(Image.fromarray(IMAGE).convert("CMYK"), "JPEG"), False),
    ],
)
def test_the_browser_shows_what_it_can(tmp_path: Path, name: str, content: Array | bytes, alike: bool) -> None:
    """A file that a browser shows differently, or not at all, is known as such, and its size is told."""
    photo = _stored(tmp_path / "photo", name, content)
    found = rounds.opened(photo, PhotoReader(LIMIT))
    assert (found.width, found.height, found.alike, found.lossy) == (80, 64, alike, name.endswith(".jpg"))
    assert photo.shape == (64, 80)


def test_versions_form_a_tree(tmp_path: Path) -> None:
    """Every version equals the Python call on its parent, whichever fills came in between."""
    photo = _stored(tmp_path / "photo", "rgb.png")
    left, right = np.roll(MASK, -3, axis=1), np.roll(MASK, 30, axis=1)
    first, second = _fill(photo), _fill(photo, left, options=Options(seed=3))
    third = _fill(photo, right, first.version)
    assert [found.version for found in (first, second, third)] == [1, 2, 3]
    filled = gi_plugin.inpaint(IMAGE, MASK)
    np.testing.assert_array_equal(_pixels(_download(photo, 0)), IMAGE)
    np.testing.assert_array_equal(_pixels(_download(photo, 2)), gi_plugin.inpaint(IMAGE, left, seed=3))
    np.testing.assert_array_equal(_pixels(_download(photo, 3)), gi_plugin.inpaint(filled, right))
    np.testing.assert_array_equal(_pixels(_download(photo, 1)), filled)


def test_several_rounds_on_a_jpeg_lose_nothing_in_between(tmp_path: Path) -> None:
    """The second round starts from the exact result of the first; a download is a JPEG, or a PNG without loss if that is asked for."""
    photo = _stored(tmp_path / "photo", "photo.jpg", quality=90)
    before = files.read_picture(photo.path, LIMIT).pixels
    again = ~MASK[::-1] & (np.arange(MASK.shape[1]) < 4)
    _fill(photo)
    _fill(photo, again, 1)
    expected = gi_plugin.inpaint(gi_plugin.inpaint(before, MASK), again)
    exact, lossy = _download(photo, 2, lossless=True), _download(photo, 2)
    assert [path.name for path in (exact, lossy)] == ["photo-filled.png", "photo-filled.jpg"]
    np.testing.assert_array_equal(_pixels(exact), expected)
    assert 0 < np.abs(_pixels(lossy).astype(int) - expected).mean() < 3


def test_a_reduced_painting_covers_the_photo(tmp_path: Path) -> None:
    """What is painted on a reduced picture is scaled up to the photo, also from a part of it; the rest stays unchanged."""
    pixels = np.random.default_rng(0).integers(0, 255, (64, 3000), dtype=np.uint8)
    photo = _stored(tmp_path / "photo", "wide.png", pixels)
    painting = Painting(np.ones((4, 10), bool), 700, 5, 1500, 32)
    mask = painting.mask(pixels.shape)
    assert mask.sum() == 4 * 40
    assert mask[10:18, 1400:1420].all()
    found = rounds.fill(photo, 0, painting, PhotoReader(LIMIT), default_inpainter(), Options())
    np.testing.assert_array_equal(_pixels(_download(photo)), gi_plugin.inpaint(pixels, mask))
    assert found.box == (8, 1398, 20, 1422)


@pytest.mark.parametrize("shape", [(64, 80), (50, 61), (127, 200)])
def test_a_painting_keeps_its_place_at_every_scale(shape: tuple[int, int]) -> None:
    """A pixel of the photo is missing exactly if its place in the shown picture was painted."""
    random = np.random.default_rng(1)
    painted = random.random((20, 30)) < 0.3
    whole = np.zeros((50, 60), bool)
    whole[7:27, 11:41] = painted
    expected = [[whole[row * 50 // shape[0], column * 60 // shape[1]] for column in range(shape[1])] for row in range(shape[0])]
    np.testing.assert_array_equal(Painting(painted, 11, 7, 60, 50).mask(shape), expected)


def test_a_mask_file_goes_to_the_browser_and_back(tmp_path: Path) -> None:
    """A mask file becomes a painting by the rules of the Python call, and the painting becomes the same mask file."""
    Image.fromarray(MASK * np.uint8(2)).save(tmp_path / "labels.png")
    shown = painting_of_file(tmp_path / "labels.png", "labels.png", (64, 80), LIMIT)
    painting = read_painting(shown, 0, 0, 80, 64)
    np.testing.assert_array_equal(painting.painted, MASK)
    np.testing.assert_array_equal(_pixels_of(mask_file(painting, (64, 80))), MASK * np.uint8(255))


def test_a_mask_file_of_another_size_is_refused(tmp_path: Path) -> None:
    """The message names the file and both sizes."""
    Image.fromarray(MASK[:-1]).save(tmp_path / "m.png")
    with pytest.raises(ImageError, match=r"^m\.png: has 80 x 63 pixels, the photo has 80 x 64: use a mask of the same size$"):
        painting_of_file(tmp_path / "m.png", "m.png", (64, 80), LIMIT)


@pytest.mark.parametrize(
    ("data", "place", "message"),
    [
        (b"no picture", (0, 0, 80, 64), "the painting cannot be read"),
        (None, (1, 0, 80, 64), "the painting of 80 x 64 pixels at 1, 0 lies outside 80 x 64"),
        (None, (0, 0, 0, 64), "the shown picture has 0 x 64 pixels"),
        (None, (0, 0, 10**5, 10**5), "the shown picture has 100000 x 100000 pixels"),
    ],
)
def test_an_unusable_painting_is_refused(data: bytes | None, place: tuple[int, int, int, int], message: str) -> None:
    """A painting must be a PNG inside the shown picture."""
    with pytest.raises(ImageError, match=f"^{message}"):
        read_painting(_encoded(Image.fromarray(MASK), "PNG") if data is None else data, *place)


def test_a_turned_photo_is_painted_upright(tmp_path: Path) -> None:
    """A photo with an EXIF orientation is shown, filled and written upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Image.fromarray(IMAGE).rotate(90, expand=True)
    photo = _stored(tmp_path / "photo", "turned.png", _encoded(turned, "PNG", exif=exif))
    np.testing.assert_array_equal(_pixels_of(rounds.preview(photo, PhotoReader(LIMIT), 80, 64)), IMAGE)
    _fill(photo)
    np.testing.assert_array_equal(_pixels(_download(photo)), gi_plugin.inpaint(IMAGE, MASK))


@pytest.mark.parametrize(("mode", "kept"), [("RGB", True), ("CMYK", False)])
def test_the_profile_is_shown_and_written(tmp_path: Path, mode: str, kept: bool) -> None:
    """What the page shows has the photo's colour profile, unless the pixels were converted; the download has it in any case."""
    profile = SRGB if mode == "RGB" else b"\0" * 16 + b"CMYK" + b"\0" * 108
    photo = _stored(tmp_path / "photo", "photo.tif")
    Image.fromarray(IMAGE).convert(mode).save(photo.path, icc_profile=profile)
    _fill(photo)
    with Image.open(photo.picture(1, "patch")) as patch, Image.open(_download(photo)) as download:
        assert patch.info.get("icc_profile") == (profile if kept else None)
        assert download.info["icc_profile"] == profile


def test_a_file_with_a_wrong_suffix_is_downloaded_as_png(tmp_path: Path) -> None:
    """A transparent PNG named .jpg cannot be stored as JPEG, so the download is a PNG."""
    photo = _stored(tmp_path / "photo", "photo.jpg", _encoded(Image.fromarray(KINDS["alpha.png"]), "PNG"))
    _fill(photo)
    download = _download(photo)
    assert download.name == "photo-filled.png"
    np.testing.assert_array_equal(_pixels(download), gi_plugin.inpaint(KINDS["alpha.png"], MASK))


@pytest.mark.parametrize(
    ("name", "content", "mask", "message"),
    [
        ("photo.png", b"\x89PNG\r\n\x1a\n, and no more", MASK, "photo.png: cannot be read as a picture"),
        ("huge.png", np.zeros((1001, 1000), np.uint8), MASK, "huge.png: has 1000 x 1001 pixels, the limit is"),
        ("photo.png", IMAGE, ~MASK & MASK, "nothing is painted"),
        ("photo.png", IMAGE, MASK | ~MASK, "mask marks every pixel as missing"),
    ],
    ids=["broken", "too large", "nothing painted", "all painted"],
)
def test_unusable_photos_and_paintings_are_refused(tmp_path: Path, name: str, content: Array | bytes, mask: Bools, message: str) -> None:
    """The error states the reason and the uploaded file's name, but no folder of the server; no version is added."""
    photo = _stored(tmp_path / "photo", name, content)
    with pytest.raises(ImageError) as caught:
        rounds.fill(photo, 0, _painting(mask), PhotoReader(LIMIT), default_inpainter(), Options())
    assert str(caught.value).startswith(message)
    assert str(tmp_path) not in str(caught.value)
    assert photo.versions == 1


WRITE_ERRORS: list[tuple[str, Callable[[Path], None], str]] = [
    ("rgb.png", Path.touch, "rgb-filled.png: cannot be written: File exists"),
    ("photo.xyz", Path.mkdir, "photo-filled.png: cannot hold float32 pixels without loss; use .tif"),
]


@pytest.mark.parametrize(("name", "prepare", "message"), WRITE_ERRORS)
def test_write_errors_name_the_file_without_its_folder(tmp_path: Path, name: str, prepare: Callable[[Path], None], message: str) -> None:
    """If the result cannot be written, the error names the download, but no folder of the server."""
    photo = _stored(tmp_path / "photo", name, IMAGE if name == "rgb.png" else b"")
    if name == "photo.xyz":
        tifffile.imwrite(photo.path, IMAGE.astype(np.float32) / 255, photometric="rgb")
    _fill(photo)
    prepare(photo.folder / "out")
    with pytest.raises(ImageError) as caught:
        _download(photo)
    assert str(caught.value) == message


def test_rounds_on_one_photo_decode_it_once(tmp_path: Path) -> None:
    """The reader keeps the last photo: it is there although its file has gone, until it is forgotten or another one is read."""
    first, second, reader = _stored(tmp_path / "1", "photo.png"), _stored(tmp_path / "2", "photo.png"), PhotoReader(LIMIT)
    kept = reader.shared(first)
    first.path.rename(tmp_path / "away.png")
    assert reader.shared(first) is kept
    reader.shared(second)
    with pytest.raises(ImageError, match="there is no such file"):
        reader.shared(first)
    reader.shared(second)
    second.path.rename(tmp_path / "away.png")
    reader.forget(first)
    reader.shared(second)
    reader.forget(second)
    with pytest.raises(ImageError, match="there is no such file"):
        reader.shared(second)


@pytest.mark.parametrize("name", KINDS)
def test_a_download_leaves_the_photo_as_it_is(tmp_path: Path, name: str) -> None:
    """After the result was written, version 0 is still the photo, although both come from one picture in memory."""
    photo, reader = _stored(tmp_path / "photo", name, KINDS[name]), PhotoReader(LIMIT)
    rounds.fill(photo, 0, _painting(MASK), reader, default_inpainter(), Options())
    filled, original = (files.read_picture(rounds.download(photo, version, reader, tmp_path / "out"), LIMIT).pixels for version in (1, 0))
    np.testing.assert_array_equal(original, KINDS[name])
    assert (filled != original).any()


def _pixels_of(data: bytes) -> Bytes:
    return _pixels(io.BytesIO(data))  # type: ignore[arg-type]  # Pillow opens it as well
