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
from collections.abc import Callable
from pathlib import Path

import atheris
import numpy as np
from PIL import Image

with atheris.instrument_imports(include=["gi_plugin", "tomllib", "tifffile"]):
    from gi_plugin import files, planning
    from gi_plugin.config import parse_config
    from gi_plugin.engines.cache import PAYLOAD, SIDECAR, EngineCache, engine_key
    from gi_plugin.errors import GiError, ImageError
    from gi_plugin.image import check_image, check_mask

LIMIT = 10_000  # pixels
DTYPES = "?bBhHiIlLefdFDU"
PARTS = {"network": "a", "window": "256"}
FOLDER = Path(tempfile.mkdtemp(prefix="gi-plugin-fuzz-"))


def picture(content: bytes) -> None:
    """Read a picture file; the first byte chooses its suffix, which may not fit the content."""
    suffixes = (".png", ".tif", ".jpg", ".webp", ".bmp", ".gif", ".ppm")
    path = FOLDER / f"picture{suffixes[content[0] % len(suffixes)] if content else '.png'}"
    path.write_bytes(content[1:])
    with contextlib.suppress(ImageError):
        assert files.read_picture(path, LIMIT).pixels.shape[0] <= LIMIT


def arrays(content: bytes) -> None:
    """Check an image and a mask of any type and shape, and plan their windows."""
    data = atheris.FuzzedDataProvider(content)
    size = [data.ConsumeIntInRange(1, 40), data.ConsumeIntInRange(1, 40)]
    image, mask = (_array(data, size + data.PickValueInList([[], [], [1], [3], [3], [4]])) for _ in range(2))
    if data.ConsumeProbability() < 0.1:
        image, mask = (_array(data, [data.ConsumeIntInRange(0, 9) for _ in range(data.ConsumeIntInRange(0, 4))]) for _ in range(2))
    with contextlib.suppress(GiError):
        source, low, high = check_image(image, data.PickValueInList([-1, 0, 1, 2, None]))
        assert low < high
        hole = check_mask(mask, source.shape[:2], alpha=data.ConsumeBool())
        covered = np.zeros_like(hole)
        for window in planning.plan(hole):
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
        image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8))
        seeds = []
        for number, kind in enumerate(("PNG", "TIFF", "JPEG", "WEBP", "BMP", "GIF", "PPM")):
            content = io.BytesIO()
            image.save(content, kind)
            seeds.append(bytes([number]) + content.getvalue())
        return seeds
    if target == "settings":
        return [(Path(__file__).parents[2] / "plugin.toml").read_bytes()]
    if target == "sidecar":
        cache = EngineCache(FOLDER)
        cache.store(PARTS, b"0123456789", {"note": "b"})
        return [(cache.directory / engine_key(PARTS) / SIDECAR).read_bytes(), json.dumps({"parts": {}}).encode()]
    return [bytes(range(200))]


TARGETS: dict[str, tuple[Callable[[bytes], None], int, int]] = {  # function, number of runs, largest input in bytes
    "picture": (picture, 150_000, 4096),
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
