"""The photos that visitors work on: one folder on the disk for each, within limits, deleted when they are not needed any more."""

from __future__ import annotations

import secrets
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from starlette.exceptions import HTTPException

from gi_plugin.arrays import Array, Bools
from gi_plugin.box import Box

from ..limits import Limits


@dataclass(frozen=True)
class Patch:
    """What one fill changed; it is stored without loss, so that many fills need little space."""

    parent: int  # number of the version that was filled
    box: Box  # around the hole
    hole: Bools  # [h, w], the hole in the box
    values: Array  # [N] or [N, C] pixels of the hole, in the photo's dtype


@dataclass
class StoredPhoto:
    """An uploaded photo and its versions. Version 0 is the file; every fill adds one, whose parent is the version that was filled."""

    folder: Path
    name: str  # of the uploaded file; its suffix sets the format of the download
    used: float = field(default_factory=time.monotonic)
    versions: int = 1
    shape: tuple[int, int] = (0, 0)  # rows and columns; known once the file was read

    @property
    def path(self) -> Path:
        """The uploaded file."""
        return self.folder / f"photo{Path(self.name).suffix}"

    def picture(self, version: int, kind: str) -> Path:
        """The PNG of a version that the page shows: `kind` is "patch" or "sources"."""
        return self.folder / f"{version}-{kind}.png"

    def check(self, version: int) -> None:
        """Check that a version exists.

        :raises HTTPException: 404 if it does not.
        """
        if not 0 <= version < self.versions:
            raise HTTPException(404, f"{self.name} has no version {version}")

    def add(self, patch: Patch) -> int:
        """Store a new version and return its number."""
        number, self.versions = self.versions, self.versions + 1
        hole = np.packbits(patch.hole)
        np.savez(self.folder / f"{number}.npz", parent=patch.parent, box=patch.box, hole=hole, values=patch.values)
        return number

    def patches(self, version: int) -> list[Patch]:
        """The patches that lead from the file to a version, the first one first."""
        found: list[Patch] = []
        while version:
            patch = self._patch(version)
            found.append(patch)
            version = patch.parent
        return found[::-1]

    def size(self) -> int:
        """Bytes on the disk."""
        return sum(path.stat().st_size for path in self.folder.glob("*"))

    def _patch(self, number: int) -> Patch:
        with np.load(self.folder / f"{number}.npz") as stored:
            box = Box(*stored["box"].tolist())
            rows, columns = box.shape
            hole = np.unpackbits(stored["hole"], count=rows * columns).astype(np.bool_).reshape(rows, columns)
            return Patch(int(stored["parent"]), box, hole, stored["values"])


class PhotoStore:
    """All photos of a server, by keys that cannot be guessed.

    :param folder: of the server; it must exist.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder, self._limits = folder, limits
        self._photos: dict[str, StoredPhoto] = {}

    def new(self, name: str) -> tuple[str, StoredPhoto]:
        """Make a place for a photo whose file is called `name`; return its key and the place."""
        self.tidy(self._limits.photos - 1)
        key = secrets.token_hex(16)
        photo = StoredPhoto(self._folder / key, name)
        photo.folder.mkdir()
        self._photos[key] = photo
        return key, photo

    def get(self, key: str) -> StoredPhoto:
        """Return a photo and note that it is in use.

        :raises HTTPException: 410 if it was deleted.
        """
        if key not in self._photos:
            raise HTTPException(410, "the photo is no longer on the server, which deletes unused photos: load it again")
        photo = self._photos[key]
        photo.used = time.monotonic()
        return photo

    def remove(self, key: str) -> None:
        """Delete a photo, if it is there."""
        if (photo := self._photos.pop(key, None)) is not None:
            shutil.rmtree(photo.folder, ignore_errors=True)

    def tidy(self, most: int | None = None) -> None:
        """Delete photos that were not used for too long; and, from the one that was used last, those beyond the limits."""
        oldest, left, space = time.monotonic() - self._limits.age, self._limits.photos if most is None else most, self._limits.storage
        for key, photo in sorted(self._photos.items(), key=lambda entry: -entry[1].used):
            space, left = space - photo.size(), left - 1
            if photo.used < oldest or left < 0 or space < 0:
                self.remove(key)
