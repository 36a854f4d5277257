"""Reading stored photos. The last one stays in memory, so that rounds on one photo decode it once."""

from __future__ import annotations

from dataclasses import replace

from gi_plugin import files
from gi_plugin.files import PictureFile
from gi_plugin.files.raster import Raster

from .stored import StoredPhoto

MOST_KEPT = 50_000_000  # pixels of a photo that is kept


class PhotoReader:
    """Reads photos in the worker thread.

    :param max_pixels: most pixels of a photo.
    """

    def __init__(self, max_pixels: int) -> None:
        self.max_pixels = max_pixels
        self._last: tuple[StoredPhoto, PictureFile] | None = None

    def shared(self, photo: StoredPhoto) -> PictureFile:
        """Return a photo that must not be changed.

        :raises ImageError: if it cannot be read, or has too many pixels.
        """
        last = self._last
        if last is not None and last[0] is photo:
            return last[1]
        self._last = None  # two large photos need not be in memory at once
        picture = files.read_picture(photo.path, self.max_pixels, photo.name)
        rows, columns = picture.pixels.shape[:2]
        if rows * columns <= MOST_KEPT:
            self._last = photo, picture
        return picture

    def own(self, photo: StoredPhoto) -> PictureFile:
        """Return a photo for writing, which changes its source; errors as for `shared`."""
        picture = self.shared(photo)
        source = picture.source
        own = replace(source, values=source.values.copy()) if isinstance(source, Raster) else source.copy()
        return replace(picture, source=own)

    def forget(self, photo: StoredPhoto) -> None:
        """Remove a photo from memory, if it is there."""
        last = self._last
        if last is not None and last[0] is photo:
            self._last = None
