"""Processing behind the web page: show a photo, read the painted hole, fill it at full size and depth, write it in the photo's format."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gi_plugin import attention_map, files
from gi_plugin.arrays import Array, Bools
from gi_plugin.config import Detail
from gi_plugin.errors import ImageError
from gi_plugin.files import PictureFile, formats
from gi_plugin.inpainter import Inpainter, Inpainting
from gi_plugin.inputs.value_range import value_range
from gi_plugin.options import Options

MAX_SIDE = 1536  # longest side of the picture in the browser, in pixels
COLOUR_SPACES = {
    2: b"GRAY",
    3: b"RGB ",
}  # by number of array dimensions: the colour space that bytes 16 to 20 of a matching ICC profile name


@dataclass(frozen=True)
class Photo:
    """The photo that a visitor is working on."""

    path: Path  # the uploaded file, or the lossless result of the last round
    name: str  # of the uploaded file; its suffix sets the format of the download


@dataclass(frozen=True)
class FilledPhoto:
    """Result of filling a photo."""

    photo: Photo  # the lossless result, input of the next round
    download: Path  # in the format of the uploaded file, if that format can store the result
    mask: Path
    shown: Image.Image
    sources: Image.Image  # where the pixels came from
    report: str


def show(photo: Photo, max_pixels: int) -> Image.Image:
    """Read a photo for display in the browser: upright, 8 bits, at most MAX_SIDE pixels wide and high.

    :raises ImageError: if it cannot be read, or has more than `max_pixels`.
    """
    picture = _read(photo, max_pixels)
    return _for_display(picture.pixels, picture)


def fill(
    photo: Photo, layers: Iterable[Image.Image], inpainter: Inpainter, folder: Path, *, detail: Detail | None = None, seed: int = 0
) -> FilledPhoto:
    """Fill the painted hole, and write the result and the mask into a new folder inside `folder`.

    :param layers: pictures of the size that `show` returns; every pixel that is not fully transparent belongs to the hole.
    :param detail: as for `gi_plugin.inpaint`; `seed` likewise.
    :raises GiError: if nothing (or everything) is painted, a file cannot be read or written, or no engine runs.
    """
    picture = _read(photo, inpainter.config.hook.max_pixels)
    mask = _painted_mask(layers, picture.pixels.shape[:2])
    start = time.perf_counter()
    inpainting = inpainter.run(picture.pixels, mask, Options(detail=detail, seed=seed))
    seconds = time.perf_counter() - start
    result, download, lost = _write(photo, picture, inpainting.image, inpainting.hole, folder / secrets.token_hex(16))
    mask_path = result.with_name(f"{Path(photo.name).stem}-mask.png")
    files.write_array(mask * np.uint8(255), mask_path, mask_path.name)
    report = f"Filled {np.count_nonzero(inpainting.hole):,} pixels in {seconds:.2f} s."
    if formats.is_lossy(download):
        report += f" {download.suffix} is a lossy format: known pixels change slightly in the download, but not in the next round."
    if lost:
        report += f" Not kept: {', '.join(lost)}."
    shown, sources = _for_display(inpainting.image, picture), _for_display(_draw_sources(inpainting))
    return FilledPhoto(Photo(result, photo.name), download, mask_path, shown, sources, report)


def _draw_sources(inpainting: Inpainting) -> Array:
    """Draw where the pixels came from; for pixels that the network made, draw where it looked."""
    by_network = all(piece.sources is None for piece in inpainting.pieces)
    draw = attention_map.draw_attention if by_network else attention_map.draw_sources
    return draw(inpainting)


def _read(photo: Photo, max_pixels: int) -> PictureFile:
    if not photo.path.exists():
        raise ImageError(f"{photo.name} is no longer on the server, which deletes unused photos: load it again")
    os.utime(photo.path)  # the page deletes files by age: reset it while the photo is in use
    return files.read_picture(photo.path, max_pixels, photo.name)


def _write(photo: Photo, picture: PictureFile, filled: Array, hole: Bools, folder: Path) -> tuple[Path, Path, tuple[str, ...]]:
    """Write the lossless result, and a second file if the photo's format is lossy.

    :return: the file for the next round, the file to download, and the names of what it does not carry of the photo.
    """
    name = Path(photo.name)
    result = folder / f"{name.stem}-filled{Path(files.output_name(photo.path)).suffix}"
    lost = files.write_picture(picture, filled, hole, result, result.name)
    if not formats.is_lossy(name):
        return result, result, lost
    download = result.with_suffix(name.suffix)
    try:
        lost = files.write_picture(picture, filled, hole, download, download.name)
    except ImageError:  # the suffix does not fit the content, for example a transparent PNG named .jpg
        return result, result, lost
    return result, download, lost


def _display_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Width and height on the page of a picture of `shape` (rows, columns, ...)."""
    scale = min(1.0, MAX_SIDE / max(shape[:2]))
    return max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))


def _for_display(pixels: Array, picture: PictureFile | None = None) -> Image.Image:
    """Reduce pixels to 8 bits and to the size on the page; attach the colour profile of their picture where it applies."""
    size = _display_size(pixels.shape)
    step = max(1, max(pixels.shape[:2]) // (2 * MAX_SIDE))  # skip pixels of a huge picture before resampling: saves memory and time
    image = Image.fromarray(_as_uint8(pixels[::step, ::step]))
    image = image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
    profile = None if picture is None else _profile(picture)
    if profile and profile[16:20] == COLOUR_SPACES[min(pixels.ndim, 3)]:  # not for CMYK: its pixels were converted to RGB
        image.info["icc_profile"] = profile
    return image


def _profile(picture: PictureFile) -> bytes | None:
    return picture.metadata.profile or None


def _as_uint8(pixels: Array) -> Array:
    """Convert pixels of any dtype to uint8."""
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    low, high = value_range(pixels if pixels.ndim == 3 else pixels[..., None], np.zeros(pixels.shape[:2], bool))
    values = np.nan_to_num(pixels.astype(np.float32), nan=low, posinf=high, neginf=low)
    return np.asarray(((values - low) * (255 / (high - low))).clip(0, 255), dtype=np.uint8)


def _painted_mask(layers: Iterable[Image.Image], shape: tuple[int, ...]) -> Bools:
    """Combine the painted layers into a mask of the photo's full size, [H, W].

    :raises ImageError: if nothing is painted, or a layer has another size than the shown photo.
    """
    width, height = _display_size(shape)
    painted = np.zeros((height, width), bool)
    for layer in layers:
        if layer.size != (width, height):
            raise ImageError(f"the painting has {layer.width} x {layer.height} pixels, expected {width} x {height}: load the photo again")
        painted |= np.asarray(layer.convert("RGBA").getchannel("A")) > 0  # the soft edge of a stroke counts as painted
    if not painted.any():
        raise ImageError("nothing is painted: paint over the part to fill")
    rows, columns = np.arange(shape[0]) * height // shape[0], np.arange(shape[1]) * width // shape[1]
    return np.asarray(painted[np.ix_(rows, columns)], dtype=bool)
