"""Coverage-guided fuzzing of all code that reads foreign data: `python tests/fuzz/fuzz.py TARGET`, or `make fuzz` for all targets.

A target passes bytes to the product and suppresses only the documented errors. Atheris reports any other exception as a crash, together
with the input. Add such an input to the parameters of a test.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import atheris
import imagecodecs
import numpy as np
import tifffile
from PIL import Image

with atheris.instrument_imports(include=["gi_plugin", "tomllib", "tifffile"]):
    from gi_plugin import files, planning
    from gi_plugin.config import parse_config
    from gi_plugin.engines.cache import PAYLOAD, SIDECAR, EngineCache, engine_key
    from gi_plugin.errors import GiError, ImageError
    from gi_plugin.files.coding import exif
    from gi_plugin.image import check_image
    from gi_plugin.inputs.doubts import doubts
    from gi_plugin.inputs.masks import check_mask
    from gi_plugin.inputs.value_range import value_range

LIMIT = 10_000  # pixels
DTYPES = "?bBhHiIlLefdFDU"
SUFFIXES = (".png", ".tif", ".jpg", ".webp", ".bmp", ".gif", ".ppm", ".avif", ".jp2")
PARTS = {"network": "a", "window": "256"}
MEMORY = Path("/dev/shm")  # noqa: S108  # a folder in memory, where there is one: results are synced to disk
FOLDER = Path(tempfile.mkdtemp(prefix="gi-plugin-fuzz-", dir=MEMORY if MEMORY.is_dir() else None))


def picture(content: bytes) -> None:
    """Read a picture file and write it; the first byte chooses its suffix, which may not fit the content, and that of the result."""
    choice = content[0] if content else 0
    path, result = (
        FOLDER / f"{name}{SUFFIXES[number % len(SUFFIXES)]}" for name, number in (("picture", choice), ("result", choice // 16))
    )
    path.write_bytes(content[1:])
    with contextlib.suppress(ImageError):
        read = files.read_picture(path, LIMIT)
        hole = np.zeros(read.pixels.shape[:2], bool)
        assert hole.size <= LIMIT
        hole[: hole.shape[0] // 2] = True
        files.write_picture(read, read.pixels, hole, result)
    with contextlib.suppress(ImageError):
        files.read_mask(path, LIMIT)


def metadata(content: bytes) -> None:
    """Clean Exif data, and read its folders."""
    data = exif.cleaned(content)
    assert exif.JPEG_START not in data
    if data:
        exif.pack(exif.folders_of(data))


def arrays(content: bytes) -> None:
    """Check an image and a mask of any type and shape, and plan their windows."""
    data = atheris.FuzzedDataProvider(content)
    size = [data.ConsumeIntInRange(1, 40), data.ConsumeIntInRange(1, 40)]
    image, mask = (_array(data, size + data.PickValueInList([[], [], [1], [3], [3], [4]])) for _ in range(2))
    if data.ConsumeProbability() < 0.1:
        image, mask = (_array(data, [data.ConsumeIntInRange(0, 9) for _ in range(data.ConsumeIntInRange(0, 4))]) for _ in range(2))
    with contextlib.suppress(GiError):
        source = check_image(image, data.PickValueInList([-1, 0, 1, 2, None]))
        alpha, invert = data.ConsumeBool(), data.ConsumeBool()
        hole = check_mask(mask, source.shape[:2], alpha=alpha, invert=invert)
        doubts(mask, hole, alpha=alpha, invert=invert)
        low, high = value_range(source, hole)
        assert low < high
        covered = np.zeros_like(hole)
        for window in planning.plan_hole(hole, hole.shape, data.PickValueInList(["transfer", "network"])).windows:
            covered[window.own.top : window.own.bottom, window.own.left : window.own.right] = True
        assert covered[hole].all()


def settings(content: bytes) -> None:
    """Parse a plugin.toml."""
    with contextlib.suppress(GiError):
        parse_config(content.decode(errors="replace"), "plugin.toml")


def sidecar(content: bytes) -> None:
    """Read the sidecar file of a cached engine."""
    cache = EngineCache(FOLDER)
    folder = cache.directory / engine_key(PARTS)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PAYLOAD).write_bytes(content[:10])
    (folder / SIDECAR).write_bytes(content)
    cache.entries()
    with contextlib.suppress(GiError):
        assert cache.load(PARTS) == content[:10]


def _array(data: atheris.FuzzedDataProvider, shape: list[int]) -> np.ndarray:  # type: ignore[type-arg]  # of any type
    dtype = np.dtype(data.PickValueInList(list(DTYPES)))
    size = int(np.prod(shape, dtype=np.int64)) * max(1, dtype.itemsize)
    if dtype.kind == "U" or size > 2**16:
        return np.full(shape[:2], "a")
    chunk = data.ConsumeBytes(min(size, 64)) or b"\0"
    return np.frombuffer((chunk * (size // len(chunk) + 1))[:size], dtype).reshape(shape)


def _seeds(target: str) -> list[bytes]:
    """Return the first inputs of a target."""
    if target == "picture":
        return list(_pictures())
    if target == "metadata":
        return [*_exifs()]
    if target == "settings":
        return [(Path(__file__).parents[2] / "plugin.toml").read_bytes()]
    if target == "sidecar":
        cache = EngineCache(FOLDER)
        cache.store(PARTS, b"0123456789", {"note": "b"})
        return [(cache.directory / engine_key(PARTS) / SIDECAR).read_bytes(), json.dumps({"parts": {}}).encode()]
    return [bytes(range(200))]


def _exifs() -> Iterator[bytes]:
    for order in "<>":
        data = Image.Exif()
        data.endian = order
        data[0x0112], data[0x8298] = 6, "somebody"
        data[0x8769] = {0x927C: b"note \xff\xd8\xff", 0x9003: "2024:01:02 03:04:05"}
        yield data.tobytes()


def _pictures() -> Iterator[bytes]:
    """Return small pictures of many formats, each behind the byte that chooses its suffix."""
    values = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)
    image, deep = Image.fromarray(values), values.astype(np.uint16) * 257
    for number, kind in enumerate(("PNG", "TIFF", "JPEG", "WEBP", "BMP", "GIF", "PPM", "AVIF")):
        content = io.BytesIO()
        options = {"exif": next(_exifs()), "dpi": (300, 300)} if kind in ("PNG", "TIFF", "JPEG") else {}
        image.save(content, kind, **options)
        yield bytes([number]) + content.getvalue()
    layouts: list[tuple[np.ndarray, dict[str, object]]] = [  # type: ignore[type-arg]  # of any type
        (deep, {"photometric": "rgb", "compression": "lzw", "predictor": True}),
        (deep[..., 0] >> 4, {"photometric": "miniswhite", "bitspersample": 12}),
        (values[..., 0] > 99, {"photometric": "minisblack"}),
        (np.dstack([values, values]), {"photometric": "rgb", "extrasamples": ["unassalpha", "unspecified", "unspecified"]}),
        (values[..., 0].astype(np.int16), {"photometric": "minisblack", "tile": (16, 16)}),
        (np.dstack([values, values[..., 0]]), {"photometric": "separated", "iccprofile": b"profile"}),
        (deep.astype(np.float32), {"photometric": "rgb", "byteorder": ">", "compression": "zlib"}),
    ]
    for pixels, layout in layouts:
        content = io.BytesIO()
        tifffile.imwrite(content, pixels, **layout)
        yield b"\x11" + content.getvalue()
    yield b"\0" + bytes(imagecodecs.png_encode(deep))
    yield b"\6P6 7 9 1000\n" + (deep // 66).astype(">u2").tobytes()
    yield b"\6P2 3 1 15\n1 2 15"
    yield b"\x18" + bytes(imagecodecs.jpeg2k_encode(deep >> 4, level=0, bitspersample=12))
    yield b"\x07" + bytes(imagecodecs.avif_encode(deep >> 6, level=90, bitspersample=10))


TARGETS: dict[str, tuple[Callable[[bytes], None], int, int]] = {  # function, number of runs, largest input in bytes
    "picture": (picture, 200_000, 4096),
    "metadata": (metadata, 300_000, 1024),
    "arrays": (arrays, 400_000, 512),
    "settings": (settings, 250_000, 4096),
    "sidecar": (sidecar, 250_000, 2048),
}


def main() -> None:
    """Fuzz the target that the command line names."""
    target, runs, size = TARGETS[sys.argv[1]]
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    corpus = FOLDER / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(_seeds(sys.argv[1])):
        (corpus / str(number)).write_bytes(seed)
    options = [f"-runs={runs}", f"-max_len={size}", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", *sys.argv[2:]]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
