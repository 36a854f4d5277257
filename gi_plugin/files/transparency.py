"""The transparent pixels of a picture as what is missing in it."""

from __future__ import annotations

from dataclasses import replace

from PIL import Image

from ..arrays import Bools
from ..errors import NO_MASK, ImageError
from . import modes
from .picture import PictureFile


def transparent_pixels(picture: PictureFile) -> Bools:
    """Return which pixels [H, W] of a picture are not fully opaque.

    :raises ImageError: if there are none.
    """
    source = picture.source
    found = modes.transparent(source) if isinstance(source, Image.Image) else source.transparent()
    if found is None or not found.any():
        raise ImageError(NO_MASK)
    return found


def made_opaque(picture: PictureFile) -> PictureFile:
    """Return a copy of a picture in which every pixel is opaque; colours, mode and metadata stay."""
    source = picture.source
    if isinstance(source, Image.Image):
        image = modes.opaque(source)
        return PictureFile(modes.to_array(image), image, picture.metadata)
    raster = source.opaque()
    return replace(picture, pixels=raster.pixels(), source=raster)
