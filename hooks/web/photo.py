"""What the web page does with a photo: show it, take the painted hole, fill it in the file's own depth, and write it in its format."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gi_plugin import attention_map, files
from gi_plugin.arrays import Array, Bools
from gi_plugin.errors import ImageError
from gi_plugin.files import PictureFile, formats
from gi_plugin.inpainter import Inpainter
from gi_plugin.options import Options

SHOWN = 1536  # pixels of the longer side of what is shown and painted on, at most
COLOURS = {2: b"GRAY", 3: b"RGB "}  # what a colour profile of an array with as many dimensions says at bytes 16 to 20


@dataclass(frozen=True)
class Photo:
    """A photo that somebody works on."""

    path: Path  # the file as it was uploaded, or as the last round left it, without loss
    name: str  # of the uploaded file: says in which format the result is downloaded


@dataclass(frozen=True)
class Round:
    """What came of filling a photo."""

    photo: Photo  # to go on with
    download: Path  # in the format of the uploaded file where that can hold it
    mask: Path
    shown: Image.Image
    attention: Image.Image
    report: str


def show(photo: Photo, max_pixels: int) -> Image.Image:
    """The photo as it is painted on: upright, 8 bits, at most SHOWN pixels wide and high.

    :raises ImageError: if it cannot be read, or has more than `max_pixels`.
    """
    picture = _read(photo, max_pixels)
    return _shown(picture.pixels, picture)


def fill(photo: Photo, layers: Iterable[Image.Image], inpainter: Inpainter, folder: Path) -> Round:
    """Fill what is painted, and write result and mask into a new folder inside of `folder`.

    :param layers: pictures as large as what `show` gives; where they are not transparent, the photo is missing.
    :raises GiError: if nothing (or everything) is painted, the file cannot be read or written, or no engine runs.
    """
    picture = _read(photo, inpainter.config.hook.max_pixels)
    mask = _painted(layers, picture.pixels.shape[:2])
    data_range = files.value_range(picture.pixels, mask)
    start = time.perf_counter()
    inpainting = inpainter.run(picture.pixels, mask, Options(data_range=data_range))
    seconds = time.perf_counter() - start
    with _naming(photo):
        result, download = _write(photo, picture, inpainting.image, inpainting.hole, folder / secrets.token_hex(16))
        mask_path = result.with_name(f"{Path(photo.name).stem}-mask.png")
        files.write_array(mask * np.uint8(255), mask_path)
    report = f"Filled {np.count_nonzero(inpainting.hole):,} pixels in {seconds:.2f} s."
    if formats.is_lossy(download):
        report += f" {download.suffix} is a lossy format: known pixels change a little in the download, not in the next round."
    where = _shown(attention_map.draw_sources(inpainting, data_range=data_range))
    return Round(Photo(result, photo.name), download, mask_path, _shown(inpainting.image, picture), where, report)


def _read(photo: Photo, max_pixels: int) -> PictureFile:
    if not photo.path.exists():
        raise ImageError(f"{photo.name} is no longer on the server, which keeps photos for a limited time: load it again")
    os.utime(photo.path)  # it is in use: its time starts again
    with _naming(photo):
        return files.read_picture(photo.path, max_pixels)


@contextmanager
def _naming(photo: Photo) -> Iterator[None]:
    """Errors name the photo as its owner does, not the place where the server keeps it."""
    try:
        yield
    except ImageError as error:
        raise ImageError(str(error).replace(str(photo.path), photo.name)) from error


def _write(photo: Photo, picture: PictureFile, filled: Array, hole: Bools, folder: Path) -> tuple[Path, Path]:
    """Write the result without loss, and once more if the photo came in a lossy format: paths to go on with, and to download."""
    name = Path(photo.name)
    result = folder / f"{name.stem}-filled{Path(files.output_name(photo.path)).suffix}"
    files.write_picture(picture, filled, hole, result)
    if not formats.is_lossy(name):
        return result, result
    download = result.with_suffix(name.suffix)
    try:
        files.write_picture(picture, filled, hole, download)
    except ImageError:  # not what its name says, such as a transparent PNG called .jpg
        return result, result
    return result, download


def _shown_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Width and height at which a picture of `shape` (rows, columns, ...) is shown."""
    scale = min(1.0, SHOWN / max(shape[:2]))
    return max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))


def _shown(pixels: Array, picture: PictureFile | None = None) -> Image.Image:
    """8-bit pixels in the colours of the picture they belong to, reduced to the size at which they are shown."""
    size = _shown_size(pixels.shape)
    step = max(1, max(pixels.shape[:2]) // (2 * SHOWN))  # of a huge picture, take no more than the reduction needs
    image = Image.fromarray(_bytes(pixels[::step, ::step]))
    image = image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
    profile = None if picture is None else _profile(picture)
    if profile and profile[16:20] == COLOURS[min(pixels.ndim, 3)]:  # the pixels of a CMYK picture are RGB already
        image.info["icc_profile"] = profile
    return image


def _profile(picture: PictureFile) -> bytes | None:
    source = picture.source
    profile: bytes | None = source.info.get("icc_profile") if isinstance(source, Image.Image) else source.profile
    return profile


def _bytes(pixels: Array) -> Array:
    """Pixels of any kind as uint8."""
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    if pixels.dtype == np.uint16:
        return (pixels >> 8).astype(np.uint8)
    low, high = files.value_range(pixels, np.zeros(pixels.shape[:2], bool)) or (0.0, 1.0)
    values = np.nan_to_num(pixels.astype(np.float32), nan=low, posinf=high, neginf=low)
    return np.asarray(((values - low) * (255 / (high - low))).clip(0, 255), dtype=np.uint8)


def _painted(layers: Iterable[Image.Image], shape: tuple[int, ...]) -> Bools:
    """What is painted, at the photo's own size [H, W].

    :raises ImageError: if nothing is, or a layer belongs to a picture of another size.
    """
    width, height = _shown_size(shape)
    painted = np.zeros((height, width), bool)
    for layer in layers:
        if layer.size != (width, height):
            raise ImageError(
                f"the painting has {layer.width} x {layer.height} pixels, the photo is shown with {width} x {height}: load it again"
            )
        painted |= np.asarray(layer.convert("RGBA").getchannel("A")) > 0  # a stroke's soft edge belongs to it
    if not painted.any():
        raise ImageError("nothing is painted: paint over what is to be filled")
    rows, columns = np.arange(shape[0]) * height // shape[0], np.arange(shape[1]) * width // shape[1]
    return np.asarray(painted[np.ix_(rows, columns)], dtype=bool)
