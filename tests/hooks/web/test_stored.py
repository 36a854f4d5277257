"""The photos that the server keeps: patches without loss, and limits of number, size and age."""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

if find_spec("starlette") is None:
    pytest.skip("starlette is not installed: pip install 'gi-plugin[web]'", allow_module_level=True)

from starlette.exceptions import HTTPException

from gi_plugin.box import Box
from gi_plugin.hooks.web.limits import Limits
from gi_plugin.hooks.web.photos.stored import Patch, PhotoStore, StoredPhoto


def _store(folder: Path, **limits: Any) -> PhotoStore:
    return PhotoStore(folder, Limits(**limits))


def _new(store: PhotoStore, size: int = 10) -> tuple[str, StoredPhoto]:
    key, photo = store.new("photo.png")
    photo.path.write_bytes(bytes(size))
    return key, photo


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [(), (3,), (4,)])
def test_patches_are_stored_without_loss(tmp_path: Path, dtype: type, channels: tuple[int, ...]) -> None:
    """A patch comes back as it was, for every depth; a version has the patches on its path and no others."""
    _, photo = _new(_store(tmp_path))
    random = np.random.default_rng(0)
    patches = []
    for parent in (0, 0, 1, 3):
        hole = random.random((5, 7)) < 0.5
        values = (1000 * random.random((hole.sum(), *channels))).astype(dtype)
        patches.append(Patch(parent, Box(2, 3, 7, 10), hole, values))
        photo.add(patches[-1])
    found = photo.patches(4)
    assert [patch.parent for patch in found] == [0, 1, 3]
    for patch, expected in zip(found, (patches[0], patches[2], patches[3]), strict=True):
        assert (patch.box, patch.values.dtype) == (expected.box, dtype)
        np.testing.assert_array_equal(patch.hole, expected.hole)
        np.testing.assert_array_equal(patch.values, expected.values)
    assert photo.patches(0) == []


@pytest.mark.parametrize(("limits", "kept"), [({"photos": 3}, 3), ({"storage": 250}, 2), ({"photos": 9}, 5)])
def test_the_photos_that_were_used_last_are_kept(tmp_path: Path, limits: dict[str, int], kept: int) -> None:
    """Above a limit, photos go in the order of their last use, with their files; their keys then answer 410."""
    store = _store(tmp_path, **limits)
    keys = [_new(store, 100)[0] for _ in range(3)]
    store.get(keys[0])
    keys += [_new(store, 100)[0] for _ in range(2)]
    store.tidy()
    order = [keys[4], keys[3], keys[0], keys[2], keys[1]]
    assert {path.name for path in tmp_path.iterdir()} == set(order[:kept])
    for key in order[kept:]:
        with pytest.raises(HTTPException) as caught:
            store.get(key)
        assert caught.value.status_code == 410


def test_unused_photos_are_deleted(tmp_path: Path) -> None:
    """A photo that was not used for longer than the limit is deleted, one that is in use stays."""
    store = _store(tmp_path, age=0.2)
    old, _ = _new(store)
    used, _ = _new(store)
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        store.get(used)
        time.sleep(0.02)
    store.tidy()
    assert [path.name for path in tmp_path.iterdir()] == [used]
    assert old != used
