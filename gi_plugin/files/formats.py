"""File formats of pictures, told by the ending of a name: what each gives back as it was, and which are written."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from ..errors import ImageError
from . import modes

MODES: dict[str, tuple[str, ...]] = {  # what a file of each format gives back as it was; formats that are not here are not written
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "TIFF": modes.KEPT,
    "WEBP": ("1", "L", "LA", "P", "RGB", "RGBA"),  # as RGB or RGBA
    "BMP": ("1", "L", "P", "RGB"),
    "GIF": ("L", "P"),
    "PPM": ("1", "L", "RGB", "I;16"),
    "TGA": ("L", "LA", "P", "RGB", "RGBA"),
    "AVIF": ("RGB", "RGBA"),
    "JPEG": ("L", "RGB", "CMYK"),
}
LOSSY = ("AVIF", "JPEG")


def format_of(path: Path) -> str:
    """The format that Pillow writes to files of this ending, or an empty string."""
    Image.preinit()  # the common ones; the others take time to load
    suffix = path.suffix.lower()
    kind = Image.EXTENSION.get(suffix) or Image.registered_extensions().get(suffix, "")
    return kind if kind in Image.SAVE else ""


def check_output(path: Path, name: str = "") -> None:
    """Refuse a file name whose format is not written.

    :param name: the file's name in error messages; its path if empty.
    :raises ImageError: naming the formats to use.
    """
    if format_of(path) not in MODES:
        what = f"cannot write files ending in {path.suffix!r}; use" if path.suffix else "nothing at its end names a format; add"
        raise ImageError(f"{name or path}: {what} .png, .tif or .webp")


def is_lossy(path: Path) -> bool:
    """Whether writing to this file changes known pixels."""
    return format_of(path) in LOSSY
