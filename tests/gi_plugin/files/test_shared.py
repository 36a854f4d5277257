"""Picture files while others are at work: threads that read, too, and programs that change the file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gi_plugin import files
from tests.gi_plugin.pictures import HOLE, LIMIT, picture


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("hasty")
def test_threads_leave_pillow_its_limit(tmp_path: Path) -> None:
    """Our limit of pixels takes the place of Pillow's while a file is opened, not for longer, however many read at once."""
    picture("L").save(tmp_path / "source.bmp")
    before = Image.MAX_IMAGE_PIXELS
    with ThreadPoolExecutor(8) as pool:
        for read in [pool.submit(files.read_picture, tmp_path / "source.bmp", LIMIT) for _ in range(400)]:
            read.result()
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("name", ["picture.pgm", "picture.bmp", "picture.tif"])
def test_a_file_may_change_once_it_is_read(tmp_path: Path, name: str) -> None:
    """Formats that Pillow maps into memory: the result has the pixels that were read."""
    picture("L").save(tmp_path / name)
    read = files.read_picture(tmp_path / name, LIMIT)
    expected = read.pixels.copy()
    (tmp_path / name).write_bytes(bytes((tmp_path / name).stat().st_size))
    files.write_picture(read, read.pixels, HOLE, tmp_path / "result.png")
    with Image.open(tmp_path / "result.png") as result:
        np.testing.assert_array_equal(np.asarray(result), expected)
    np.testing.assert_array_equal(np.asarray(read.source), expected)
