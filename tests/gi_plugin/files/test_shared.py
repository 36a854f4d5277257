"""Picture files under concurrent use: several threads read, or another program changes the file."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gi_plugin import files
from tests.gi_plugin.pictures import HOLE, LIMIT, picture


@pytest.fixture
def fast_switching() -> Iterator[None]:
    """Let Python switch between threads as often as possible."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("fast_switching")
def test_threads_keep_pillows_limit(tmp_path: Path) -> None:
    """After many threads have read files together, Pillow's own pixel limit is restored."""
    picture("L").save(tmp_path / "source.bmp")
    before = Image.MAX_IMAGE_PIXELS
    with ThreadPoolExecutor(8) as pool:
        for read in [pool.submit(files.read_picture, tmp_path / "source.bmp", LIMIT) for _ in range(400)]:
            read.result()
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.usefixtures("fast_switching")
def test_threads_ignore_the_warnings_of_decoders(tmp_path: Path) -> None:
    """Pillow's warning about a palette with transparency stays ignored in all threads, and the warning filters are restored."""
    picture("P bytes").save(tmp_path / "source.png")
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        for read in [pool.submit(files.read_picture, tmp_path / "source.png", LIMIT) for _ in range(400)]:
            read.result()
    assert list(warnings.filters) == before


@pytest.mark.parametrize("name", ["picture.pgm", "picture.bmp", "picture.tif"])
def test_a_file_may_change_once_it_is_read(tmp_path: Path, name: str) -> None:
    """If the file changes after it was read, the result has the pixels that were read, also for formats that Pillow maps into memory."""
    picture("L").save(tmp_path / name)
    read = files.read_picture(tmp_path / name, LIMIT)
    expected = read.pixels.copy()
    (tmp_path / name).write_bytes(bytes((tmp_path / name).stat().st_size))
    files.write_picture(read, read.pixels, HOLE, tmp_path / "result.png")
    with Image.open(tmp_path / "result.png") as result:
        np.testing.assert_array_equal(np.asarray(result), expected)
    np.testing.assert_array_equal(read.pixels, expected)
