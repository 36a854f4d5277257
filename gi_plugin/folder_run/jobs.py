"""The jobs of a folder run: pair each picture with its mask and its result file, and find the results that are up to date."""

from __future__ import annotations

import os
import stat
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from .. import files
from ..atomic import PARTIAL
from ..errors import ImageError

ABANDONED = 3600  # a temporary file that was not written to for so many seconds is abandoned


@dataclass(frozen=True)
class Job:
    """One picture to fill."""

    image: Path
    mask: Path | None  # None if the picture has no mask
    output: Path
    found: bool = False  # whether a plugin finds the mask in the picture


def jobs_of(image: Path, mask: Path | None, output: Path) -> list[Job]:
    """Pair each picture with its mask and its result file.

    For one picture, `mask` is one file. For a folder, it is one file for all pictures, or a folder of masks with the same names; names are
    compared without suffix. If it is None, a plugin finds the mask of each picture.

    Sub-folders are searched, and results keep the folder tree. Hidden files and folders, links to folders, and
    the folders of masks and results, if they are inside `image`, are skipped.

    :raises ImageError: if a path does not exist, a folder holds no picture, results would overwrite pictures or masks, or a folder of masks
        is given for one picture.
    """
    for path in (image, mask):
        if path is not None and not path.exists():
            raise ImageError(f"{path}: there is no such file")
    if not image.is_dir():
        if mask is not None and mask.is_dir():
            raise ImageError(f"{mask} is a folder, {image} is not: expected one mask file for one image")
        return [Job(image, mask, output / files.output_name(image) if output.is_dir() else output, found=mask is None)]
    _check_folder(output, image, mask)
    pictures = list(_pictures(image, output if mask is None else mask, output))
    if not pictures:
        raise ImageError(f"{image}: there is no picture in this folder")
    masks = {path.with_suffix(""): mask / path for path in _pictures(mask, image, output)} if mask is not None and mask.is_dir() else None
    results = [path.with_name(files.output_name(image / path)) for path in pictures]
    uses = Counter(results)
    return [
        Job(image / path, mask if masks is None else masks.get(path.with_suffix("")), output / _unique(path, result, uses), mask is None)
        for path, result in zip(pictures, results, strict=True)
    ]


def is_finished(job: Job) -> bool:
    """Return whether a job's result exists and is no older than its picture and its mask (results are written atomically)."""
    try:
        result = job.output.stat()
        sources = [path.stat().st_mtime_ns for path in (job.image, job.mask) if path is not None]
    except OSError:
        return False  # a missing picture or mask is reported when it is read
    return (job.found or job.mask is not None) and stat.S_ISREG(result.st_mode) and max(sources) <= result.st_mtime_ns


def remove_abandoned(jobs: Iterable[Job]) -> None:
    """Remove the temporary files that a killed run left in the folders of the results."""
    for folder in {job.output.parent for job in jobs}:
        for path in folder.glob(f"{PARTIAL}*"):
            with suppress(OSError):  # another process removed it, or it belongs to another user
                if time.time() - path.stat().st_mtime > ABANDONED:
                    path.unlink()


def _check_folder(output: Path, image: Path, mask: Path | None) -> None:
    if output.exists() and not output.is_dir():
        raise ImageError(f"{output} is a file: expected a folder for the results of the folder {image}")
    for folder, content in ((image, "pictures"), (mask, "masks")):
        if folder is not None and output.resolve() == folder.resolve():
            raise ImageError(f"{output} holds the {content}, results would overwrite them: give another folder for the results")


def _unique(path: Path, result: Path, uses: Counter[Path]) -> Path:
    """Return a unique name for a result: beside a.png, the result of a.jpg is a.jpg.png."""
    return result if uses[result] == 1 or result == path else path.with_name(f"{path.name}{result.suffix}")


def _pictures(folder: Path, *others: Path) -> Iterator[Path]:
    """Yield the pictures in a folder and its sub-folders in sorted order, as paths relative to it; skip the folders `others`."""
    suffixes, skipped = {*Image.registered_extensions(), *files.suffixes()}, {other.resolve() for other in others}
    for parent, folders, names in os.walk(folder, onerror=_raise):
        here = Path(parent)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and (here / name).resolve() not in skipped)
        paths = (here / name for name in sorted(names) if not name.startswith("."))
        yield from (path.relative_to(folder) for path in paths if path.suffix.lower() in suffixes and path.is_file())


def _raise(error: OSError) -> None:
    raise error
