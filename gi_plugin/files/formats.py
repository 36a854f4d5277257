"""Picture file formats by file name suffix: which formats we write, and which pixel modes each can hold."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from ..errors import ImageError
from . import modes, registered

MODES: dict[str, tuple[str, ...]] = {  # modes that a format holds without loss (JPEG and AVIF: at all); other formats are not written
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "TIFF": modes.KEPT,
    "WEBP": ("1", "L", "LA", "P", "RGB", "RGBA"),  # the others are stored as RGB or RGBA
    "BMP": ("1", "L", "P", "RGB"),
    "GIF": ("L", "P"),
    "PPM": ("1", "L", "RGB", "I;16"),
    "TGA": ("L", "LA", "P", "RGB", "RGBA"),
    "AVIF": ("RGB", "RGBA"),
    "JPEG": ("L", "RGB", "CMYK"),
}
LOSSY = ("AVIF", "JPEG")
STUBS = ("BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF")  # formats that Pillow knows by name but does not decode itself
UNREAD = (".exr", ".heic", ".heif")  # pictures that we do not read: they are named as such rather than passed over


def format_of(path: Path) -> str:
    """Return the format that Pillow writes to files with this suffix, or an empty string."""
    Image.preinit()  # loads the common formats; loading all of them takes time
    suffix = path.suffix.lower()
    kind = Image.EXTENSION.get(suffix) or Image.registered_extensions().get(suffix, "")
    return kind if kind in Image.SAVE else ""


def check_output(path: Path, name: str = "") -> None:
    """Check that pictures can be written to a file of this name.

    :param name: the file's name in error messages; its path if empty.
    :raises ImageError: if the suffix names no format that we write; the message names formats to use.
    """
    theirs = registered.of(path)
    if theirs is None and format_of(path) not in MODES:
        problem = f"cannot write files ending in {path.suffix!r}; use" if path.suffix else "the file name has no suffix; add"
        raise ImageError(f"{name or path}: {problem} .png, .tif or .webp")
    if theirs is not None and theirs.write is None:
        raise ImageError(f"{name or path}: the plugin of {path.suffix} files only reads them; use .png, .tif or .webp")


def picture_suffixes() -> set[str]:
    """Return the suffixes of picture files, in lower case."""
    known = Image.registered_extensions()
    ours = {suffix for suffix, kind in known.items() if kind in Image.OPEN and kind not in STUBS}
    return ours | set(UNREAD) | registered.suffixes()


def is_lossy(path: Path) -> bool:
    """Return whether writing to this file changes known pixels."""
    return format_of(path) in LOSSY
