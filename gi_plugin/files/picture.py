"""Reading picture files without losing depth, bands, metadata or orientation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ..arrays import Array
from ..errors import ImageError, first_line
from . import modes, registered
from .coding import deep, netpbm, png, tiff, unread
from .formats import LOSSY, MODES, format_of
from .metadata import Metadata, metadata_of
from .opening import check_size, open_image
from .quiet import ignored_warnings
from .raster import Raster, raster_of_array

TURNS = {  # what turns a picture upright, by its orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class PictureFile:
    """The pixels of a picture file for the inpainter (HxW, HxWx3 or HxWx4), what they were read from, and the file's metadata."""

    pixels: Array
    source: Image.Image | Raster
    metadata: Metadata = field(default_factory=Metadata)

    @property
    def unfilled_bands(self) -> int:
        """The number of bands that are neither colours nor alpha."""
        return self.source.unfilled if isinstance(self.source, Raster) else 0

    def mirrored(self, data_range: tuple[float, float] | None) -> tuple[float, float] | None:
        """Convert a range between the values of the file and those of `pixels`: they differ if 0 is white in the file."""
        if data_range is None or not isinstance(self.source, Raster) or not self.source.inverted:
            return data_range
        white = float(self.source.white_pixel)
        return white - data_range[1], white - data_range[0]


def read_picture(path: Path, max_pixels: int, name: str = "") -> PictureFile:
    """Read a picture file and turn it upright according to its EXIF orientation.

    :param name: the file's name in error messages; its path if empty.
    :raises ImageError: if the file is missing, damaged, not a picture, too large, or has several frames.
    """
    with _naming(name or str(path)):
        if (theirs := registered.of(path)) is not None:
            return _read_by_plugin(theirs, path, max_pixels)
        with path.open("rb") as file:
            header = file.read(deep.START)
        unread.check(header)
        if tiff.is_tiff(header):
            raster, metadata = tiff.read(path, max_pixels)
            return _read_odd_tiff(path, metadata) if raster is None else PictureFile(raster.pixels(), raster, metadata)
        if netpbm.is_scaled(header):
            raster = netpbm.read(path, max_pixels)
            return PictureFile(raster.pixels(), raster)
        with open_image(path) as opened:
            frames = 1 if opened.format == "MPO" else getattr(opened, "n_frames", 1)  # MPO: a phone's JPEG, further frames are previews
            check_size(opened.width, opened.height, frames, max_pixels)
            return _read_opened(path, opened, header)


def output_name(path: Path) -> str:
    """Return the file name of a result: the source's name, with suffix .png or .tif if the source's format would change pixels."""
    if (theirs := registered.of(path)) is not None and theirs.write is not None:
        return path.name
    try:
        with ignored_warnings(), open_image(path) as opened:
            mode = opened.mode
    except Exception:  # noqa: BLE001  # Pillow cannot open it: a TIFF of float colours, or a damaged file, which is reported when it is read
        return path.name if format_of(path) in MODES else f"{path.stem}.png"
    kind = format_of(path)
    if kind not in LOSSY and mode in MODES.get(kind, ()):
        return path.name
    return f"{path.stem}{'.png' if mode in MODES['PNG'] else '.tif'}"


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Turn every error of a decoder into an `ImageError` of one line that names the file."""
    try:
        with ignored_warnings():  # decoders warn about unusual metadata
            yield
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    except FileNotFoundError as error:
        raise ImageError(f"{name}: there is no such file") from error
    except MemoryError as error:
        raise ImageError(f"{name}: too large for the memory of this machine") from error
    except Exception as error:  # decoders raise many types
        raise ImageError(f"{name}: cannot be read as a picture: {reason(error)}") from error


def reason(error: Exception) -> str:
    """Return the reason of a decoder's or an encoder's error in a few words."""
    if isinstance(error, UnidentifiedImageError):
        return "unknown format, or the file is damaged"
    if isinstance(error, ImportError):  # imagecodecs, which is always installed, does not say why
        return f"{first_line(error)}: not enough memory (ulimit -v), or the installation is damaged"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return first_line(error)


def _read_opened(path: Path, opened: Image.Image, header: bytes) -> PictureFile:
    kind = opened.format or ""
    opened.load()
    chunks: tuple[png.Chunk, ...] = ()
    if kind == "PNG":
        with path.open("rb") as file:
            chunks = tuple(png.read_chunks(file))
        _scale_key(opened, header)
    metadata, orientation, bits = metadata_of(opened, chunks), deep.orientation_of(opened), deep.bits_of(header, kind)
    if bits > 8:
        raster = deep.read(path, kind, bits, orientation)
        return PictureFile(raster.pixels(), raster, metadata)
    return _from_pillow(opened, orientation, metadata)


def _scale_key(opened: Image.Image, header: bytes) -> None:
    """Bring the transparent grey of a PNG of 2 or 4 bits to the 8 bits of Pillow's pixels."""
    bits, key = header[24], opened.info.get("transparency")
    if opened.mode == "L" and bits in (2, 4) and isinstance(key, int):
        opened.info["transparency"] = key * (255 // (2**bits - 1))


def _from_pillow(opened: Image.Image, orientation: int, metadata: Metadata) -> PictureFile:
    image = opened.transpose(TURNS[orientation]) if orientation > 1 else opened
    image = image.copy() if image is opened and opened.readonly else image  # read-only: mapped from the file, which may change
    image.info = {"transparency": image.info["transparency"]} if "transparency" in image.info else {}  # Pillow would write the rest again
    image = modes.to_kept_mode(image)
    return PictureFile(modes.to_array(image), image, metadata)


def _read_odd_tiff(path: Path, metadata: Metadata) -> PictureFile:
    """Read a TIFF whose coding only Pillow knows, e.g. the JPEG of TIFF 5."""
    with open_image(path) as opened:
        opened.load()
        image = opened.copy()  # a copy drops the tags of the file's layout, which Pillow would otherwise write again
        return _from_pillow(image, deep.orientation_of(opened), metadata)


def _read_by_plugin(theirs: registered.FileFormat, path: Path, max_pixels: int) -> PictureFile:
    """Read a file of a registered format. Its pixels can also be written as a picture of another format that holds them."""
    pixels = theirs.read(path)
    check_size(pixels.shape[1], pixels.shape[0], 1, max_pixels)
    return PictureFile(pixels, raster_of_array(pixels))
