"""Work on a photo of the page: open it, fill it again and again at full size and depth, write it in its own format."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gi_plugin import attention_map, files
from gi_plugin.arrays import Array, Bools
from gi_plugin.box import Box, around
from gi_plugin.errors import ImageError
from gi_plugin.files import PictureFile, formats
from gi_plugin.files.coding import png
from gi_plugin.image import dilated
from gi_plugin.inpainter import Inpainter, Inpainting
from gi_plugin.options import Options

from . import shown
from .painting import Painting
from .reading import PhotoReader
from .stored import Patch, StoredPhoto


@dataclass(frozen=True)
class OpenedPhoto:
    """What the page must know about a photo."""

    width: int
    height: int
    alike: bool  # whether the browser shows the file as we do; else it asks for a preview
    lossy: bool  # whether the format changes known pixels when it is written


@dataclass(frozen=True)
class FilledVersion:
    """A new version of a photo, as the page shows it."""

    version: int
    box: Box  # place of the two pictures of this version
    filled: int  # pixels
    seconds: float
    traced: bool  # whether a picture shows where the pixels came from


def opened(photo: StoredPhoto, reader: PhotoReader) -> OpenedPhoto:
    """Open an uploaded photo.

    :raises ImageError: if it cannot be read, or has too many pixels.
    """
    picture = reader.shared(photo)
    height, width = photo.shape = picture.pixels.shape[:2]
    lossy = formats.is_lossy(Path(photo.name))
    return OpenedPhoto(width, height, shown.is_shown_alike(picture, photo.name), lossy)


def preview(photo: StoredPhoto, reader: PhotoReader, width: int, height: int) -> bytes:
    """Return the uploaded photo as a PNG of the given size; errors as for `opened`."""
    picture = reader.shared(photo)
    if not (1 <= width <= picture.pixels.shape[1] and 1 <= height <= picture.pixels.shape[0]):
        raise ImageError(f"a preview has at most the {picture.pixels.shape[1]} x {picture.pixels.shape[0]} pixels of the photo")
    return shown.preview(picture, width, height)


def fill(
    photo: StoredPhoto, version: int, painting: Painting, reader: PhotoReader, inpainter: Inpainter, options: Options
) -> FilledVersion:
    """Fill what is painted on a version of a photo, and store the result as a new version.

    :raises GiError: if nothing (or everything) is painted, a file cannot be read, or no engine runs.
    """
    picture = reader.shared(photo)
    pixels, _ = _patched(photo, picture, version)
    planned = inpainter.plan(painting.mask(pixels.shape), (pixels.shape[0], pixels.shape[1]), options)
    start = time.perf_counter()
    inpainting = inpainter.run(pixels, planned, options)
    seconds = time.perf_counter() - start
    box = around(inpainting.hole)
    hole = inpainting.hole[box.slices]
    number = photo.add(Patch(version, box, hole, inpainting.image[box.slices][hole]))
    wide = _show(photo, number, picture, inpainting, box, math.ceil(pixels.shape[1] / painting.width))
    return FilledVersion(number, wide, int(np.count_nonzero(hole)), seconds, bool(inpainting.pieces))


def download(photo: StoredPhoto, version: int, reader: PhotoReader, folder: Path, *, lossless: bool = False) -> Path:
    """Write a version of a photo into `folder`, in the format of its file if that can hold it.

    :param lossless: never in a lossy format.
    :raises ImageError: if it cannot be written.
    """
    picture = reader.own(photo)
    pixels, hole = _patched(photo, picture, version)
    name = Path(photo.name)
    other = f"{name.stem}-filled{Path(files.output_name(photo.path)).suffix}"
    if formats.is_lossy(name) and not lossless:
        own = folder / f"{name.stem}-filled{name.suffix}"
        try:
            files.write_picture(picture, pixels, hole, own, own.name)
        except ImageError:  # the suffix does not fit the content, for example a transparent PNG named .jpg
            picture = reader.own(photo)
        else:
            return own
    files.write_picture(picture, pixels, hole, folder / other, other)
    return folder / other


def _patched(photo: StoredPhoto, picture: PictureFile, version: int) -> tuple[Array, Bools]:
    """Return the pixels of a version, which must not be changed, and which of them differ from the file."""
    patches, hole = photo.patches(version), np.zeros(picture.pixels.shape[:2], np.bool_)
    pixels = picture.pixels.copy() if patches else picture.pixels
    for patch in patches:
        pixels[patch.box.slices][patch.hole] = patch.values
        hole[patch.box.slices] |= patch.hole
    return pixels, hole


def _show(photo: StoredPhoto, version: int, picture: PictureFile, inpainting: Inpainting, box: Box, step: int) -> Box:
    """Write the pictures that the page lays over the photo; return their place.

    The browser may reduce them by `step`, so they also hold as many known pixels around the hole.
    """
    wide = box.grown(step).inside(inpainting.hole.shape)
    visible = dilated(inpainting.hole[wide.slices], step)
    pixels, limits = inpainting.image[wide.slices], shown.shown_range(picture.pixels)
    photo.picture(version, "patch").write_bytes(shown.cut_out(picture, pixels, visible, limits))
    if inpainting.pieces:
        photo.picture(version, "sources").write_bytes(png.encode(attention_map.draw_hole(inpainting)[wide.slices]))
    return wide
